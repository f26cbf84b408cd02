/** Large clusters: some nodes vote, the others hear the voters and those they share a group with, and still everything works. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { fleet, fleetOf, measureTraffic, type Traffic } from "./scenarios/fleet.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import { viewOf } from "@holdfast/core/node.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { NodeView } from "@holdfast/core/view.ts";

function started(cluster: Cluster, seed: number): VirtualCluster {
  const world = new VirtualCluster(cluster, seed);
  world.startAll();
  const owned = (): boolean => cluster.groups.every((group) => world.owner(group.name) !== undefined);
  assert.notEqual(world.until(owned, 3000), undefined, "every group has an owner soon");
  return world;
}

function view(world: VirtualCluster, name: string): NodeView {
  const { daemon, kernel } = world.node(name);
  assert.ok(daemon);
  return viewOf(daemon.state, kernel.clock.now());
}

describe("what a node sends", () => {
  const traffic: Traffic[] = [];
  before(() => {
    for (const nodes of [16, 32, 64]) {
      const world = started(fleetOf(nodes), 1);
      world.run(3000);
      traffic.push(measureTraffic(world));
      assert.deepEqual(world.violations, []);
    }
  });

  test("without a vote it does not grow with the cluster; with one it grows with the nodes and no faster", (t) => {
    const [small, middle, large] = traffic;
    assert.ok(small && middle && large);
    for (const { nodes, voter, member } of traffic)
      t.diagnostic(`${nodes} nodes: a voter ${JSON.stringify(voter)}, another ${JSON.stringify(member)}`);
    assert.ok(large.member.packets <= 1.02 * small.member.packets);
    assert.ok(large.member.bytes < 1.1 * small.member.bytes);
    for (const { nodes, voter } of [middle, large]) {
      const times: number = (nodes - 1) / (small.nodes - 1);
      // A little more: the share of the nodes that vote and own nothing is smaller.
      assert.ok(voter.packets <= 1.2 * times * small.voter.packets, `${nodes} nodes: ${voter.packets} packets`);
      assert.ok(voter.bytes <= 1.3 * times * small.voter.bytes, `${nodes} nodes: ${voter.bytes} bytes`);
    }
  });

  test("a heartbeat is one datagram that fits an MTU", () => {
    for (const { nodes, largest } of traffic) assert.ok(largest <= 1500, `${nodes} nodes: ${largest}`);
  });
});

test(`${fleet.name}: ${fleet.about}`, (t) => {
  for (const seed of [2, 3]) {
    const { violations, figures } = fleet.run(seed);
    assert.deepEqual(violations, [], `npm run sim -- --scenario fleet --seed ${seed}`);
    for (const line of figures ?? []) t.diagnostic(line);
  }
});

describe("sixteen nodes, five of them voters", () => {
  const cluster = fleetOf(16);
  const [web] = cluster.groups;
  const [first, second] = web?.prefer ?? [];
  const far = cluster.groups[1]?.prefer[0] ?? "";

  test("members hear the voters and their companions, nobody else", () => {
    const world = started(cluster, 2);
    const heard = [...(world.node(first ?? "").daemon?.state.peers.keys() ?? [])];
    assert.deepEqual(heard, [...(cluster.voters ?? []), ...(web?.prefer ?? []).slice(1)]);
    assert.equal(world.node("n1").daemon?.state.peers.size, 15);
  });

  test("a killed owner is replaced by a companion within the promised time, by the voters' grants alone", () => {
    const world = started(cluster, 3);
    world.run(1000);
    assert.equal(world.owner("g1"), first);
    world.powerOff(first ?? "");
    const took = world.until(() => world.owner("g1") === second, 1000);
    assert.ok(took !== undefined && took <= 330, `${took} ms`);
    assert.deepEqual(world.violations, []);
  });

  test("a released group is taken over at once, and not only when its lease would have ended", () => {
    const world = started(cluster, 4);
    world.run(1000);
    for (const name of (web?.prefer ?? []).slice(1)) world.node(name).stationless = true;
    world.node(first ?? "").stationless = true;
    world.input(first ?? "", { kind: "stop" });
    const took = world.until(() => world.owner("g1") === second, 1000);
    assert.ok(took !== undefined && took <= 100, `${took} ms`);
  });

  test("a planned move asked for on a node that hears neither owner nor successor goes through the voters", () => {
    const world = started(cluster, 5);
    world.run(1000);
    const gaps = world.checkers.owners.counts.gaps;
    const action = { kind: "move", group: web?.name ?? "", target: second } as never;
    world.ask(far, 7, first ?? "", action, 4000);
    world.run(1500);
    assert.equal(world.owner("g1"), second);
    assert.deepEqual(
      world.node(far).replies.map(({ request, code }) => [request, code]),
      [[7, "done"]],
    );
    assert.equal(world.checkers.owners.counts.gaps, gaps);
  });

  test("what it does not hear a member shows by the voters' word, and says so; what is dead is dead", () => {
    const world = started(cluster, 6);
    world.run(4000);
    const { nodes, groups } = view(world, far);
    const seen = nodes.find((node) => node.name === first);
    assert.equal(seen?.alive, true);
    assert.deepEqual(seen?.heardBy?.toSorted(), [...(cluster.voters ?? [])].toSorted());
    const group = groups.find((each) => each.name === "g1");
    assert.deepEqual([group?.owner, group?.byVoters], [first, true]);
    assert.deepEqual(group?.standbys, web?.prefer.slice(1));
    const own = groups.find((each) => each.name === "g2");
    assert.deepEqual([own?.owner, own?.byVoters], [far, undefined]);
    world.powerOff(first ?? "");
    world.run(4000);
    const later = view(world, far);
    assert.equal(later.nodes.find((node) => node.name === first)?.alive, false);
    assert.equal(later.groups.find((each) => each.name === "g1")?.owner, second);
    // A voter hears everybody itself.
    assert.equal(
      view(world, "n1").nodes.some((node) => node.heardBy !== undefined),
      false,
    );
  });

  test("two of five voters may be lost; without the third nobody owns, and a member knows it", () => {
    const world = started(cluster, 7);
    world.run(1000);
    world.powerOff("n1");
    world.powerOff("n2");
    world.run(1000);
    assert.equal(world.owner("g1"), first);
    assert.equal(view(world, far).quorum, true);
    world.powerOff("n3");
    world.run(1000);
    assert.equal(world.owner("g1"), undefined);
    assert.equal(view(world, far).quorum, false);
  });
});

describe("voters that change", () => {
  const of = (generation: number, voters: readonly string[]): Cluster => ({
    ...clusterOf(5, ["web"], DEFAULT_TIMES),
    generation,
    digest: generation.toString(16).padStart(8, "0"),
    voters: voters as NodeName[],
  });
  const plan = (world: VirtualCluster, next: Cluster): readonly string[] => {
    const { daemon, kernel } = world.node("n1");
    assert.ok(daemon);
    return reloadPlan(daemon.state, next, kernel.clock.now()).obstacles;
  };

  test("G1: one node may come to vote or cease to with a generation, not two; who does not vote comes and goes freely", () => {
    const world = started(of(1, ["n1", "n2", "n3"]), 8);
    assert.deepEqual(plan(world, of(2, ["n1", "n2", "n3", "n4"])), []);
    assert.match(plan(world, of(2, ["n1", "n2", "n4"])).join(), /n4, n3: one voter may be added or removed/);
    assert.match(plan(world, of(1, ["n1", "n2", "n3", "n4"])).join(), /generation does not: write generation: 2/);
    const without = { ...of(1, ["n1", "n2", "n3"]), digest: "0000beef" };
    const nodes = without.nodes.slice(0, 4);
    const groups = without.groups.map((group) => ({ ...group, prefer: nodes.map((node) => node.name) }));
    assert.deepEqual(plan(world, { ...without, nodes, groups }), []);
  });

  test("a member that comes to vote counts; one that ceases to grants nothing any more, and the owner keeps its group", () => {
    const world = started(of(1, ["n1", "n2", "n3"]), 9);
    world.run(1000);
    let voters = ["n1", "n2", "n3"];
    for (const [generation, next] of [
      [2, ["n1", "n2", "n3", "n4"]],
      [3, ["n2", "n3", "n4"]],
      [4, ["n2", "n3", "n4", "n5"]],
    ] as const) {
      for (const name of ["n3", "n2", "n1", "n4", "n5"])
        assert.equal(world.reload(name, of(generation, next)), true, `${name} to ${generation}`);
      world.run(1500);
      voters = [...next];
      assert.deepEqual(world.node("n1").daemon?.state.voters, voters);
      assert.equal(world.owner("web"), "n1", `generation ${generation}`);
    }
    assert.deepEqual(world.violations, []);
  });
});
