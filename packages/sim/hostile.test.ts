/** Fixed seeds of every scenario: no rule of ownership.md section 9 and design section 4 is broken, and a seed is one world. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "./digest.ts";
import { SCENARIOS, scenarioNamed } from "./scenarios/catalogue.ts";
import { hostileWorld } from "./scenarios/hostile.ts";

/** How many worlds of each, from seed 1 on; what is not named here has a test of its own. */
const WORLDS: Readonly<Record<string, number>> = {
  hostile: 36,
  sealed: 4,
  members: 6,
  available: 12,
  hold: 4,
  quiet: 3,
  "one-link": 6,
  loss: 6,
};

for (const { name, about, run } of SCENARIOS.filter((scenario) => scenario.name in WORLDS)) {
  test(`${name}: ${about}`, (t) => {
    let events = 0;
    for (let seed = 1; seed <= (WORLDS[name] ?? 0); seed++) {
      const { violations, world } = run(seed);
      assert.deepEqual(violations, [], `npm run sim -- --scenario ${name} --seed ${seed}`);
      events += world.events;
    }
    t.diagnostic(`${events} events`);
  });
}

test("the same seed is the same world, step by step; another seed is another", () => {
  const digest = (seed: number): string => digestOf(hostileWorld(seed, { leases: 15 }).world);
  for (const seed of [3, 8, 16, 31]) {
    assert.equal(digest(seed), digest(seed), `seed ${seed}`);
    assert.notEqual(digest(seed), digest(seed + 48));
  }
});

test("a world that is over after so many steps is the beginning of the longer one", () => {
  const lines = (stepsMax: number): string[] => {
    const taken: string[] = [];
    hostileWorld(7, {
      stepsMax,
      begin: (world) => {
        world.trace = (node, input) => taken.push(`${world.now} ${node.name} ${input.kind}`);
      },
    });
    return taken;
  };
  const short = lines(500);
  assert.equal(short.length, 500);
  assert.deepEqual(lines(2000).slice(0, 500), short);
});

test("every scenario can be found by its name", () => {
  for (const scenario of SCENARIOS) assert.equal(scenarioNamed(scenario.name), scenario);
  assert.equal(scenarioNamed("none"), undefined);
});
