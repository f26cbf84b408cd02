/** The voter's rules V4 to V7 as tables; the same tables find planted faults; I4 and monotony over random sequences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ballot, compareBallots, type Holder, sameBallot, sameHolder } from "./ballot.ts";
import * as voter from "./voter.ts";
import type { VoterRecord } from "../../effects.ts";
import { nextRandom, seededRandom } from "../../random.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { BootId, GroupName, KernelId, NodeName } from "../../units/names.ts";
import { type Instant, instant, milliseconds } from "../../units/time.ts";

const web = "web" as GroupName;
const T = milliseconds(300);
const now = instant(10_000);

function ballot(round: number, node: string, boot = "1"): Ballot {
  return { round, node: node as NodeName, boot: boot.padStart(16, "0") as BootId };
}

function holder(node: string, kernel = "k"): Holder {
  return { node: node as NodeName, kernel: `${node}-${kernel}` as KernelId };
}

type Voter = Pick<typeof voter, "prepare" | "propose" | "release" | "nominate">;
type Sent<Kind extends LeaseEntry["kind"]> = Extract<LeaseEntry, { kind: Kind }>;

const prepare = (made: Ballot, by: Holder): Sent<"prepare"> => ({
  kind: "prepare",
  group: web,
  ballot: made,
  holder: by,
});
const propose = (made: Ballot, number: number, by: Holder): Sent<"propose"> => ({
  kind: "propose",
  group: web,
  ballot: made,
  number,
  holder: by,
  lease_ms: T,
});
const release = (made: Ballot, by: Holder): Sent<"release"> => ({
  kind: "release",
  group: web,
  ballot: made,
  holder: by,
});
const nominate = (from: Ballot, made: Ballot, to: Holder): Sent<"nominate"> => ({
  kind: "nominate",
  group: web,
  fromBallot: from,
  ballot: made,
  holder: to,
  holderBoot: "b" as BootId,
});

function take(by: Voter, record: VoterRecord, entry: LeaseEntry, at: Instant = now): voter.Vote {
  if (entry.kind === "prepare") return by.prepare(record, entry, at);
  if (entry.kind === "propose") return by.propose(record, entry, at, T);
  if (entry.kind === "release") return by.release(record, entry);
  if (entry.kind === "nominate") return by.nominate(record, entry, at, T);
  throw new Error(entry.kind);
}

/** The lease of n1 under ballot 5, last accepted with number 7, 100 ms before its end or 1 ms after it. */
const B5 = ballot(5, "n1");
const N1 = holder("n1");
const N2 = holder("n2");
const HELD: VoterRecord = {
  promised: B5,
  accepted: { ballot: B5, holder: N1, number: 7, expires: now + 100 },
  closed: [],
};
const OVER: VoterRecord = { ...HELD, accepted: { ballot: B5, holder: N1, number: 7, expires: now } };
const NONE: VoterRecord = { promised: B5, accepted: undefined, closed: [] };
const CLOSED: VoterRecord = { promised: B5, accepted: undefined, closed: [B5] };

type After = "same" | "promised" | "accepted" | "cleared" | "nominated";
type Row = readonly [title: string, record: VoterRecord, entry: LeaseEntry, answer: string, after: After];

const low1 = ballot(4, "n1");
const high1 = ballot(6, "n1");
const low2 = ballot(4, "n2");
const high2 = ballot(6, "n2");

