/** A paused group: nobody but its last owner takes it, nothing moves by itself, and the lease guards it as ever. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES, RATE_ERROR } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Failback, GroupConfig } from "@holdfast/core/cluster.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";

const SEEDS = [1, 2, 3];
const WEB = "web" as GroupName;
const HOUR = 3_600_000;

function world(
  seed: number,
  failback: Failback = { kind: "manual" },
  groups: readonly string[] = ["web"],
): VirtualCluster {
  const base = clusterOf(3, groups, DEFAULT_TIMES);
  const prefer = ["n1", "n2", "n3"] as NodeName[];
  const made = new VirtualCluster(
    { ...base, groups: base.groups.map((group): GroupConfig => ({ ...group, prefer, failback })) },
    seed,
    RATE_ERROR,
  );
  made.startAll();
  assert.notEqual(
    made.until(() => groups.every((name) => made.owner(name) === "n1"), 3000),
    undefined,
  );
  made.run(1000);
  return made;
}

let asked = 0;
function ask(made: VirtualCluster, node: string, action: Parameters<VirtualCluster["ask"]>[3]): number {
  asked += 1;
  made.ask(node, asked, node, action);
  return asked;
}

function pause(made: VirtualCluster, node: string, for_ms: number, all?: "all"): void {
  const request = ask(made, node, {
    kind: "pause",
    group: all === undefined ? WEB : undefined,
    for_ms,
    reason: "work",
  });
  made.run(500);
  const reply = made.node(node).replies.find((each) => each.request === request);
  assert.equal(reply?.code, "done", JSON.stringify(made.node(node).replies));
}

function resume(made: VirtualCluster, node: string): void {
  ask(made, node, { kind: "resume", group: WEB });
}

function codes(made: VirtualCluster, node: string): readonly string[] {
  return made
    .node(node)
    .events.filter((event) => event.code.startsWith("group-pause") || event.code === "group-resumed")
    .map((event) => event.code);
}

test("the owner of a paused group is killed: nobody takes over until resume, then within the usual time", () => {
  for (const seed of SEEDS) {
    const made = world(seed);
    pause(made, "n3", HOUR);
    assert.deepEqual(codes(made, "n1"), ["group-paused"]);
    made.kill("n1");
    made.run(60_000);
    assert.equal(made.owner("web"), undefined);
    resume(made, "n2");
    const took = made.until(() => made.owner("web") !== undefined, 2000);
    // Nothing to wait for: no voter's lease is left. The beat that brings it, and an election.
    assert.ok(took !== undefined && took <= DEFAULT_TIMES[0] + 50, `${took}`);
    assert.equal(made.owner("web"), "n2");
    assert.deepEqual(made.violations, []);
  }
});

test("the owner is killed: after the expiry another takes over within the usual time, and the expiry is told once", () => {
  for (const seed of SEEDS) {
    const made = world(seed);
    const begun = made.now;
    pause(made, "n1", 20_000);
    made.kill("n1");
    made.run(1000);
    const took = made.until(() => made.owner("web") !== undefined, 30_000);
    assert.notEqual(took, undefined);
    const passed = made.now - begun;
    // The clocks of the nodes run wrong by 1 % at most, and tell each other.
    assert.ok(passed >= 20_000 * 0.989 && passed <= 20_000 * 1.011 + 500, `${passed}`);
    made.run(1000);
    assert.deepEqual(codes(made, "n3"), ["group-paused", "group-pause-expired"]);
    assert.deepEqual(made.violations, []);
  }
});

test("the killed owner comes back while it is paused and takes its group itself; others never do", () => {
  for (const seed of SEEDS) {
    const made = world(seed);
    pause(made, "n2", HOUR);
    for (const way of ["kill", "powerOff"] as const) {
      made[way]("n1");
      made.run(30_000);
      assert.equal(made.owner("web"), undefined, way);
      made.start("n1");
      made.run(8000);
      assert.equal(made.owner("web"), "n1", way);
    }
    assert.deepEqual(made.violations, []);
  }
});

test("an owner that lost the quorum gets it back itself, though others with a majority stood by", () => {
  for (const seed of SEEDS) {
    const made = world(seed);
    pause(made, "n2", HOUR);
    made.isolate("n1");
    made.run(5000);
    assert.equal(made.owner("web"), undefined);
    made.cut.clear();
    made.run(1500);
    assert.equal(made.owner("web"), "n1");
    assert.deepEqual(made.violations, []);
  }
});

test("no failback, no move for a lost interface; move and drain by an operator do what they always do", () => {
  const made = world(1, { kind: "immediate" });
  ask(made, "n1", { kind: "move", group: WEB, target: "n2" as NodeName });
  made.run(1000);
  assert.equal(made.owner("web"), "n2");
  pause(made, "n2", HOUR);
  made.run(60_000);
  assert.equal(made.owner("web"), "n2");
  made.setInterface("n2", "eth0" as InterfaceName, false);
  made.run(5000);
  assert.equal(made.owner("web"), "n2");
  made.setInterface("n2", "eth0" as InterfaceName, true);
  ask(made, "n2", { kind: "move", group: WEB, target: "n3" as NodeName });
  made.run(1000);
  assert.equal(made.owner("web"), "n3");
  // It is the last owner now: it alone takes it again.
  made.kill("n3");
  made.run(10_000);
  assert.equal(made.owner("web"), undefined);
  made.start("n3");
  made.run(3000);
  assert.equal(made.owner("web"), "n3");
  ask(made, "n3", { kind: "drain", node: "n3" as NodeName, reason: "disk" });
  made.run(1000);
  assert.notEqual(made.owner("web"), "n3");
  resume(made, "n1");
  made.run(30_000);
  assert.equal(made.owner("web"), "n1");
  assert.deepEqual(made.violations, []);
});

test("a pause reaches nodes that were away, daemons that start, and outlives all daemons together", () => {
  for (const seed of SEEDS) {
    const made = world(seed);
    made.kill("n3");
    made.run(1000);
    pause(made, "n1", HOUR);
    made.start("n3");
    made.run(1000);
    for (const name of ["n1", "n2", "n3"]) made.powerOff(name);
    made.run(10_000);
    made.start("n2");
    made.start("n3");
    made.run(20_000);
    assert.equal(made.owner("web"), undefined);
    made.start("n1");
    made.run(8000);
    assert.equal(made.owner("web"), "n1");
    assert.deepEqual(made.violations, []);
  }
});

test("a node that was away while it was resumed does not bring the pause back", () => {
  const made = world(1);
  pause(made, "n1", HOUR);
  made.kill("n3");
  made.run(1000);
  resume(made, "n1");
  made.run(1000);
  for (const name of ["n1", "n2"]) made.powerOff(name);
  for (const name of ["n1", "n2", "n3"]) made.start(name);
  made.run(10_000);
  const owner = made.owner("web") ?? "";
  assert.notEqual(owner, "");
  made.kill(owner);
  made.run(1000);
  assert.ok(![undefined, owner].includes(made.owner("web")));
});

test("without a group all are paused, with one event; a longer time and an unknown group are refused", () => {
  const made = world(1, { kind: "manual" }, ["web", "db"]);
  pause(made, "n1", HOUR, "all");
  assert.deepEqual(codes(made, "n3"), ["group-paused"]);
  made.kill("n1");
  made.run(3000);
  assert.deepEqual([made.owner("web"), made.owner("db")], [undefined, undefined]);
  ask(made, "n2", { kind: "resume", group: "db" as GroupName });
  made.run(1000);
  assert.deepEqual([made.owner("web"), made.owner("db")], [undefined, "n2"]);
  for (const action of [
    { kind: "pause", group: WEB, for_ms: 8 * 24 * HOUR, reason: "" },
    { kind: "pause", group: "nothing" as GroupName, for_ms: HOUR, reason: "" },
  ] as const) {
    const request = ask(made, "n2", action);
    made.run(500);
    assert.equal(made.node("n2").replies.find((each) => each.request === request)?.code, "refused");
  }
});

test("two nodes that pause at once agree, and the way between them does not make the pause longer", () => {
  const made = world(2);
  ask(made, "n1", { kind: "pause", group: WEB, for_ms: 30_000, reason: "" });
  ask(made, "n3", { kind: "pause", group: WEB, for_ms: 60_000, reason: "" });
  made.run(1000);
  const remaining = (name: string): number => {
    const { pause: each } = made.node(name).daemon?.state.groups.get(WEB) ?? {};
    return (each?.until ?? 0) - made.node(name).kernel.clock.now();
  };
  for (const name of ["n1", "n2", "n3"]) assert.ok(Math.abs(remaining(name) - 59_000) < 1000, `${remaining(name)}`);
  const begun = made.now;
  made.kill("n1");
  made.run(1000);
  assert.notEqual(
    made.until(() => made.owner("web") !== undefined, 70_000),
    undefined,
  );
  assert.ok(made.now - begun < 61_000, `${made.now - begun}`);
});

test("under random kills, cuts and restarts a paused group is never on a node that did not have it, nor on two", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const made = world(seed);
    pause(made, "n1", HOUR);
    for (let i = 0; i < 30; i++) {
      const name = made.pick(["n1", "n2", "n3"]);
      const dice = made.random();
      if (made.node(name).daemon === undefined) made.start(name);
      else if (dice < 0.3) made.kill(name);
      else if (dice < 0.4) made.powerOff(name);
      else if (dice < 0.7) made.isolate(name);
      else made.cut.clear();
      made.run(made.random() * 2000);
      for (const other of ["n2", "n3"]) assert.equal(made.isOpen(other, "web"), false, `seed ${seed}`);
    }
    made.cut.clear();
    for (const name of ["n1", "n2", "n3"]) if (made.node(name).daemon === undefined) made.start(name);
    made.run(10_000);
    assert.equal(made.owner("web"), "n1", `seed ${seed}`);
    assert.deepEqual(made.violations, []);
  }
});
