/** Planned moves in virtual time: struck at every point between two effects, and what an old owner still serves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { handOver, POINTS } from "./scenarios/hand-over.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

/** Each of four victims (one is nobody) at each point. */
const WORLDS = 4 * POINTS;

const WEB = "web" as GroupName;

test("a planned move, either side or a voter frozen or killed at any point between two effects: never two owners", (t) => {
  let events = 0;
  for (let seed = 0; seed < WORLDS; seed++) {
    const { violations, world } = handOver.run(seed);
    assert.deepEqual(violations, [], `npm run sim -- --scenario hand-over --seed ${seed}`);
    events += world.events;
  }
  t.diagnostic(`${WORLDS} moves, ${events} events`);
});

test("drain: an old owner that takes the group again while it serves old connections keeps fence and addresses", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new VirtualCluster(clusterOf(3, ["web"], DEFAULT_TIMES, { drain_ms: 2000 }), seed);
    world.startAll();
    world.run(2000);
    world.ask("n1", 1, "n1", { kind: "move", group: WEB, target: "n2" as NodeName });
    world.run(800);
    assert.equal(world.owner("web"), "n2");
    world.kill("n2");
    assert.notEqual(
      world.until(() => world.owner("web") === "n1", 1000),
      undefined,
    );
    const { gaps } = world.checkers.owners.counts;
    world.run(4000);
    assert.ok(world.node("n1").addresses.has(WEB), `seed ${seed}: the owner has lost its addresses`);
    assert.equal(world.checkers.owners.counts.gaps, gaps);
    assert.deepEqual(world.violations, []);
  }
});