const V4: readonly Row[] = [
  ["no lease, nothing promised: accepted", voter.EMPTY_RECORD, propose(low2, 1, N2), "grant 1", "accepted"],
  ["no lease, ballot lower than promised", NONE, propose(low2, 1, N2), "refuse promised", "same"],
  ["no lease, ballot equal to promised", NONE, propose(B5, 1, N1), "grant 1", "accepted"],
  ["no lease, ballot higher than promised", NONE, propose(high2, 1, N2), "grant 1", "accepted"],
  ["no lease, the ballot closed", CLOSED, propose(B5, 8, N1), "refuse closed", "same"],
  ["no lease, a later ballot of the maker than the closed one", CLOSED, propose(high1, 8, N1), "grant 8", "accepted"],
  ["no lease, closed by another maker", CLOSED, propose(high2, 8, N2), "grant 8", "accepted"],
  ["no lease, closed by an earlier boot only", CLOSED, propose(ballot(6, "n1", "2"), 1, N1), "grant 1", "accepted"],
  ["closed counts before held", { ...HELD, closed: [high2] }, propose(high2, 1, N2), "refuse closed", "same"],
  ["promised counts before closed", { ...HELD, closed: [low1] }, propose(low1, 1, N1), "refuse promised", "same"],
  ["expired, same ballot, lower number: ignored", OVER, propose(B5, 6, N1), "nothing", "same"],
  ["expired, same ballot, equal number: ignored", OVER, propose(B5, 7, N1), "nothing", "same"],
  ["expired, same ballot, higher number: accepted anew", OVER, propose(B5, 8, N1), "grant 8", "accepted"],
  ["expired, another holder, lower ballot", OVER, propose(low2, 1, N2), "refuse promised", "same"],
  ["expired, another holder, higher ballot", OVER, propose(high2, 1, N2), "grant 1", "accepted"],
  ["expired, same node under another kernel", OVER, propose(high1, 1, holder("n1", "x")), "grant 1", "accepted"],
  ["unexpired, same ballot, lower number: ignored", HELD, propose(B5, 6, N1), "nothing", "same"],
  ["unexpired, same ballot, equal number: granted, not extended", HELD, propose(B5, 7, N1), "grant 7", "same"],
  ["unexpired, same ballot, higher number: extended", HELD, propose(B5, 8, N1), "grant 8", "accepted"],
  ["unexpired, same holder, lower ballot", HELD, propose(low1, 8, N1), "refuse promised", "same"],
  [
    "unexpired, same holder replaces its own by a higher ballot (C8)",
    HELD,
    propose(high1, 1, N1),
    "grant 1",
    "accepted",
  ],
  ["unexpired, same holder after a restart", HELD, propose(ballot(6, "n1", "2"), 1, N1), "grant 1", "accepted"],
  ["unexpired, another holder, lower ballot", HELD, propose(low2, 1, N2), "refuse promised", "same"],
  ["unexpired, another holder, higher ballot: exclusive", HELD, propose(high2, 1, N2), "refuse held", "same"],
  ["unexpired, same node, other kernel, same ballot", HELD, propose(B5, 8, holder("n1", "x")), "refuse held", "same"],
  [
    "unexpired, same node, other kernel, higher ballot",
    HELD,
    propose(high1, 1, holder("n1", "x")),
    "refuse held",
    "same",
  ],
];

const V5: readonly Row[] = [
  ["no lease, nothing promised", voter.EMPTY_RECORD, prepare(low2, N2), "promise", "promised"],
  ["no lease, lower than promised", NONE, prepare(low2, N2), "refuse promised", "same"],
  ["no lease, equal to promised", NONE, prepare(B5, N1), "promise", "promised"],
  ["no lease, higher than promised", NONE, prepare(high2, N2), "promise", "promised"],
  ["expired, higher", OVER, prepare(high2, N2), "promise", "promised"],
  ["expired, lower", OVER, prepare(low2, N2), "refuse promised", "same"],
  ["unexpired of another: the promise stays", HELD, prepare(high2, N2), "refuse held", "same"],
  ["unexpired of another, lower: held counts first", HELD, prepare(low2, N2), "refuse held", "same"],
  ["unexpired of the same node, other kernel", HELD, prepare(high1, holder("n1", "x")), "refuse held", "same"],
  ["unexpired of the same holder (C10)", HELD, prepare(ballot(6, "n1", "2"), N1), "promise", "promised"],
  ["unexpired of the same holder, lower", HELD, prepare(low1, N1), "refuse promised", "same"],
];

const V6: readonly Row[] = [
  ["exact: cleared and closed", HELD, release(B5, N1), "released", "cleared"],
  ["exact, expired: cleared and closed", OVER, release(B5, N1), "released", "cleared"],
  ["a lower ballot of the holder closes, the lease stays", HELD, release(low1, N1), "released", "same"],
  ["a higher ballot of the holder closes, the lease stays", HELD, release(high1, N1), "released", "same"],
  ["the ballot under another kernel closes, the lease stays", HELD, release(B5, holder("n1", "x")), "released", "same"],
  ["another's ballot closes, the lease stays", HELD, release(high2, N2), "released", "same"],
  ["no lease", NONE, release(B5, N1), "released", "same"],
  ["again: nothing more, and confirmed", CLOSED, release(B5, N1), "released", "same"],
  ["one before the closed: the later stays closed", CLOSED, release(low1, N1), "released", "same"],
];

const V7: readonly Row[] = [
  ["exact, higher than the promise", HELD, nominate(B5, high1, N2), "nothing", "nominated"],
  ["exact, equal to the promise", { ...HELD, promised: high1 }, nominate(B5, high1, N2), "nothing", "nominated"],
  ["lower than the promise", { ...HELD, promised: ballot(7, "n3") }, nominate(B5, high1, N2), "nothing", "same"],
  ["the lease is over", OVER, nominate(B5, high1, N2), "nothing", "same"],
  ["no lease", NONE, nominate(B5, high1, N2), "nothing", "same"],
  ["from another ballot of the same maker", HELD, nominate(low1, high1, N2), "nothing", "same"],
  ["a ballot that is not higher", HELD, nominate(B5, B5, N2), "nothing", "same"],
  ["a closed ballot", { ...HELD, closed: [high1] }, nominate(B5, high1, N2), "nothing", "same"],
  [
    "a second nomination of the same lease",
    { ...HELD, promised: high1, accepted: { ballot: high1, holder: N2, number: 0, expires: now + 300 } },
    nominate(B5, ballot(7, "n1"), holder("n3")),
    "nothing",
    "same",
  ],
];

