/** Hundreds of worlds in which an adapter, a port, a switch or a reference fails: no rule is broken in any. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADAPTER_CASES } from "./scenarios/adapter-cases.ts";
import { adapters } from "./scenarios/adapters.ts";

const ROUNDS = 40;

test(`every case of adapters, ${ROUNDS} times`, (t) => {
  let events = 0;
  for (let seed = 0; seed < ROUNDS * ADAPTER_CASES.length; seed++) {
    const { violations, world } = adapters.run(seed);
    assert.deepEqual(violations, [], `npm run sim -- --scenario adapters --seed ${seed}`);
    events += world.events;
  }
  t.diagnostic(`${events} events`);
});
