/** Adapters of a node in virtual time: a failed one is replaced inside the node, a quiet one is left alone (A6, A7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES, SERVICE, SERVICE_STANDBY } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect } from "@holdfast/core/effects.ts";

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

test("carrier loss of the service adapter moves the addresses to the standby adapter in the same turn, and no further", () => {
  const { world, placed } = settled(1);
  const announced = world.node("n1").announced.length;
  placed.length = 0;
  const at = world.now;
  world.setInterface("n1", SERVICE, false);
  assert.deepEqual(placed, [`n1 on ${SERVICE_STANDBY} ${at.toFixed(1)}`]);
  assert.equal(world.node("n1").announced.length, announced + 1);
  world.run(2000);
  assert.equal(world.owner("web"), "n1");
  assert.deepEqual(placed.length, 1);
  world.setInterface("n1", SERVICE_STANDBY, false);
  world.run(1000);
  assert.equal(world.owner("web"), "n2");
  assert.deepEqual(world.violations, []);
});