function answerText(answer: LeaseEntry | undefined): string {
  if (answer === undefined) return "nothing";
  if (answer.kind === "grant") return `grant ${answer.number}`;
  if (answer.kind === "refuse") return `refuse ${answer.reason}`;
  return answer.kind;
}

function expected(record: VoterRecord, entry: LeaseEntry, after: After): Omit<VoterRecord, "closed"> {
  const { promised, accepted } = record;
  if (after === "same") return { promised, accepted };
  if (after === "cleared") return { promised, accepted: undefined };
  if (after === "promised") return { promised: entry.ballot, accepted };
  if (entry.kind !== "propose" && entry.kind !== "nominate") throw new Error(entry.kind);
  const number = entry.kind === "propose" ? entry.number : 0;
  return {
    promised: entry.ballot,
    accepted: { ballot: entry.ballot, holder: entry.holder, number, expires: now + T },
  };
}

function checkRow(by: Voter, [, record, entry, answer, after]: Row): void {
  const vote = take(by, record, entry);
  assert.equal(answerText(vote.answer), answer);
  if (vote.answer !== undefined) assert.deepEqual(vote.answer.ballot, entry.ballot);
  const { promised, accepted, closed } = vote.record;
  assert.deepEqual({ promised, accepted }, expected(record, entry, after));
  if (entry.kind === "release") assert.ok(voter.isClosed(vote.record, entry.ballot), "the ballot is not closed");
  for (const before of record.closed) assert.ok(voter.isClosed(vote.record, before), "a closed ballot reopened");
  if (entry.kind !== "release") assert.deepEqual(closed, record.closed);
}

const RULES: Readonly<Record<string, readonly Row[]>> = { V4, V5, V6, V7 };

for (const [rule, rows] of Object.entries(RULES)) {
  test(`${rule}: what the record becomes, and the answer`, async (t) => {
    for (const row of rows) await t.test(`${rule}: ${row[0]}`, () => checkRow(voter, row));
  });
}

test("V4, V5: a refusal tells who holds it, for how long yet, and what is promised", () => {
  const refusal = voter.propose(HELD, propose(high2, 1, N2), now, T).answer;
  assert.ok(refusal?.kind === "refuse");
  assert.deepEqual([refusal.owner, refusal.remaining_ms, refusal.promised], ["n1", 100, B5]);
  const late = voter.prepare(HELD, prepare(high2, N2), instant(now + 99.5)).answer;
  assert.ok(late?.kind === "refuse" && late.remaining_ms === 1, "rounded up: who waits as told must not be too early");
});

test("C8: a refused closed ballot names the ballot to go above, though a lower one is promised", () => {
  // n1 nominated n2 with ballot 6 and later released its own ballot 9: that closed ballot 6 with it.
  const record: VoterRecord = {
    promised: high1,
    accepted: { ballot: high1, holder: N2, number: 3, expires: now + 100 },
    closed: [ballot(9, "n1")],
  };
  const refusal = voter.propose(record, propose(high1, 4, N2), now, T).answer;
  assert.ok(refusal?.kind === "refuse" && refusal.reason === "closed");
  assert.deepEqual(refusal.promised, ballot(9, "n1"));
});

test("V6: what is remembered of releases is bounded, and the one just made is remembered", () => {
  let record = voter.EMPTY_RECORD;
  // The last maker's rounds are the lowest: it must not be forgotten for that.
  for (let i = 200; i > 0; i--) {
    const made = ballot(i, "n1", `${i}`);
    record = voter.release(record, release(made, N1)).record;
    assert.ok(voter.isClosed(record, made), `round ${i}`);
    assert.ok(record.closed.length <= 32);
  }
  for (let i = 1; i <= 32; i++) assert.ok(voter.isClosed(record, ballot(i, "n1", `${i}`)), `round ${i}`);
});

