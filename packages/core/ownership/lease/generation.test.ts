/** G1 to G5: when a node may go over to another set of voters or another timing, and that majorities always meet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { generationObstacle, majorityOf, sameGeneration } from "./generation.ts";
import { propose } from "./voter.ts";
import type { Cluster } from "../../cluster.ts";
import type { BootId, GroupName, KernelId, NodeName } from "../../units/names.ts";
import { type Instant, instant, milliseconds } from "../../units/time.ts";

function cluster(generation: number, nodes: string, dead = 300, heartbeat = 100): Cluster {
  return {
    name: "test",
    generation,
    digest: "0000abcd",
    timing: {
      heartbeat: milliseconds(heartbeat),
      dead: milliseconds(dead),
      window: milliseconds(48),
      keep: milliseconds(236),
      jiffy: milliseconds(4),
    },
    links: [],
    nodes: nodes.split("").map((name) => ({ name: name as NodeName, role: "member", links: {}, interfaces: {} })),
    groups: [],
    keys: "/nowhere",
    seal: "encrypt",
  };
}

/** `arrived`: who is in the generation of `before`, since so many milliseconds. */
function obstacle(
  before: Cluster,
  next: Cluster,
  arrived: Readonly<Record<string, number>> = {},
  former?: { readonly voters: string; readonly dead: number },
): string {
  const since = (node: NodeName): Instant | undefined =>
    arrived[node] === undefined ? undefined : instant(10_000 - arrived[node]);
  const known = former === undefined ? undefined : { voters: former.voters.split("") as NodeName[], dead: former.dead };
  return generationObstacle(before, next, { now: instant(10_000), former: known, since }) ?? "";
}

const LATE = { a: 9000, b: 9000, c: 9000, d: 9000, e: 9000 };

test("what is not voters or timing needs no generation", () => {
  assert.equal(sameGeneration(cluster(1, "abc"), { ...cluster(1, "cab"), keys: "/elsewhere" }), true);
  assert.equal(obstacle(cluster(1, "abc"), cluster(1, "bca")), "");
});

const REFUSED: readonly (readonly [rule: string, before: Cluster, next: Cluster, why: RegExp])[] = [
  ["a voter more without a generation", cluster(4, "abc"), cluster(4, "abcd"), /write generation: 5/],
  ["another T without a generation", cluster(1, "abc"), cluster(1, "abc", 400), /write generation: 2/],
  ["another interval without a generation", cluster(1, "abc"), cluster(1, "abc", 300, 50), /write generation: 2/],
  ["another quorum", cluster(1, "ab"), { ...cluster(1, "ab"), quorum: "available" }, /write generation: 2/],
  ["back to a generation", cluster(3, "abc"), cluster(2, "abc"), /generation 2 is over/],
  ["past a generation", cluster(1, "abc"), cluster(3, "abc"), /not the next/],
  ["G1: two voters more", cluster(1, "abc"), cluster(2, "abcde"), /d, e: one voter/],
  ["G1: a voter in another's place", cluster(1, "abc"), cluster(2, "abd"), /d, c: one voter/],
];

for (const [rule, before, next, why] of REFUSED) {
  test(`refused: ${rule}`, () => assert.match(obstacle(before, next, LATE), why));
}

test("G1: one voter more or less, and another T, with the next generation", () => {
  assert.equal(obstacle(cluster(1, "abc"), cluster(2, "abcd", 400)), "");
  assert.equal(obstacle(cluster(1, "abc"), cluster(2, "ab")), "");
});

