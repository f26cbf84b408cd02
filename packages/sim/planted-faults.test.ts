/** The 21 faults of ownership.md section 10, planted from outside the core: the checkers must find every one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plantsByName } from "./plants/catalogue.ts";
import { hostileWorld } from "./scenarios/hostile.ts";

/** The seed that found each when this was written; others are tried when the core has changed since. */
const FOUND_AT: Readonly<Record<string, number>> = {
  lease_from_answer: 2,
  commit_time_from_daemon: 1,
  no_abstain: 1,
  seq_untied: 1,
  release_before_close: 12,
  nominate_before_close: 3,
  wk_gt_t: 1,
  paxos_accept: 1,
  nominate_again: 2,
  release_by_name: 9,
  now_before_receive: 5,
  mode_reset: 9,
  grant_per_heartbeat: 1,
  two_processes: 1,
  holder_is_name: 453,
  save_after_reply: 1,
  commit_any_majority: 1,
  late_grant_after_release: 3,
  relay_stays: 2,
  number_restarts: 1,
  offer_any: 4,
};

/** Seeds to try before a fault counts as missed. */
const TRIES = 300;

/** Rules about who may answer. A group without an owner does not show that a fault was found. */
const SAFETY = /: (I[1-5]|D2|N2|C12): /;

test("every fault that ownership.md names is planted, 21 in all", () => {
  assert.deepEqual(Object.keys(plantsByName()).toSorted(), Object.keys(FOUND_AT).toSorted());
  assert.equal(Object.keys(FOUND_AT).length, 21);
});

for (const [name, first] of Object.entries(FOUND_AT)) {
  test(`planted ${name} is found`, (t) => {
    for (let i = 0; i < TRIES; i++) {
      const seed = i === 0 ? first : i;
      const { violations } = hostileWorld(seed, { plant: plantsByName()[name] ?? {} });
      const found = violations.find((violation) => SAFETY.test(violation));
      if (found === undefined) continue;
      t.diagnostic(`seed ${seed}: ${found}`);
      return;
    }
    assert.fail(`not found in ${TRIES} worlds`);
  });
}
