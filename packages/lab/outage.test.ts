/** Tables for the client's outage: one letter a request ("." lost, "_" never sent), one request a millisecond. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { measureOutage, median, ownerChanges, worse } from "./outage.ts";
import type { Sample } from "./outage.ts";

function* samples(script: string): Generator<Sample> {
  for (const [number, letter] of script.split("").entries()) {
    if (letter !== "_") yield { number, sent_ms: number, node: letter === "." ? undefined : letter };
  }
}

const table = [
  {
    title: "nothing lost",
    script: "AAAA",
    lost: 0,
    run: 0,
    outage: 0,
    restored: true,
    before: "A",
    after: "A",
  },
  {
    title: "a takeover",
    script: "AA...BB",
    lost: 3,
    run: 3,
    outage: 3,
    restored: true,
    before: "A",
    after: "B",
  },
  {
    title: "the longest run counts",
    script: "A.A...BB.B",
    lost: 5,
    run: 3,
    outage: 3,
    restored: true,
    before: "A",
    after: "B",
  },
  {
    title: "a request never sent is not lost, its time counts",
    script: "A._.B",
    lost: 2,
    run: 2,
    outage: 3,
    restored: true,
    before: "A",
    after: "B",
  },
  {
    title: "still out at the end",
    script: "AA..",
    lost: 2,
    run: 2,
    outage: 2,
    restored: false,
    before: "A",
    after: "A",
  },
  {
    title: "nobody ever answered",
    script: "...",
    lost: 3,
    run: 3,
    outage: 3,
    restored: false,
    before: undefined,
    after: undefined,
  },
  {
    title: "nothing sent",
    script: "",
    lost: 0,
    run: 0,
    outage: 0,
    restored: true,
    before: undefined,
    after: undefined,
  },
];

for (const row of table) {
  test(`outage: ${row.title}`, () => {
    const seen = measureOutage(samples(row.script));
    assert.deepEqual(
      [seen.lost, seen.longest_run, seen.outage_ms, seen.restored, seen.before, seen.after],
      [row.lost, row.run, row.outage, row.restored, row.before, row.after],
    );
  });
}

test("outage: an outage not yet over is worse than any that is", () => {
  const long = measureOutage(samples("A.....B"));
  const open = measureOutage(samples("A."));
  assert.equal(worse(long, open), open);
  assert.equal(worse(open, long), open);
});

test("outage: the median of an even count is the mean of the middle two", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([9, 1, 5]), 5);
});

test("an owner changes when another node answers than the last one that did, lost requests or not", () => {
  assert.deepEqual(ownerChanges(samples("..AA..BB_BA")), [
    { at_ms: 6, from: "A", to: "B" },
    { at_ms: 10, from: "B", to: "A" },
  ]);
  assert.deepEqual(ownerChanges(samples("A...A_A.")), []);
  assert.deepEqual(ownerChanges(samples("...")), []);
});
