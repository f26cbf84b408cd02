/** Median, least and most. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { spread } from "./statistics.ts";

test("a spread is the median with the least and the most, to a tenth", () => {
  assert.deepEqual(spread([3, 1.04, 20.06]), { median: 3, min: 1, max: 20.1 });
  assert.deepEqual(spread([4, 1]), { median: 2.5, min: 1, max: 4 });
});

test("nothing measured has no spread, not one of zero", () => {
  assert.equal(spread([]), undefined);
});
