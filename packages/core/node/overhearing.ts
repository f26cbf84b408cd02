/**
 * What a node that does not vote knows of the leases: the voters say in every heartbeat whom they gave a group to, and for
 * how long yet. It takes the place of the own voter's record for C1, C3 and N1; safety never rests on it.
 */
import type { Group, NodeState } from "./state.ts";
import type { Accepted, VoterRecord } from "../effects.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import { rankDelay } from "../ownership/lease/state.ts";
import { EMPTY_RECORD } from "../ownership/lease/voter.ts";
import type { LeaseContext } from "../ownership/lease/state.ts";
import type { GroupReport } from "../wire/messages.ts";
import type { KernelId, NodeName } from "../units/names.ts";
import { after, type Instant } from "../units/time.ts";

/** A lease that was to last for longer did not end by itself: it was given back. */
const RELEASED_EARLY_MS = 5;
const UNKNOWN_KERNEL = "0000000000000000" as KernelId;

export function votes(state: NodeState): boolean {
  return state.voters.includes(state.self.name);
}

/** Those that are heard, and this node when it votes. */
export function liveVoters(state: NodeState): readonly NodeName[] {
  return state.voters.filter((voter) => voter === state.self.name || state.peers.get(voter)?.alive === true);
}

/** The own voter's record, or without a vote what would free a majority: the lease that ends as the last one needed. */
export function recordOf(state: NodeState, group: Group, now: Instant): VoterRecord {
  if (votes(state)) return group.record;
  const accepted = decisive(state, group, now);
  return accepted === undefined ? EMPTY_RECORD : { ...EMPTY_RECORD, accepted };
}

function decisive(state: NodeState, group: Group, now: Instant): Accepted | undefined {
  const live = state.voters.filter((voter) => {
    const peer = state.peers.get(voter);
    return peer !== undefined && isAlive(peer, state.cluster.timing.dead, now);
  });
  const ends = (lease: Accepted | undefined): number => lease?.expires ?? Number.NEGATIVE_INFINITY;
  const leases = live.map((voter) => group.overheard.get(voter)).toSorted((a, b) => ends(a) - ends(b));
  return leases[Math.min(state.majority, leases.length) - 1];
}

/**
 * A voter's report of its own record. A lease that was given back frees this node before its time (C3): `context` is asked
 * for only then.
 */
export function overhear(
  state: NodeState,
  group: Group,
  peer: Peer,
  report: GroupReport,
  context: () => LeaseContext,
  now: Instant,
): void {
  const voter = peer.config.name;
  if (votes(state) || !state.voters.includes(voter)) return;
  if (report.owner !== undefined && report.ballot !== undefined) {
    const kernel = report.owner === state.self.name ? state.kernel : state.peers.get(report.owner)?.kernel;
    const holder = { node: report.owner, kernel: kernel ?? UNKNOWN_KERNEL };
    const expires = after(now, report.remaining_ms);
    group.overheard.set(voter, { ballot: report.ballot, holder, number: 0, expires });
    return;
  }
  const before = group.overheard.get(voter);
  if (before === undefined || before.expires <= now + RELEASED_EARLY_MS) return;
  group.overheard.delete(voter);
  const { state: current } = group.lease;
  if (current.role !== "idle" || decisive(state, group, now) !== undefined) return;
  current.notBefore = after(now, rankDelay(context()));
  current.ranked = true;
  group.cause = `${before.holder.node} released it`;
}
