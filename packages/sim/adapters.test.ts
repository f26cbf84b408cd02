/** Adapters of a node in virtual time: a failed one is replaced inside the node, a quiet one is left alone (A6, A7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADAPTER_CASES } from "./scenarios/adapter-cases.ts";
import { ADAPTER_PLANTS } from "./plants/adapters.ts";
import { plugIn, withStandbyAdapters } from "./scenarios/adapter-faults.ts";
import { adapters, adapterWorld } from "./scenarios/adapters.ts";
import { clusterOf, DEFAULT_TIMES, SERVICE, SERVICE_STANDBY } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Effect } from "@holdfast/core/effects.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

/** Worlds of each case; adapters.full.test.ts has many more. */
const ROUNDS = 2;

for (const [i, each] of ADAPTER_CASES.entries()) {
  test(`adapters, ${each.name}: ${each.about}`, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = round * ADAPTER_CASES.length + i;
      const { violations } = adapterWorld(seed, each);
      assert.deepEqual(violations, [], `npm run sim -- --scenario adapters --seed ${seed}`);
    }
  });
}

function settled(seed: number): { readonly world: VirtualCluster; readonly placed: string[] } {
  const world = new VirtualCluster(clusterOf(3, ["web"], DEFAULT_TIMES, { standbyAdapters: true }), seed);
  const placed: string[] = [];
  world.trace = (node, _input, effects) => {
    for (const effect of effects)
      if (effect.kind === "placeAddresses") placed.push(`${node.name} ${text(effect)} ${world.now.toFixed(1)}`);
  };
  world.startAll();
  world.run(3000);
  assert.equal(world.owner("web"), "n1");
  return { world, placed };
}

function text({ wanted, adapters }: Extract<Effect, { kind: "placeAddresses" }>): string {
  return `${wanted ? "on" : "off"} ${adapters.join(" ")}`;
}

test("a swap is decided in the turn of the carrier loss, announces once more in the same term, and nothing else happens", () => {
  const { world, placed } = settled(1);
  const before = world.node("n1").announced.length;
  placed.length = 0;
  const at = world.now;
  world.setInterface("n1", SERVICE, false);
  assert.deepEqual(placed, [`n1 on ${SERVICE_STANDBY} ${at.toFixed(1)}`]);
  const announced = world.node("n1").announced.slice(before - 1);
  assert.equal(announced.length, 2);
  assert.equal(announced[0]?.term, announced[1]?.term);
  world.run(2000);
  assert.equal(world.owner("web"), "n1");
  assert.equal(placed.length, 1);
  world.setInterface("n1", SERVICE_STANDBY, false);
  world.run(1000);
  assert.equal(world.owner("web"), "n2");
  assert.deepEqual(world.violations, []);
});

for (const [name, plant] of Object.entries(ADAPTER_PLANTS)) {
  test(`planted ${name} is found`, (t) => {
    for (let seed = 0; seed < 2 * ADAPTER_CASES.length; seed++) {
      const { violations } = adapters.run(seed, { plant });
      const found = violations.find((violation) => /: (A6|A7): /.test(violation));
      if (found === undefined) continue;
      t.diagnostic(`seed ${seed}: ${found}`);
      return;
    }
    assert.fail("not found in two worlds of each case");
  });
}

/** The same cluster with other adapters for web. */
function withAdapters(world: VirtualCluster, interfaces: readonly string[], digest: string): Cluster {
  const groups = world.cluster.groups.map((group) => ({
    ...group,
    addresses: group.addresses.map((address) => ({ ...address, interfaces })),
  }));
  return { ...world.cluster, groups, digest };
}

test("a reload that adds a standby adapter or takes away the one that failed moves nothing; one that leaves none hands over", () => {
  const { world, placed } = settled(2);
  const names = [...world.nodes.keys()];
  const reload = (interfaces: readonly string[], digest: string): void => {
    const cluster = withAdapters(world, interfaces, digest);
    for (const name of names) assert.ok(world.reload(name, cluster));
    world.run(1000);
  };
  placed.length = 0;
  reload(["service"], "00000001");
  reload(["service", "service-standby"], "00000002");
  // A standby adapter alone is a change, and no address is touched for it.
  assert.deepEqual(placed, []);
  world.setInterface("n1", SERVICE, false);
  assert.equal(placed.length, 1);
  reload(["service-standby"], "00000003");
  assert.equal(placed.length, 1);
  assert.equal(world.owner("web"), "n1");
  reload(["service"], "00000004");
  assert.equal(world.owner("web"), "n2");
  assert.deepEqual(world.violations, []);
});

test("30 % loss on both links is no evidence: nobody's adapter is called silent, and nothing is swapped", () => {
  for (const reference of [true, false]) {
    const cluster = withStandbyAdapters(clusterOf(3, ["web"], DEFAULT_TIMES), reference);
    const world = new VirtualCluster(cluster, 5);
    plugIn(world);
    world.startAll();
    world.run(3000);
    world.faults.loss = 0.3;
    world.run(60_000);
    const codes = [...world.nodes.values()].flatMap((node) => node.events.map(({ code }) => code));
    for (const code of ["adapter-failed", "fail-standby", "swap-adapter", "network-down"])
      assert.ok(!codes.includes(code), code);
    assert.equal(world.owner("web"), "n1");
  }
});

test("a node that gives both names to one adapter hands over when that fails", () => {
  const plain = withStandbyAdapters(clusterOf(3, ["web"], DEFAULT_TIMES), false);
  const nodes = plain.nodes.map((node) => ({
    ...node,
    interfaces: { service: SERVICE, "service-standby": SERVICE },
  }));
  const world = new VirtualCluster({ ...plain, nodes }, 3);
  world.startAll();
  world.run(3000);
  world.setInterface("n1", SERVICE, false);
  const took = world.until(() => world.owner("web") === "n2", 500);
  assert.ok(took !== undefined && took < 200, `${took}`);
  assert.equal(
    world
      .node("n2")
      .daemon?.state.peers.get("n1" as NodeName)
      ?.groups.get("web" as GroupName)?.ineligible,
    "interface-down",
  );
});
