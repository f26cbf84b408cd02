/** Ballots: the totally ordered names of leases (ownership.md section 2). Never made twice (I5). */
import type { BootId, KernelId, NodeName } from "../../units/names.ts";

/** Ordered by round, then node, then boot. `round` is an unsigned 32-bit integer. */
export interface Ballot {
  readonly round: number;
  readonly node: NodeName;
  readonly boot: BootId;
}

/** The highest round that can be said. */
export const ROUND_MAX = 2 ** 32 - 1;

/** Who may answer. Not the boot: a restarted daemon has the same fence. */
export interface Holder {
  readonly node: NodeName;
  readonly kernel: KernelId;
}

/** Negative when `a` is lower than `b`, 0 when they are the same, positive when higher. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  if (a.node !== b.node) return a.node < b.node ? -1 : 1;
  if (a.boot !== b.boot) return a.boot < b.boot ? -1 : 1;
  return 0;
}

export function sameBallot(a: Ballot | undefined, b: Ballot | undefined): boolean {
  return a !== undefined && b !== undefined && compareBallots(a, b) === 0;
}

export function sameHolder(a: Holder, b: Holder): boolean {
  return a.node === b.node && a.kernel === b.kernel;
}

/** The part of a ballot that its maker never changes: a release closes all ballots of one maker up to a round. */
export function ballotText(ballot: Ballot): string {
  return `${ballot.round}.${ballot.node}.${ballot.boot.slice(0, 4)}`;
}