/** The planted bugs of the reference model that are a voter's own. */
const MUTANTS: Readonly<Record<string, Voter>> = {
  holder_is_name: mutant((record, entry) => {
    const accepted = record.accepted;
    if (accepted === undefined || !("holder" in entry) || accepted.holder.node !== entry.holder.node) return record;
    return { ...record, accepted: { ...accepted, holder: entry.holder } };
  }),
  paxos_accept: mutant((record, entry) => (entry.kind === "propose" ? { ...record, accepted: undefined } : record)),
  closed_forgotten: mutant((record) => ({ ...record, closed: [] })),
  release_by_name: mutant((record, entry) => {
    if (entry.kind !== "release" || record.accepted?.holder.node !== entry.holder.node) return record;
    return { ...record, accepted: { ...record.accepted, ballot: entry.ballot, holder: entry.holder } };
  }),
  nominate_again: mutant((record, entry) => {
    if (entry.kind !== "nominate" || record.accepted === undefined) return record;
    return { ...record, accepted: { ...record.accepted, ballot: entry.fromBallot } };
  }),
  nominate_expired: mutant((record, entry) => {
    if (entry.kind !== "nominate" || record.accepted === undefined) return record;
    return { ...record, accepted: { ...record.accepted, expires: now + 1 } };
  }),
  round_goes_back: mutant((record) => ({ ...record, promised: undefined })),
  repeat_extends: mutant((record, entry) => {
    if (entry.kind !== "propose" || record.accepted?.number !== entry.number) return record;
    return { ...record, accepted: { ...record.accepted, number: entry.number - 1 } };
  }),
};

/** A voter that sees its record through `distort`. */
function mutant(distort: (record: VoterRecord, entry: LeaseEntry) => VoterRecord): Voter {
  return {
    prepare: (record, entry, at) => voter.prepare(distort(record, entry), entry, at),
    propose: (record, entry, at, lease) => voter.propose(distort(record, entry), entry, at, lease),
    release: (record, entry) => voter.release(distort(record, entry), entry),
    nominate: (record, entry, at, lease) => voter.nominate(distort(record, entry), entry, at, lease),
  };
}

test("each planted fault of a voter fails a row of the tables", async (t) => {
  for (const [name, by] of Object.entries(MUTANTS)) {
    await t.test(name, () => {
      const failed = Object.values(RULES)
        .flat()
        .filter((row) => !holds(by, row));
      assert.ok(failed.length > 0, `${name} is not found by any row`);
    });
  }
});

function holds(by: Voter, row: Row): boolean {
  try {
    checkRow(by, row);
    return true;
  } catch {
    return false;
  }
}

function randomEntry(random: () => number): LeaseEntry {
  const below = (limit: number): number => Math.floor(random() * limit);
  const made = ballot(1 + below(12), `n${1 + below(3)}`, `${1 + below(2)}`);
  const by = holder(`n${1 + below(3)}`, random() < 0.8 ? "k" : "x");
  const dice = random();
  if (dice < 0.2) return prepare(made, by);
  if (dice < 0.65) return propose(made, below(6), by);
  if (dice < 0.8) return release(made, by);
  return nominate(ballot(1 + below(12), `n${1 + below(3)}`, `${1 + below(2)}`), made, by);
}

test("I4: over random sequences an unexpired lease changes holder by release or nominate only; nothing goes back", () => {
  let changes = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const state = seededRandom(seed);
    const random = (): number => nextRandom(state);
    let record: VoterRecord = voter.EMPTY_RECORD;
    let at = instant(1000);
    for (let i = 0; i < 200; i++) {
      at = instant(at + random() * 60);
      // Half of the time from what is held, so that exact ballots are met.
      const any = randomEntry(random);
      const entry = random() < 0.5 || record.accepted === undefined ? any : aimed(any, record.accepted);
      const { record: next } = take(voter, record, entry, at);
      const before = voter.leaseHolder(record, at);
      const after = voter.leaseHolder(next, at);
      if (before !== undefined && (after === undefined || !sameHolder(before, after))) {
        changes += 1;
        assert.ok(entry.kind === "release" || entry.kind === "nominate", `seed ${seed}: ${entry.kind}`);
        const exact = entry.kind === "release" ? entry.ballot : entry.fromBallot;
        assert.ok(sameBallot(exact, record.accepted?.ballot), `seed ${seed}: not the exact ballot`);
      }
      if (record.promised !== undefined)
        assert.ok(next.promised !== undefined && compareBallots(next.promised, record.promised) >= 0, `seed ${seed}`);
      for (const closed of record.closed) assert.ok(voter.isClosed(next, closed), `seed ${seed}: closed reopened`);
      if (next.accepted !== undefined) assert.ok(next.accepted.expires <= at + T);
      record = next;
    }
  }
  assert.ok(changes > 100, `only ${changes} changes`);
});

function aimed(entry: LeaseEntry, accepted: NonNullable<VoterRecord["accepted"]>): LeaseEntry {
  if (entry.kind === "release") return release(accepted.ballot, accepted.holder);
  if (entry.kind === "nominate") return { ...entry, fromBallot: accepted.ballot };
  if (entry.kind === "propose")
    return propose(accepted.ballot, accepted.number + (entry.number % 3) - 1, accepted.holder);
  return entry;
}
