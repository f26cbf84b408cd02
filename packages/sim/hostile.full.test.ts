/** Thousands of worlds (npm run test:full): no rule broken, and an owner for every group in time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileWorld } from "./scenarios/hostile.ts";

const WORLDS = 2000;
const FIRST_SEED = 100_000;
/** Stops early on a slow machine, and says how far it came. */
const PATIENCE_MS = 280_000;

test("I1 to I6 and design section 4 in hostile worlds", (t) => {
  const total: Record<string, number> = { worlds: 0, events: 0, abstained: 0 };
  const begun = performance.now();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed++) {
    if (performance.now() - begun > PATIENCE_MS) break;
    const { world, violations, abstained } = hostileWorld(seed);
    assert.deepEqual(violations, [], `npm run sim -- --seed ${seed}`);
    const counts = { worlds: 1, events: world.events, abstained: abstained ? 1 : 0, ...world.counts };
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  }
  t.diagnostic(JSON.stringify(total));
  assert.ok((total["worlds"] ?? 0) >= 100, `only ${total["worlds"]} worlds in ${PATIENCE_MS} ms`);
});
