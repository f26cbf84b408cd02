/** Where groups go: prefer, failback, settle, the penalty of a flapping node, drain, groups with different owners. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { flapPenalty } from "@holdfast/core/node/eligibility.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Failback, GroupConfig } from "@holdfast/core/cluster.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { instant, milliseconds } from "@holdfast/core/units/time.ts";

const SEEDS = [1, 2, 3];
const MANUAL: Failback = { kind: "manual" };
const IMMEDIATE: Failback = { kind: "immediate" };

function names(...list: string[]): NodeName[] {
  return list as NodeName[];
}

function world(seed: number, failback: Failback, prefer: Readonly<Record<string, NodeName[]>>): VirtualCluster {
  const base = clusterOf(3, Object.keys(prefer), DEFAULT_TIMES);
  const groups = base.groups.map((group): GroupConfig => ({ ...group, prefer: prefer[group.name] ?? [], failback }));
  const made = new VirtualCluster({ ...base, groups }, seed);
  made.startAll();
  made.run(3000);
  return made;
}

function owners(made: VirtualCluster): Record<string, string | undefined> {
  return Object.fromEntries(made.cluster.groups.map(({ name }) => [name, made.owner(name)]));
}

const TWO = { web: names("n1", "n2", "n3"), db: names("n2", "n3", "n1") };

test("each group goes to the first of its own prefer, and a death moves only what the dead node owned", () => {
  for (const seed of SEEDS) {
    const made = world(seed, MANUAL, TWO);
    assert.deepEqual(owners(made), { web: "n1", db: "n2" });
    const announced = made.node("n1").announced.length;
    made.kill("n2");
    made.run(1000);
    assert.deepEqual(owners(made), { web: "n1", db: "n3" });
    assert.ok(
      !made
        .node("n1")
        .announced.slice(announced)
        .some(({ group }) => group !== ("web" as GroupName)),
    );
    assert.deepEqual(made.violations, []);
  }
});

test("a node that is not in prefer never owns, though its vote counts", () => {
  const made = world(1, MANUAL, { web: names("n1", "n2") });
  made.kill("n2");
  made.run(1000);
  assert.deepEqual(owners(made), { web: "n1" });
  made.start("n2");
  made.run(1000);
  made.kill("n1");
  made.run(1000);
  assert.deepEqual(owners(made), { web: "n2" });
  made.kill("n2");
  made.run(3000);
  assert.deepEqual(owners(made), { web: undefined });
});

test("failback immediate moves each group to the first of its prefer, one after the other without two owners", () => {
  for (const seed of SEEDS) {
    const made = world(seed, IMMEDIATE, TWO);
    made.kill("n1");
    made.run(500);
    made.start("n1");
    made.run(25_000);
    assert.deepEqual(owners(made), { web: "n1", db: "n2" });
    assert.deepEqual(made.violations, []);
  }
});

test("failback: the returning node announces itself under its new term after its fence opened, the other one stops", () => {
  for (const seed of SEEDS) {
    const made = world(seed, IMMEDIATE, { web: TWO.web });
    made.kill("n1");
    made.run(500);
    made.start("n1");
    const before = made.node("n1").announced.length;
    made.run(25_000);
    const [first] = made.node("n1").announced.slice(before);
    const last = made.node("n2").announced.at(-1);
    assert.ok(first !== undefined && last !== undefined && first.term > last.term && first.at > last.at);
    assert.ok(made.node("n1").announcing.has("web" as GroupName));
    assert.ok(!made.node("n2").announcing.has("web" as GroupName));
    // D5: that nothing is announced before the fence is open is looked at in every world.
    assert.deepEqual(made.violations, []);
  }
});

test("settle: what was just moved by an operator is moved back by failback only after settle", () => {
  for (const seed of SEEDS) {
    const made = world(seed, IMMEDIATE, { web: TWO.web });
    made.ask("n1", 1, "n1", { kind: "move", group: "web" as GroupName, target: "n2" as NodeName });
    made.run(9500);
    assert.deepEqual(owners(made), { web: "n2" });
    made.run(1500);
    assert.deepEqual(owners(made), { web: "n1" });
  }
});

test("drain: every group of the node goes to the next of its own prefer; the others stay", () => {
  for (const seed of SEEDS) {
    const made = world(seed, MANUAL, { web: names("n1", "n3"), db: names("n1", "n2"), mail: names("n2", "n1") });
    made.ask("n2", 1, "n1", { kind: "drain", node: "n1" as NodeName, reason: "disk" });
    made.run(1000);
    assert.deepEqual(owners(made), { web: "n3", db: "n2", mail: "n2" });
    assert.equal(made.node("n2").replies[0]?.code, "done");
    made.run(5000);
    assert.deepEqual(owners(made), { web: "n3", db: "n2", mail: "n2" });
  }
});

test("a lost interface on every node releases the group; the first that has it again takes it", () => {
  const made = world(1, MANUAL, { web: TWO.web });
  const eth0 = "eth0" as InterfaceName;
  for (const name of made.nodes.keys()) made.input(name, { kind: "interfaceChanged", interface: eth0, up: false });
  made.run(1500);
  assert.deepEqual(owners(made), { web: undefined });
  made.input("n3", { kind: "interfaceChanged", interface: eth0, up: true });
  const took = made.until(() => made.owner("web") !== undefined, 2000);
  assert.equal(made.owner("web"), "n3");
  assert.ok(took !== undefined && took <= 300 * 1.01 + 300, `${took}`);
});

test("the penalty of a flapping node: none for one death, then settle doubled by each, for ten minutes", () => {
  const made = world(1, IMMEDIATE, { web: TWO.web });
  const state = made.node("n2").daemon?.state;
  const group = state?.groups.get("web" as GroupName);
  const peer = state?.peers.get("n1" as NodeName);
  assert.ok(state && group && peer);
  const now = instant(1_000_000);
  const expected = [0, 0, 20_000, 40_000, 80_000];
  for (const [deaths, penalty] of expected.entries()) {
    peer.deaths = Array.from({ length: deaths }, () => now);
    assert.equal(flapPenalty(state, group, "n1" as NodeName, now), milliseconds(penalty));
    assert.equal(flapPenalty(state, group, "n1" as NodeName, instant(now + 600_000)), 0);
  }
});

test("a flapping node gets its group back only after its penalty", () => {
  const made = world(1, IMMEDIATE, { web: TWO.web });
  for (let i = 0; i < 3; i++) {
    made.kill("n1");
    made.run(1000);
    made.start("n1");
    made.run(1000);
  }
  made.run(30_000);
  assert.deepEqual(owners(made), { web: "n2" });
  made.run(15_000);
  assert.deepEqual(owners(made), { web: "n1" });
});
