/** The rules V4 to V7 of ownership.md as a watcher sees them: from one record of a voter to the next. */
import { compareBallots, type Holder, sameBallot, sameHolder } from "@holdfast/core/ownership/lease/ballot.ts";
import { isClosed, leaseHolder } from "@holdfast/core/ownership/lease/voter.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

const LEASE_MAX_MS = 5000;

/**
 * What is wrong with the way from `before` to `after`; "" when nothing. `said`: the entries of the heartbeat that is being
 * taken; what a node says to its own voter is of its own lease only.
 */
export function checkRecord(
  before: VoterRecord | undefined,
  after: VoterRecord,
  self: Holder,
  said: readonly LeaseEntry[],
  now: Instant,
): string {
  if (after.accepted !== undefined && after.accepted.expires > now + LEASE_MAX_MS)
    return `V4: a lease of ${after.accepted.expires - now} ms`;
  if (before === undefined) return "";
  if (before.promised !== undefined) {
    if (after.promised === undefined || compareBallots(after.promised, before.promised) < 0)
      return "V5: the promise went back";
  }
  for (const closed of before.closed) {
    const dropped =
      after.closed.length === 32 &&
      !after.closed.some((each) => each.node === closed.node && each.boot === closed.boot);
    if (!dropped && !isClosed(after, closed)) return "V6: a closed ballot is open again";
  }
  const holder = leaseHolder(before, now);
  const accepted = before.accepted;
  if (holder === undefined || accepted === undefined) return "";
  if (after.accepted === undefined || !sameHolder(after.accepted.holder, holder)) {
    const allowed = said.some(
      (entry) =>
        (entry.kind === "release" && sameBallot(entry.ballot, accepted.ballot) && sameHolder(entry.holder, holder)) ||
        (entry.kind === "nominate" && sameBallot(entry.fromBallot, accepted.ballot)),
    );
    return allowed || sameHolder(holder, self) ? "" : "V4: an unexpired lease of another holder was replaced";
  }
  const same = sameBallot(after.accepted.ballot, accepted.ballot);
  if (same && after.accepted.number < accepted.number) return "V4: the number went back";
  return "";
}
