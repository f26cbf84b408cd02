/** Thousands of hostile worlds (npm run test:full): no breach of I1, I3, I5, and an owner for every group in time (I6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileWorld } from "./hostile-world.ts";

const WORLDS = 2000;
const FIRST_SEED = 100_000;
/** Stops early on a slow machine, and says how far it came. */
const PATIENCE_MS = 280_000;

test("I1, I3, I5, I6 in hostile worlds: clocks off by 1 %, late ticks, freezes, kills, lost records, cuts, delays to 4 T", (t) => {
  const total = { worlds: 0, events: 0, messages: 0, commits: 0, refusedCommits: 0, freezes: 0, abstained: 0 };
  let slowest = 0;
  const begun = performance.now();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed++) {
    if (performance.now() - begun > PATIENCE_MS) break;
    const { world, violations, healed_ms, abstained } = hostileWorld(seed);
    assert.deepEqual(violations, [], `seed ${seed}`);
    const { dead, heartbeat } = world.cluster.timing;
    const bound = dead * 1.01 + 3 * heartbeat + (abstained ? 5100 * 1.01 : 0);
    assert.ok(
      healed_ms !== undefined && healed_ms <= bound,
      `seed ${seed}: owner after ${healed_ms}, bound ${bound} ms`,
    );
    if (!abstained) slowest = Math.max(slowest, healed_ms / dead);
    total.worlds += 1;
    total.events += world.events;
    total.messages += world.counts.messages;
    total.commits += world.counts.commits;
    total.refusedCommits += world.counts.refusedCommits;
    total.freezes += world.counts.freezes;
    total.abstained += abstained ? 1 : 0;
  }
  t.diagnostic(`${JSON.stringify(total)}, slowest owner without abstention ${slowest.toFixed(2)} T`);
  assert.ok(total.worlds >= 200, `only ${total.worlds} worlds in ${PATIENCE_MS} ms`);
});