const G3: readonly (readonly [
  rule: string,
  voters: string,
  arrived: Readonly<Record<string, number>>,
  former: { voters: string; dead: number } | undefined,
  why: RegExp,
])[] = [
  ["a majority is there long enough", "abc", { a: 306, b: 306 }, { voters: "abc", dead: 300 }, /^$/],
  ["not for T + 2 %", "abc", { a: 306, b: 305 }, { voters: "abc", dead: 300 }, /for 306ms, b, c are not yet/],
  ["the longer T counts", "abc", { a: 999, b: 999 }, { voters: "abc", dead: 1000 }, /for 1s|for 1020ms/],
  ["of the former voters, not of these", "abcd", { a: 999, d: 999 }, { voters: "abc", dead: 300 }, /2 of 3 .*b, c/],
  [
    "a former voter that is none any more counts",
    "abc",
    { a: 999, d: 999, b: 999 },
    { voters: "abcd", dead: 300 },
    /^$/,
  ],
  ["a daemon that has not seen it needs all of three", "abc", { a: 9000, b: 9000 }, undefined, /3 of 3 .* c is not/],
  ["and then has them", "abc", LATE, undefined, /^$/],
  ["four of five", "abcde", { a: 9000, b: 9000, c: 9000, d: 9000 }, undefined, /^$/],
  ["and the longest T", "abc", { a: 9000, b: 9000, c: 5000 }, undefined, /for 5100ms, c is/],
];

for (const [rule, voters, arrived, former, why] of G3) {
  test(`G3: ${rule}`, () => assert.match(obstacle(cluster(2, voters), cluster(3, voters, 400), arrived, former), why));
}

/** Every set of `size` of the first `of` voters, as bits. */
function subsets(of: number, size: number): number[] {
  return Array.from({ length: 2 ** of }, (_, set) => set).filter((set) => bits(set) === size);
}

function bits(set: number): number {
  return set.toString(2).replaceAll("0", "").length;
}

test("G1, exhaustively to 7 nodes: majorities of sets that differ by one voter meet; of two they need not", () => {
  let met = 0;
  let apart = 0;
  for (let n = 1; n < 7; n++) {
    // The set after is the first n + 1 nodes: which one is new makes no difference.
    for (const before of subsets(n, majorityOf(n)))
      for (const next of subsets(n + 1, majorityOf(n + 1))) {
        assert.notEqual(before & next, 0, `of ${n} and ${n + 1}: ${before} ${next}`);
        met += 1;
      }
    for (const before of subsets(n, majorityOf(n)))
      for (const next of subsets(n + 2, majorityOf(n + 2))) if ((before & next) === 0) apart += 1;
  }
  assert.ok(met > 400, `${met}`);
  assert.ok(apart > 0);
});

test("G3, exhaustively to 7 nodes: whatever the generation before had, its majority is among those who must have come", () => {
  for (let n = 2; n <= 6; n++) {
    const here = "abcdef".slice(0, n);
    const formers = [here, `${here}x`, ...here.split("").map((gone) => here.replace(gone, ""))];
    for (let set = 0; set < 2 ** n; set++) {
      const arrived = Object.fromEntries(
        here
          .split("")
          .filter((_, i) => (set & (1 << i)) !== 0)
          .map((name) => [name, 9000]),
      );
      if (obstacle(cluster(2, here), cluster(3, here, 400), arrived) !== "") continue;
      for (const former of formers) {
        const there = former.split("").filter((name) => arrived[name] !== undefined).length;
        assert.ok(there >= majorityOf(former.length), `${here}, before ${former}: ${Object.keys(arrived).join("")}`);
      }
    }
  }
});

test("G5: a shorter T never ends a lease earlier than it was given for", () => {
  const ballot = { round: 1, node: "a" as NodeName, boot: "00000000000000b1" as BootId };
  const holder = { node: "a" as NodeName, kernel: "00000000000000c1" as KernelId };
  const ask = (number: number) =>
    ({ kind: "propose", group: "web" as GroupName, ballot, number, holder, lease_ms: 100 }) as const;
  const empty = { promised: undefined, accepted: undefined, closed: [] };
  const long = propose(empty, ask(1), instant(0), milliseconds(300));
  const soon = propose(long.record, ask(2), instant(20), milliseconds(100));
  assert.deepEqual([soon.answer?.kind, soon.record.accepted?.expires], ["grant", 300]);
  const later = propose(soon.record, ask(3), instant(250), milliseconds(100));
  assert.equal(later.record.accepted?.expires, 350);
});
