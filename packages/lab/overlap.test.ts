/** Tables for the overlap rule: what counts as two nodes answering, and what is a clean hand-over. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { OverlapDetector, describeViolation } from "./overlap.ts";
import type { Answer, ProbeKind } from "./overlap.ts";

/** "A5@3" is node A answering number 5 at 3 ms; "/arp" names another kind than udp4. */
function answer(text: string): Answer {
  const match = /^([A-Z])(\d+)@(\d+)(?:\/(\w+))?$/.exec(text);
  assert.ok(match, text);
  const node = match[1] as string;
  const kind = (match[4] ?? "udp4") as ProbeKind;
  return {
    node,
    port: `${node}-lan`,
    kind,
    number: Number(match[2]),
    time_ns: Number(match[3]) * 1e6,
    head: new Uint8Array([1, 2]),
  };
}

function violations(script: string): string[] {
  const detector = new OverlapDetector();
  for (const word of script.split(" ")) detector.add(answer(word));
  return detector.violations.map(
    (each) => `${each.first.node}${each.first.number}-${each.second.node}${each.second.number}`,
  );
}

const table: readonly [title: string, script: string, expected: readonly string[]][] = [
  ["one owner", "A1@1 A2@2 A3@3 A3@3/arp", []],
  ["a takeover after silence", "A1@1 A2@2 B40@40 B41@41", []],
  ["a hand-over between two numbers", "A1@1 A2@2 B3@3 B4@4", []],
  ["a hand-over inside one number, in order of time", "A1@1 A2@2 B2@3 B3@4", []],
  ["one number answered by two, the successor first", "A1@1 B2@2 A2@3", ["B2-A2"]],
  ["one number answered by two, the last answer on its way for less than a millisecond", "A1@1 A2@2 B2@2", []],
  ["the successor passes on what the old owner still answers", "A1@1 A3@3 B2@4 B4@5", []],
  ["two owners", "A1@1 B1@2 A2@3 B2@4", ["B1-A2"]],
  ["two owners of different kinds", "A1@1/arp A4@4/arp B2@2/ndp", ["A1-B2"]],
  ["the old owner answers once again after the hand-over", "A1@1 A2@2 B3@3 B4@4 A5@5 B6@6", ["B4-A5"]],
  ["a gap of 5 numbers does not end an interval", "A1@1 A6@6 B3@3", ["A1-B3"]],
  ["a gap of 6 numbers does", "A1@1 A7@7 B3@3", []],
  ["moved there and back", "A1@1 B10@10 B11@11 A20@20", []],
  ["captures of ports read one after the other", "B10@10 B11@11 A1@1 A2@2 A9@9", []],
  ["captures of ports read one after the other, two owners", "B3@3 B9@9 A1@1 A2@2 A4@4", ["B3-A4"]],
  ["intervals that grow together", "A1@1 A9@9 B3@3 A5@5", ["B3-A5"]],
  ["a pair of intervals is reported once", "A1@1 B1@2 A2@3 B2@4 A3@5 B3@6", ["B1-A2"]],
  ["three nodes", "A1@1 B10@10 C10@11 C11@12 B11@13", ["C11-B11"]],
];

for (const [title, script, expected] of table) {
  test(`overlap: ${title}`, () => assert.deepEqual(violations(script), expected));
}

function overlap_ms(script: string, from = 0, to = 1000): number {
  const detector = new OverlapDetector();
  for (const word of script.split(" ")) detector.add(answer(word));
  return detector.overlap_ms(from, to);
}

test("the time with two owners is what their intervals share, each number once", () => {
  assert.equal(overlap_ms("A1@1 A5@5 A9@9 B6@6 B11@11"), 4);
  assert.equal(overlap_ms("A1@1 A5@5 A9@9 B6@6 B11@11 C5@5 C9@9 C11@12"), 7);
  assert.equal(overlap_ms("A1@1 A5@5 A9@9 B6@6 B11@11", 8, 1000), 2);
  assert.equal(overlap_ms("A1@1 A5@5 A9@9 B6@6 B11@11", 0, 6), 1);
});

test("a clean hand-over takes no time with two owners", () => {
  assert.equal(overlap_ms("A1@1 A2@2 B2@3 B3@4"), 0);
  assert.equal(overlap_ms("A1@1 A2@2 B3@3 B4@4"), 0);
});

test("a violation is printed with both packets", () => {
  const detector = new OverlapDetector();
  detector.add(answer("A7@1300"));
  detector.add(answer("A9@1500"));
  const violation = detector.add(answer("B8@1400/arp"));
  assert.ok(violation);
  assert.deepEqual(describeViolation(violation), [
    "two nodes answered: B and A",
    "  00:00:01.400000  B-lan  arp  #8  0102",
    "  00:00:01.500000  A-lan  udp4  #9  0102",
  ]);
});
