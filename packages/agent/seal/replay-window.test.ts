/** The replay window agrees with a plain set of everything seen, wherever numbers jump. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Recent } from "./recent.ts";
import { ReplayWindow, WINDOW } from "./replay-window.ts";

test("100000 numbers with repeats, gaps and jumps (seed 3) are judged as by a set of all that was seen", () => {
  let state = 3;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const window = new ReplayWindow();
  const seen = new Set<number>();
  let highest = -1;
  const counts = { fresh: 0, repeated: 0, old: 0 };
  for (let i = 0; i < 100_000; i++) {
    const jump = random(200) === 0 ? random(5000) : random(4);
    const sequence = random(2) === 0 ? highest + jump + 1 : Math.max(0, highest - random(1400));
    const old = highest - sequence >= WINDOW;
    const expected = !old && !seen.has(sequence);
    assert.equal(window.accept(sequence), expected, `number ${sequence} with highest ${highest}`);
    counts[expected ? "fresh" : old ? "old" : "repeated"]++;
    if (expected) seen.add(sequence);
    highest = Math.max(highest, expected ? sequence : -1);
  }
  assert.ok(Math.min(...Object.values(counts)) > 1000, JSON.stringify(counts));
});

test("numbers of 48 bits, and the edges of the window", () => {
  const top = 2 ** 48 - 1;
  for (const [first, next, expected] of [
    [top, top, false],
    [top, top - WINDOW + 1, true],
    [top, top - WINDOW, false],
    [0, 0, false],
    [0, WINDOW, true],
    [5, 5 + 2 ** 40, true],
  ] as const) {
    const window = new ReplayWindow();
    assert.equal(window.accept(first), true);
    assert.equal(window.accept(next), expected, `${first} then ${next}`);
  }
});

test("a Recent never holds more than its bound, forgets the oldest that was not used, and never the newest", () => {
  const recent = new Recent<string, number>(3);
  for (const [i, name] of ["a", "b", "c"].entries()) recent.put(name, i);
  assert.equal(recent.find("a"), 0);
  recent.put("d", 3);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((name) => recent.find(name)),
    [0, undefined, 2, 3],
  );
  for (let i = 0; i < 100; i++) recent.put(`n${i}`, i);
  assert.equal(recent.size, 3);
});
