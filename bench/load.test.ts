/** Which moves beside busy loops count and which the machine itself excuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countedMoves } from "./load.ts";
import { TIMINGS } from "./plan.ts";

const timing = TIMINGS.find((each) => each.name === "10ms");
assert.ok(timing);
const move = { at_ms: 1000, from: "n1", to: "n2" };

/** Whether the move counts beside a control that woke at `end_ms` after sleeping `length_ms`; `dead` is 50 ms. */
function counts(end_ms: number, length_ms: number): boolean {
  return countedMoves([move], [{ end_ms, length_ms }], timing as NonNullable<typeof timing>).length === 1;
}

test("a move counts when the control slept as it should", () => {
  assert.equal(countedMoves([move], [], timing).length, 1);
});

test("a move is excused by a gap of the control over half of dead, in the three dead times before it", () => {
  assert.equal(counts(990, 26), false);
  assert.equal(counts(860, 26), false);
  assert.equal(counts(1010, 60), false);
});

test("a shorter gap, an earlier one and one that began after the move excuse nothing", () => {
  assert.equal(counts(990, 25), true);
  assert.equal(counts(849, 40), true);
  assert.equal(counts(1100, 40), true);
});
