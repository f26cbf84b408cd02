/** What is left of a pause that was kept on disk: never more than was left then, whatever the wall clock says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST_PAUSE_MS, NEVER_PAUSED, storedPause } from "./pauses.ts";
import type { StoredPause } from "../effects.ts";
import { instant } from "../units/time.ts";

const NOW = instant(5000);
const WALL_OFFSET = 1_000_000;
const HOUR = 3_600_000;

function stored(changes: Partial<StoredPause>): StoredPause {
  return { group: "web", stamp: 3, until_ms: 0, remaining_ms: HOUR, owner: undefined, ...changes } as StoredPause;
}

for (const [what, kept, left] of [
  ["in time: what the wall clock says is left", stored({ until_ms: WALL_OFFSET + 5000 + 60_000 }), 60_000],
  ["over while no daemon ran", stored({ until_ms: WALL_OFFSET + 4999 }), undefined],
  ["ended before: its stamp alone", stored({ until_ms: undefined, remaining_ms: 0 }), undefined],
  ["a wall clock that was set back: no more than was left", stored({ until_ms: WALL_OFFSET + 9 * HOUR }), HOUR],
  ["nonsense on disk: no more than a week", stored({ until_ms: 1e15, remaining_ms: 1e15 }), LONGEST_PAUSE_MS],
] as const) {
  test(what, () => {
    const pause = storedPause(kept, WALL_OFFSET, NOW);
    assert.equal(pause.stamp, 3);
    assert.equal(pause.until === undefined ? undefined : pause.until - NOW, left);
  });
}

test("nothing on disk: never paused", () => {
  assert.deepEqual(storedPause(undefined, WALL_OFFSET, NOW), NEVER_PAUSED);
});
