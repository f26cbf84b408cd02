/** The whole product in a lab: every failure of the owner moves the address, and no two nodes ever answer. */
import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { TestLab, missingDaemon } from "./lab-command.ts";

interface Seen {
  readonly before: string;
  readonly after: string;
  readonly captured: number;
  readonly outage: { readonly outage_ms: number; readonly restored: boolean };
  readonly violations: readonly (readonly string[])[];
}

/**
 * Milliseconds of outage beyond which something is broken on any machine. What the product promises is measured by
 * `lab measure`, on a quiet one.
 */
const BROKEN_MS = 1000;

describe("a lab with daemons", { skip: missingDaemon() }, () => {
  const lab = new TestLab("failover");

  before(() => lab.run("up"));
  after(() => lab.run("down"));

  for (const fault of ["unplug", "kill", "freeze", "isolate", "poweroff", "stop"]) {
    test(`${fault} of the owner: another node answers, and healing changes nothing`, () => {
      const owner = lab.json("status")["owner"] as string;
      const seen = lab.json(fault, owner) as unknown as Seen;
      assert.notEqual(seen.after, owner);
      assert.ok(seen.captured > 0, "the watcher saw answers");
      assert.deepEqual(seen.violations, []);
      assert.ok(seen.outage.restored && seen.outage.outage_ms < BROKEN_MS, `outage ${seen.outage.outage_ms} ms`);
      const healed = lab.json("heal") as unknown as Seen;
      assert.equal(healed.after, seen.after);
      assert.deepEqual(healed.violations, []);
    });
  }

  test("a planned move ends on another node", () => {
    const owner = lab.json("status")["owner"] as string;
    const seen = lab.json("move", "web") as unknown as Seen;
    assert.notEqual(seen.after, owner);
    assert.deepEqual(seen.violations, []);
  });

  test("a fault of one link or one standby moves nothing", () => {
    const owner = lab.json("status")["owner"] as string;
    const [standby, third] = ["n1", "n2", "n3"].filter((node) => node !== owner) as [string, string];
    for (const fault of [
      ["partition", owner, standby],
      ["one-way", third, owner],
      ["kill", standby],
    ]) {
      const seen = lab.json(...fault) as unknown as Seen;
      assert.equal(seen.after, owner, fault.join(" "));
      assert.deepEqual(seen.violations, []);
      lab.run("heal");
    }
  });
});
