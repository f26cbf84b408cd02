/** The watcher of the attack finds each breach of a voter's rules, and nothing where there is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRecord } from "./voter-rules.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, KernelId, NodeName } from "@holdfast/core/units/names.ts";
import { instant } from "@holdfast/core/units/time.ts";

const NOW = instant(1000);
const web = "web" as GroupName;

function ballotOf(round: number, name = "n2"): NonNullable<VoterRecord["promised"]> {
  return { round, node: name as NodeName, boot: "00000000000000b1" as BootId };
}

function holderOf(name: string): { node: NodeName; kernel: KernelId } {
  return { node: name as NodeName, kernel: `kernel-${name}` as KernelId };
}

function record(round: number, name: string, number: number, expires: number): VoterRecord {
  const ballot = ballotOf(round, name);
  return { promised: ballot, accepted: { ballot, holder: holderOf(name), number, expires }, closed: [] };
}

const held = record(5, "n2", 7, 1200);
const release: LeaseEntry = { kind: "release", group: web, ballot: ballotOf(5), holder: holderOf("n2") };
const nominate: LeaseEntry = {
  kind: "nominate",
  group: web,
  fromBallot: ballotOf(5),
  ballot: ballotOf(6),
  holder: holderOf("n3"),
  holderBoot: "00000000000000b3" as BootId,
};

for (const [title, before, after, said, expected] of [
  ["a first record", undefined, held, [], ""],
  ["a renewal", held, record(5, "n2", 8, 1300), [], ""],
  ["a lease that is over is another's", record(5, "n2", 7, 999), record(6, "n3", 1, 1300), [], ""],
  ["a release", held, { ...held, accepted: undefined, closed: [ballotOf(5)] }, [release], ""],
  ["a nomination", held, record(6, "n3", 0, 1300), [nominate], ""],
  ["taken away", held, record(6, "n3", 1, 1300), [], "V4: an unexpired lease of another holder was replaced"],
  [
    "released for another ballot",
    held,
    { ...held, accepted: undefined },
    [{ ...release, ballot: ballotOf(4) }],
    "V4: an unexpired lease of another holder was replaced",
  ],
  ["an older number", held, record(5, "n2", 6, 1300), [], "V4: the number went back"],
  ["a lease without end", held, record(5, "n2", 8, 1e9), [], `V4: a lease of ${1e9 - 1000} ms`],
  ["a lower promise", held, { ...held, promised: ballotOf(4) }, [], "V5: the promise went back"],
  ["a promise forgotten", held, { ...held, promised: undefined }, [], "V5: the promise went back"],
  ["a ballot opened again", { ...held, closed: [ballotOf(3)] }, held, [], "V6: a closed ballot is open again"],
] as const) {
  test(`${title}: ${expected === "" ? "is right" : expected}`, () => {
    assert.equal(checkRecord(before, after, holderOf("n1"), said, NOW), expected);
  });
}
