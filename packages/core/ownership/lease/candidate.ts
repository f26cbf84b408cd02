/** How a node comes to hold a group's lease: standing and collecting promises (ownership.md C1 to C3, C10). */
import { compareBallots, sameHolder } from "./ballot.ts";
import { askForGrants } from "./holder.ts";
import {
  becomeIdle,
  type Lease,
  type LeaseContext,
  newBallot,
  newHolding,
  type Preparing,
  rankDelay,
  sayToVoters,
} from "./state.ts";
import { leaseHolder } from "./voter.ts";
import type { Timing } from "../../cluster.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { NodeName } from "../../units/names.ts";
import { after, earliest, type Instant } from "../../units/time.ts";

/** A voter is free again by then, whatever it says: the longest lease and the longest abstention, ownership.md V2 and S2. */
const WAIT_MAX_MS = 5100;

/** C1: stand when the time has come. A lease that names this kernel, from an earlier boot or not, is no obstacle (C10). */
export function tickIdle(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "idle" || !context.eligible || context.now < state.notBefore) return;
  const holder = leaseHolder(context.record, context.now);
  if (holder !== undefined && !sameHolder(holder, context.holder)) {
    state.notBefore = after(context.record.accepted?.expires as Instant, rankDelay(context));
    state.ranked = true;
    return;
  }
  if (holder === undefined && !state.ranked) {
    state.notBefore = after(context.now, rankDelay(context));
    state.ranked = true;
    return;
  }
  const ballot = newBallot(context);
  lease.state = {
    role: "preparing",
    ballot,
    since: context.now,
    repeatAt: after(context.now, context.timing.heartbeat / 8),
    promises: new Set(),
    refusals: new Map(),
    askAgain: new Map(),
  };
  sayToVoters(context, { kind: "prepare", group: lease.group, ballot, holder: context.holder });
}

/** C2: ask again those whose lease has just ended, and those that are silent; give up when nothing came for W. */
export function tickPreparing(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "preparing") return;
  if (!context.eligible) return becomeIdle(lease, context.now);
  const ask = (voter: NodeName): void =>
    context.say(voter, { kind: "prepare", group: lease.group, ballot: state.ballot, holder: context.holder });
  for (const [voter, at] of state.askAgain) {
    if (context.now < at) continue;
    state.askAgain.delete(voter);
    state.refusals.delete(voter);
    ask(voter);
  }
  if (context.now >= state.repeatAt) {
    state.repeatAt = after(context.now, context.timing.heartbeat / 8);
    const silent = context.voters.filter((voter) => !state.promises.has(voter) && !state.refusals.has(voter));
    for (const voter of silent) ask(voter);
  }
  if (context.now >= giveUpAt(state, context.timing)) becomeIdle(lease, after(context.now, rankDelay(context)));
}

function giveUpAt(state: Preparing, timing: Timing): Instant {
  return after(state.since, 2 * timing.window);
}

export function preparingDeadline(state: Preparing, timing: Timing): Instant {
  return earliest(giveUpAt(state, timing), state.repeatAt, ...state.askAgain.values());
}

/** A voter's promise; with a majority of them the node holds and asks for grants at once. */
export function promised(lease: Lease, context: LeaseContext, voter: NodeName): void {
  const { state } = lease;
  if (state.role !== "preparing") return;
  state.promises.add(voter);
  if (state.promises.size < context.majority) return;
  lease.state = newHolding(state.ballot, undefined, context.now);
  askForGrants(lease, context);
  context.tell({ kind: "elected" });
}

/** A voter's refusal of a prepare (C2). */
export function prepareRefused(
  lease: Lease,
  context: LeaseContext,
  voter: NodeName,
  entry: Extract<LeaseEntry, { kind: "refuse" }>,
): void {
  const { state } = lease;
  if (state.role !== "preparing") return;
  const { now, timing } = context;
  const free = after(now, Math.min(entry.remaining_ms, WAIT_MAX_MS));
  state.refusals.set(voter, free);
  if (entry.reason === "promised" && compareBallots(entry.promised, state.ballot) > 0) {
    return becomeIdle(lease, after(now, rankDelay(context)));
  }
  if (entry.reason === "held" && entry.remaining_ms <= timing.window) {
    state.askAgain.set(voter, after(free, 0.1));
    return;
  }
  if (state.refusals.size <= context.voters.length - context.majority) return;
  // Not before so many voters are free that a majority is possible.
  const times = [...state.refusals.values()].toSorted((a, b) => a - b);
  const needed = state.refusals.size - (context.voters.length - context.majority);
  const possible = Math.max(now, times[needed - 1] ?? now) as Instant;
  // Without a time to wait for (a voter of another configuration, say) an interval is soon enough.
  // A cluster that starts has time to let the first in prefer have it: voters end their abstention one after the other.
  const turn = entry.reason === "abstaining" ? context.rank * timing.heartbeat : 0;
  becomeIdle(lease, after(possible > now ? possible : after(now, timing.heartbeat), turn + rankDelay(context)));
}
