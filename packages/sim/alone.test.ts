/** Going on without a majority (Q1 to Q3): `quorum: available` of two voters, and `on_quorum_loss: hold`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster, GroupConfig } from "@holdfast/core/cluster.ts";
import { available, hold } from "./scenarios/alone.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

function cluster(voters: number, change: Partial<Cluster>, group: Partial<GroupConfig> = {}): Cluster {
  const made = clusterOf(voters, ["web"], DEFAULT_TIMES);
  const groups = made.groups.map((each) => ({ ...each, settle: milliseconds(0), ...group }));
  return { ...made, links: made.links.slice(0, 1), groups, ...change };
}

const AVAILABLE: Partial<Cluster> = { quorum: "available", reference: ["10.0.0.254" as IpAddress] };

function started(config: Cluster, seed: number): VirtualCluster {
  const world = new VirtualCluster(config, seed);
  world.startAll();
  assert.notEqual(
    world.until(() => world.owner("web") === "n1", 8000),
    undefined,
    "no owner after the start",
  );
  world.run(1000);
  return world;
}

const twoOwners = (world: VirtualCluster): boolean => world.isOpen("n1", "web") && world.isOpen("n2", "web");

test("majority of two: the other's death is an outage; available: the one that is left takes over", () => {
  for (const [change, owner] of [
    [{}, undefined],
    [AVAILABLE, "n2"],
  ] as const) {
    for (let seed = 1; seed <= 5; seed++) {
      const world = started(cluster(2, change), seed);
      world.powerOff("n1");
      world.run(1500);
      assert.equal(world.owner("web"), owner);
    }
  }
});

test("available: an owner whose peer dies goes on, with less than a gap of T", () => {
  const world = started(cluster(2, AVAILABLE), 3);
  world.kill("n2");
  let closed = 0;
  for (let i = 0; i < 200; i++) {
    world.run(10);
    if (!world.isOpen("n1", "web")) closed += 10;
  }
  assert.ok(closed <= 300, `${closed} ms`);
  assert.equal(world.owner("web"), "n1");
});

test("Q1: without an answer of the reference nobody goes on alone", () => {
  const world = started(cluster(2, AVAILABLE), 4);
  world.clientsCut.add("n2" as NodeName);
  world.powerOff("n1");
  world.run(3000);
  assert.equal(world.owner("web"), undefined);
  world.clientsCut.clear();
  assert.notEqual(
    world.until(() => world.owner("web") === "n2", 1000),
    undefined,
  );
});

test("Q1: a daemon that does not know this one yet is no silence; what was searched long ago is searched again", () => {
  for (const seed of [46, 62, 145])
    assert.deepEqual(available.run(seed).violations, [], `npm run sim -- --scenario available --seed ${seed}`);
});

test("hold: whoever hears an owner that holds on does not stand beside it, and a promise to another stops it", () => {
  for (const seed of [5, 9])
    assert.deepEqual(hold.run(seed).violations, [], `npm run sim -- --scenario hold --seed ${seed}`);
});

test("Q1: all links cut, the clients' network whole: who answers the probes keeps the group, the other does not take it", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = started(cluster(2, AVAILABLE), seed);
    world.isolate("n1");
    for (let i = 0; i < 600; i++) {
      world.run(5);
      assert.equal(twoOwners(world), false, `seed ${seed}`);
    }
    assert.notEqual(world.owner("web"), undefined);
    world.cut.clear();
    world.run(2000);
    const alone = [...world.nodes.values()].map(({ daemon }) => daemon?.state.alone.active);
    assert.deepEqual(alone, [false, false], `seed ${seed}`);
  }
});

test("Q2, Q3: both reach the reference and not each other: two owners, and one of them when they hear each other again", () => {
  const world = started(cluster(2, AVAILABLE), 6);
  // Two halves of a network, each with a reference: what probes would find is on the other side.
  world.isolate("n1");
  const find = world.probe.bind(world);
  world.probe = (node, effect) => {
    if (effect.of === undefined) find(node, effect);
  };
  assert.notEqual(
    world.until(() => twoOwners(world), 3000),
    undefined,
  );
  world.cut.clear();
  assert.notEqual(
    world.until(() => !twoOwners(world), 500),
    undefined,
  );
  world.run(2000);
  assert.notEqual(world.owner("web"), undefined);
  assert.equal(twoOwners(world), false);
  const alone = [...world.nodes.values()].map(({ daemon }) => daemon?.state.alone.active);
  assert.deepEqual(alone, [false, false]);
});

test("Q2: a peer that comes back and abstains does not take the group down", () => {
  const world = started(cluster(2, AVAILABLE), 7);
  world.powerOff("n2");
  world.run(2000);
  assert.equal(world.owner("web"), "n1");
  world.start("n2");
  for (let i = 0; i < 800; i++) {
    world.run(10);
    assert.equal(world.isOpen("n1", "web"), true, `${i * 10} ms after the start`);
  }
  assert.equal(world.node("n1").daemon?.state.alone.active, false);
});

test("hold: an owner that loses its majority answers on without a gap, and closes within K when its daemon dies", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = started(cluster(3, {}, { onQuorumLoss: "hold" }), seed);
    world.kill("n2");
    world.kill("n3");
    for (let i = 0; i < 500; i++) {
      world.run(10);
      assert.equal(world.isOpen("n1", "web"), true, `seed ${seed}, ${i * 10} ms`);
    }
    world.kill("n1");
    world.run(260);
    assert.equal(world.isOpen("n1", "web"), false);
  }
});

test("release, the default: the same owner closes within K and gives the group up", () => {
  const world = started(cluster(3, {}), 2);
  world.kill("n2");
  world.kill("n3");
  world.run(400);
  assert.equal(world.isOpen("n1", "web"), false);
});

test("hold: the other side has a majority and elects; when both hear each other the later ballot stays", () => {
  const world = started(cluster(3, {}, { onQuorumLoss: "hold" }), 4);
  world.isolate("n1");
  assert.notEqual(
    world.until(() => world.isOpen("n2", "web") || world.isOpen("n3", "web"), 2000),
    undefined,
  );
  assert.equal(world.isOpen("n1", "web"), true);
  world.cut.clear();
  assert.notEqual(
    world.until(() => !world.isOpen("n1", "web"), 300),
    undefined,
  );
  world.run(2000);
  assert.equal(["n1", "n2", "n3"].filter((name) => world.isOpen(name, "web")).length, 1);
});

test("hold does not elect: who did not own the group before does not come to own it alone", () => {
  const world = started(cluster(3, {}, { onQuorumLoss: "hold" }), 5);
  world.powerOff("n1");
  world.kill("n3");
  world.run(3000);
  assert.equal(world.owner("web"), undefined);
});
