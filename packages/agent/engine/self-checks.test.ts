/** Self-checks: what fails is told once and in time, what is healed is told later, what never worked is nobody's failure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SelfChecks } from "./self-checks.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

class Machine {
  fence: Result<void, string> = success(undefined);
  netlink: Result<void, string> = success(undefined);
  addresses: readonly IpAddress[] = ["127.0.0.1" as IpAddress, "::1" as IpAddress];
  deadStack: "none" | "somebody's" | "own" = "none";
  readonly told: string[] = [];
  readonly checks = new SelfChecks({
    fence: () => this.fence,
    netlink: () => this.netlink,
    addresses: () => this.addresses,
    deadStack: () => this.deadStack,
    input: (input: Input) => {
      assert.equal(input.kind, "fitness");
      if (input.kind === "fitness") this.told.push(`${input.what} ${input.fit ? "fit" : "unfit"}`);
    },
  });

  seconds(count: number): string[] {
    for (let i = 0; i < count; i++) this.checks.run();
    return this.told.splice(0);
  }
}

test("a machine where everything works is told nothing of", () => {
  const machine = new Machine();
  assert.deepEqual(machine.seconds(20), []);
  machine.checks.close();
});

test("orders to the fence count at once, also between two seconds; fit again after three seconds in a row", () => {
  const machine = new Machine();
  machine.seconds(1);
  machine.fence = failure("EPERM");
  machine.checks.fenceSuspected();
  assert.deepEqual(machine.seconds(3), ["fence unfit"]);
  machine.fence = success(undefined);
  assert.deepEqual(machine.seconds(2), []);
  machine.fence = failure("EPERM");
  assert.deepEqual(machine.seconds(1), []);
  machine.fence = success(undefined);
  assert.deepEqual(machine.seconds(3), ["fence fit"]);
  machine.checks.close();
});

test("netlink that fails once is no failure; twice is, and is told once", () => {
  const machine = new Machine();
  machine.seconds(2);
  machine.netlink = failure("ENOBUFS");
  assert.deepEqual(machine.seconds(1), []);
  assert.deepEqual(machine.seconds(10), ["netlink unfit"]);
  machine.checks.close();
});

test("what never worked since the start is a choice of this machine", () => {
  const machine = new Machine();
  machine.fence = failure("EPERM");
  machine.netlink = failure("EPERM");
  assert.deepEqual(machine.seconds(10), []);
  machine.checks.close();
});

test("addresses that come and go are asked as long as they are there", () => {
  const machine = new Machine();
  machine.seconds(3);
  machine.addresses = [];
  assert.deepEqual(machine.seconds(5), []);
  // Nobody has it here: it cannot be bound, and nothing is asked.
  machine.addresses = ["192.0.2.1" as IpAddress];
  assert.deepEqual(machine.seconds(5), []);
  machine.checks.close();
});

test("the others' evidence counts when it lasts", () => {
  const machine = new Machine();
  machine.seconds(1);
  machine.deadStack = "somebody's";
  assert.deepEqual(machine.seconds(5), []);
  machine.deadStack = "own";
  assert.deepEqual(machine.seconds(1), []);
  assert.deepEqual(machine.seconds(1), ["ip-network unfit"]);
  machine.deadStack = "none";
  assert.deepEqual(machine.seconds(3), ["ip-network fit"]);
  machine.checks.close();
});
