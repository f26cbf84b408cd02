/**
 * The voter of one group: gives the lease to one holder at a time (ownership.md section 3, rules V4 to V7).
 *
 * Pure functions from a record and a message to the next record and the answer. V2 (the record is kept before the
 * answer leaves) is the order of effects in node.ts; V3 (generation and boot) is checked there before any of these.
 */
import { type Ballot, compareBallots, type Holder, sameBallot, sameHolder } from "./ballot.ts";
import type { VoterRecord } from "../../effects.ts";
import type { LeaseEntry, RefuseReason } from "../../wire/messages.ts";
import type { GroupName, NodeName } from "../../units/names.ts";
import type { Instant, Milliseconds } from "../../units/time.ts";

export const EMPTY_RECORD: VoterRecord = { promised: undefined, accepted: undefined, closed: [] };

/** How many makers a record remembers the closed ballots of; whose release is longest ago is forgotten first. */
const CLOSED_MAKERS_MAX = 32;

/** The record afterwards (the same object when nothing changed) and what to tell the sender. */
export interface Vote {
  readonly record: VoterRecord;
  readonly answer: LeaseEntry | undefined;
}

/** The holder whose lease is not over at `now`. */
export function leaseHolder(record: VoterRecord, now: Instant): Holder | undefined {
  return record.accepted !== undefined && record.accepted.expires > now ? record.accepted.holder : undefined;
}

/** Milliseconds left of the record's lease; 0 without one. */
export function leaseRemaining(record: VoterRecord, now: Instant): number {
  return record.accepted === undefined ? 0 : Math.max(0, record.accepted.expires - now);
}

/** The highest ballot the record knows: a new one must be above it. */
export function highestRound(record: VoterRecord): number {
  return Math.max(record.promised?.round ?? 0, record.accepted?.ballot.round ?? 0);
}

/** V5. */
export function prepare(record: VoterRecord, entry: Extract<LeaseEntry, { kind: "prepare" }>, now: Instant): Vote {
  const holder = leaseHolder(record, now);
  // The promise stays as it is: a candidate that cannot win must not disturb a holder that renews.
  if (holder !== undefined && !sameHolder(holder, entry.holder)) return refuse(record, entry, "held", now);
  if (record.promised !== undefined && compareBallots(entry.ballot, record.promised) < 0) {
    return refuse(record, entry, "promised", now);
  }
  return {
    record: { ...record, promised: entry.ballot },
    answer: { kind: "promise", group: entry.group, ballot: entry.ballot },
  };
}

/** V4: exclusive accept. */
export function propose(
  record: VoterRecord,
  entry: Extract<LeaseEntry, { kind: "propose" }>,
  now: Instant,
  lease: Milliseconds,
): Vote {
  const { ballot, holder, number } = entry;
  if (record.promised !== undefined && compareBallots(ballot, record.promised) < 0) {
    return refuse(record, entry, "promised", now);
  }
  if (isClosed(record, ballot)) return refuse(record, entry, "closed", now);
  const current = leaseHolder(record, now);
  if (current !== undefined && !sameHolder(current, holder)) return refuse(record, entry, "held", now);
  const grant: LeaseEntry = { kind: "grant", group: entry.group, ballot, number };
  const accepted = record.accepted;
  if (accepted !== undefined && sameBallot(accepted.ballot, ballot) && sameHolder(accepted.holder, holder)) {
    if (number < accepted.number) return { record, answer: undefined };
    if (number === accepted.number) return { record, answer: current === undefined ? undefined : grant };
  }
  // G5: a generation with a shorter T must not end what the holder's fence may still rely on.
  const expires = Math.max(now + lease, current === undefined ? now : (accepted?.expires ?? now));
  return { record: { ...record, promised: ballot, accepted: { ballot, holder, number, expires } }, answer: grant };
}

/** V6: ends the lease only for exactly this ballot and holder; the ballot is closed in any case. */
export function release(record: VoterRecord, entry: Extract<LeaseEntry, { kind: "release" }>): Vote {
  const accepted = record.accepted;
  const exact =
    accepted !== undefined && sameBallot(accepted.ballot, entry.ballot) && sameHolder(accepted.holder, entry.holder);
  const answer: LeaseEntry = { kind: "released", group: entry.group, ballot: entry.ballot };
  if (!exact && isClosed(record, entry.ballot)) return { record, answer };
  return {
    record: { ...record, accepted: exact ? undefined : accepted, closed: close(record.closed, entry.ballot) },
    answer,
  };
}

/** V7: hands an unexpired lease of exactly `fromBallot` to the nominee; anything else is ignored. */
export function nominate(
  record: VoterRecord,
  entry: Extract<LeaseEntry, { kind: "nominate" }>,
  now: Instant,
  lease: Milliseconds,
): Vote {
  const { accepted } = record;
  const applies =
    leaseHolder(record, now) !== undefined &&
    sameBallot(accepted?.ballot, entry.fromBallot) &&
    compareBallots(entry.ballot, entry.fromBallot) > 0 &&
    (record.promised === undefined || compareBallots(entry.ballot, record.promised) >= 0) &&
    !isClosed(record, entry.ballot);
  if (!applies) return { record, answer: undefined };
  return {
    record: {
      ...record,
      promised: entry.ballot,
      accepted: {
        ballot: entry.ballot,
        holder: entry.holder,
        number: 0,
        expires: Math.max(now + lease, accepted?.expires ?? now),
      },
    },
    answer: undefined,
  };
}

function refuse(
  record: VoterRecord,
  entry: { readonly group: GroupName; readonly ballot: Ballot },
  reason: RefuseReason,
  now: Instant,
): Vote {
  const owner: NodeName | undefined = leaseHolder(record, now)?.node;
  return {
    record,
    answer: {
      kind: "refuse",
      group: entry.group,
      ballot: entry.ballot,
      promised: reason === "closed" ? aboveClosed(record, entry.ballot) : (record.promised ?? entry.ballot),
      owner,
      remaining_ms: reason === "held" ? Math.ceil(leaseRemaining(record, now)) : 0,
      reason,
    },
  };
}

/** What a holder must go above (C8): its maker may have closed later ballots than the promised one. */
function aboveClosed(record: VoterRecord, ballot: Ballot): Ballot {
  const known = [record.promised ?? ballot, ...record.closed.filter((closed) => sameMaker(closed, ballot))];
  return known.reduce((a, b) => (compareBallots(a, b) >= 0 ? a : b));
}

function sameMaker(a: Ballot, b: Ballot): boolean {
  return a.node === b.node && a.boot === b.boot;
}

/** True when this ballot, or a later one of its maker, was released: it never counts again. */
export function isClosed(record: VoterRecord, ballot: Ballot): boolean {
  return record.closed.some((closed) => sameMaker(closed, ballot) && compareBallots(ballot, closed) <= 0);
}

/** In the order of the releases: the longest ago is first. */
function close(closed: readonly Ballot[], ballot: Ballot): readonly Ballot[] {
  const others = closed.filter((other) => !sameMaker(other, ballot));
  const same = closed.find((other) => sameMaker(other, ballot));
  const highest = same !== undefined && compareBallots(same, ballot) > 0 ? same : ballot;
  return [...others, highest].slice(-CLOSED_MAKERS_MAX);
}
