/** What the reference model left out of the holder's rules: C11 (a lease of an earlier boot that is not worked with) and C12 (woken late). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES, SERVICE, type Times } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

const WEB = "web" as GroupName;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

/** A lease that lasts long, so that what does not wait for its end shows. */
const LONG_LEASE = [100, 3000, 48, 2872] as const;

function owned(seed: number, times: Times = DEFAULT_TIMES, rateError = 0.01): VirtualCluster {
  const world = new VirtualCluster(clusterOf(3, ["web"], times), seed, rateError);
  world.startAll();
  world.run(4000 + world.random() * 100);
  assert.equal(world.owner("web"), "n1");
  return world;
}

test("C11: a restarted daemon that may not own closes, and gives back exactly the lease its earlier boot held", () => {
  for (const seed of SEEDS) {
    const world = owned(seed, LONG_LEASE, 0);
    const held = world.node("n2").records?.get(WEB)?.accepted;
    assert.equal(held?.holder.node, "n1");
    world.kill("n1");
    world.run(10);
    world.start("n1", [SERVICE]);
    const took = world.until(() => world.owner("web") === "n2", 1000);
    assert.ok(took !== undefined && took < 300, `seed ${seed}: ${took}`);
    const closed = world.node("n2").records?.get(WEB)?.closed ?? [];
    assert.ok(closed.some((ballot) => ballot.boot === held?.ballot.boot && ballot.round === held.ballot.round));
    assert.deepEqual(world.violations, []);
  }
});

test("C11: a release that is repeated late does not end a lease that its maker holds again", () => {
  for (const seed of SEEDS) {
    const world = owned(seed);
    world.faults.slow = 0.5;
    world.faults.slow_ms = 1200;
    world.kill("n1");
    world.start("n1", [SERVICE]);
    world.run(30);
    world.setInterface("n1", SERVICE, true);
    // The votes checker holds every change of an unexpired lease against what was released.
    world.run(5000);
    assert.deepEqual(world.violations, []);
  }
});

test("C12: a daemon woken late asks anew at once and commits nothing that was asked for before", () => {
  for (const seed of SEEDS) {
    for (const frozen_ms of [60, 120, 200]) {
      const world = owned(seed);
      const numbersBefore = world.node("n1").daemon?.state.counters.number ?? 0;
      world.stop("n1");
      world.run(frozen_ms);
      let first: { readonly number: number; readonly after_ms: number } | undefined;
      const woken = world.now;
      world.trace = (node, _input, effects) => {
        for (const effect of effects) {
          if (node.name === "n1" && effect.kind === "commit" && first === undefined)
            first = { number: effect.number, after_ms: world.now - woken };
        }
      };
      world.continue("n1");
      world.run(100);
      assert.ok(first !== undefined, `seed ${seed}: no commit after ${frozen_ms} ms`);
      assert.ok(first.number > numbersBefore, `number ${first.number} was asked for before the stall`);
      assert.deepEqual(world.violations, []);
    }
  }
});

test("C12: whatever was outstanding at a stall is never committed, in a world that stalls all the time", () => {
  const world = owned(1);
  world.freeze = { probability: 0.01, longest_ms: 400, crash: 0 };
  world.faults.slow = 0.2;
  world.faults.slow_ms = 200;
  world.run(60_000);
  assert.ok(world.counts.freezes > 100 && world.counts.commits > 100);
  assert.deepEqual(world.violations, []);
});
