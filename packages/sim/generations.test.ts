/** Voters that come and go (ownership.md section 7): never two owners, and what G1 and G3 forbid is found when it is done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { generations } from "./scenarios/generations.ts";

const WORLDS = 12;
const TRIES = 150;

test("G1 to G5: voters added and removed one at a time, at any moment and with all other faults: one owner", (t) => {
  let entered = 0;
  for (let seed = 1; seed <= WORLDS; seed++) {
    const { violations, world } = generations.run(seed);
    assert.deepEqual(violations, [], `npm run sim -- --scenario generations --seed ${seed}`);
    entered += Math.max(...[...world.nodes.values()].map((node) => node.cluster?.generation ?? 1)) - 1;
  }
  assert.ok(entered >= WORLDS, `only ${entered} changes of generation in ${WORLDS} worlds`);
  t.diagnostic(`${entered} changes of generation`);
});

for (const [rule, plant, first] of [
  ["G3: a node that does not wait for the others", { reloadsAnything: true }, 10],
  ["G1: two voters changed at once", { reloadsAnything: true, changesTwoVoters: true }, 2],
] as const) {
  test(`planted: ${rule} is found`, (t) => {
    for (let i = 0; i < TRIES; i++) {
      const seed = i === 0 ? first : i;
      const found = generations.run(seed, { plant }).violations.find((violation) => /: (I[1-4]|D2): /.test(violation));
      if (found === undefined) continue;
      t.diagnostic(`seed ${seed}: ${found}`);
      return;
    }
    assert.fail(`not found in ${TRIES} worlds`);
  });
}
