/** How a holder keeps a group's lease: numbered requests, commits, release (ownership.md C4 to C9). */
import { compareBallots } from "./ballot.ts";
import {
  type AfterClose,
  becomeIdle,
  certainlyClosed,
  type EndCause,
  type Holding,
  type Lease,
  type LeaseContext,
  newBallot,
  RAISES_MAX,
  rankDelay,
  sayToVoters,
} from "./state.ts";
import { nextRandom } from "../../random.ts";
import type { Timing } from "../../cluster.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { NodeName } from "../../units/names.ts";
import { after, earliest, type Instant, NEVER } from "../../units/time.ts";

/** C4: the next number. Armed first (F1): a failed arm comes back as an input and takes the request off the outbox. */
export function askForGrants(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "holding") return;
  const { now, timing } = context;
  if (state.hint !== undefined && compareBallots(state.hint, state.ballot) > 0) {
    // C8: a holder may replace its own lease, so no prepare is needed.
    state.ballot = newBallot(context);
  }
  state.hint = undefined;
  context.counters.number += 1;
  state.number = context.counters.number;
  state.grants.clear();
  state.refusals.clear();
  state.committed = false;
  state.askedAt = now;
  state.repeatAt = after(now, timing.heartbeat / 8);
  const holds = !state.first && now >= state.yieldUntil && context.holds;
  state.holdAt = holds ? after(now, HOLD_SHARE * timing.window) : NEVER;
  if (state.first) state.tries += 1;
  while (state.armed[0] !== undefined && state.armed[0].until < now) state.armed.shift();
  state.armed.push({ number: state.number, until: after(now, timing.window + timing.jiffy) });
  context.effect({ kind: "arm", group: lease.group, number: state.number });
  sayRequest(state, lease, context, context.voters);
}

function sayRequest(state: Holding, lease: Lease, context: LeaseContext, voters: readonly NodeName[]): void {
  const entry: LeaseEntry = {
    kind: "propose",
    group: lease.group,
    ballot: state.ballot,
    number: state.number,
    holder: context.holder,
    lease_ms: context.timing.dead,
  };
  for (const voter of voters) {
    // N4: a voter may not have heard of the nomination yet.
    if (state.first && state.nomination !== undefined) context.say(voter, state.nomination);
    context.say(voter, entry);
  }
}

/** Of the window: what the other voters would have said has come by then, and the kernel still takes the commit. */
const HOLD_SHARE = 0.75;

/** `on_quorum_loss: hold`: the own voter's grant is enough when the others said nothing in time. */
function holdAlone(state: Holding, lease: Lease, context: LeaseContext): void {
  if (state.committed || state.number === 0 || context.now < state.holdAt) return;
  state.holdAt = NEVER;
  const inTime = context.now < after(state.askedAt, context.timing.window);
  if (!inTime || !state.grants.has(context.holder.node) || context.now < state.yieldUntil) return;
  state.committed = true;
  state.alone = true;
  context.effect({ kind: "commit", group: lease.group, number: state.number });
}

/** The regular interval has come: every holder asks anew (C4), from the timer and never from a grant. */
export function beatHolding(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "holding") return;
  if (state.first && state.tries >= 2 && !state.committed) return notElected(lease, context);
  if (state.role === "holding") askForGrants(lease, context);
}

/** Time alone: repeats inside the window, the end of the fence, the end of patience (C7). */
export function tickHolding(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "holding") return;
  const { now, timing } = context;
  holdAlone(state, lease, context);
  if (state.number !== 0 && now >= state.repeatAt) {
    state.repeatAt = after(now, timing.heartbeat / 8);
    if (state.committed || state.repeatAt > after(state.askedAt, timing.window)) state.repeatAt = NEVER;
    const missing = context.voters.filter((voter) => !state.grants.has(voter));
    if (now < after(state.askedAt, timing.window)) sayRequest(state, lease, context, missing);
  }
  if (!state.lapsed && !state.first && now >= state.openUntil) {
    state.lapsed = true;
    context.tell({ kind: "lapsed" });
  }
  if (now >= after(state.majorityAt, 2 * timing.dead)) {
    endHolding(lease, context, "no-majority", after(now, timing.heartbeat * (1 + nextRandom(context.random))));
  }
}

export function holdingDeadline(state: Holding, timing: Timing): Instant {
  return earliest(
    state.number === 0 ? NEVER : state.repeatAt,
    state.number === 0 || state.committed ? NEVER : state.holdAt,
    state.lapsed || state.first ? NEVER : state.openUntil,
    after(state.majorityAt, 2 * timing.dead),
    state.handOver?.until ?? NEVER,
  );
}

/** C5: only grants for exactly the outstanding ballot and number count, one a voter. */
export function granted(lease: Lease, context: LeaseContext, voter: NodeName, number: number): void {
  const { state } = lease;
  if (state.role !== "holding" || number !== state.number || state.number === 0) return;
  state.grants.add(voter);
  if (state.grants.size === context.voters.length) state.repeatAt = NEVER;
  if (state.committed || state.grants.size < context.majority) return;
  state.committed = true;
  state.alone = state.grants.size <= context.voters.length / 2;
  // A voter that misses every request of a lease's length would stand itself: once more for those that are silent.
  if (state.repeatAt !== NEVER) state.repeatAt = after(state.askedAt, context.timing.heartbeat / 3);
  context.effect({ kind: "commit", group: lease.group, number });
}

/** The kernel took the commit: the fence is open for K from now at the latest. */
export function committed(lease: Lease, context: LeaseContext, number: number): void {
  const { state } = lease;
  if (state.role !== "holding" || number !== state.number) return;
  const { now, timing } = context;
  const opened = state.first || state.lapsed || now >= state.openUntil;
  const { first } = state;
  state.majorityAt = now;
  state.openUntil = after(now, timing.keep);
  state.first = false;
  state.raises = 0;
  state.lapsed = false;
  if (opened) context.tell({ kind: "opened", first });
}

/** The window was over (F2): the request is worth nothing; the next number comes with the next beat. */
export function commitRefused(lease: Lease, number: number): void {
  const { state } = lease;
  if (state.role === "holding" && number === state.number) forgetRequest(state);
}

/** F1: what could not be armed must not be asked for. */
export function armFailed(lease: Lease, number: number): void {
  commitRefused(lease, number);
}

/** C12: after a stall nothing that was outstanding may count. */
export function forgetRequest(state: Holding): void {
  state.number = 0;
  state.grants.clear();
  state.committed = false;
}

function latest(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}

/** A voter's refusal of the outstanding request (C6, C8). */
export function requestRefused(
  lease: Lease,
  context: LeaseContext,
  voter: NodeName,
  entry: Extract<LeaseEntry, { kind: "refuse" }>,
): void {
  const { state } = lease;
  if (state.role !== "holding") return;
  state.refusals.add(voter);
  // Also one that was promised a later ballot says whose its lease is.
  const anothers = entry.owner !== undefined && entry.owner !== context.holder.node;
  if (anothers || entry.reason === "held") state.yieldUntil = after(context.now, 2 * context.timing.dead);
  // Somebody stands for it: first the next request, under a higher ballot.
  const stands = entry.reason === "promised" && entry.promised.node !== context.holder.node;
  if (stands) state.yieldUntil = latest(state.yieldUntil, after(context.now, 1.5 * context.timing.heartbeat));
  // Two that claim alone keep their ballots: which goes first must not change while they are compared.
  const claimed = state.alone && anothers;
  if (!claimed && (entry.reason === "promised" || entry.reason === "closed")) {
    const other = entry.promised;
    if (state.hint === undefined || compareBallots(other, state.hint) > 0) state.hint = other;
  }
  if (context.now < state.openUntil) return;
  const lostMajority = state.refusals.size > context.voters.length - context.majority;
  if (entry.reason === "held") {
    // The nomination is on its way to this voter; its own repeats bring it (N4).
    if (state.nomination !== undefined && state.first && state.tries < 3) return;
    if (state.first || lostMajority) {
      const wait = Math.min(entry.remaining_ms, context.timing.heartbeat) * nextRandom(context.random);
      endHolding(lease, context, "not-elected", after(context.now, wait + rankDelay(context)));
    }
    return;
  }
  const raise = state.first && state.raises < RAISES_MAX && state.hint !== undefined;
  if (raise && compareBallots(state.hint ?? state.ballot, state.ballot) > 0) {
    state.raises += 1;
    askForGrants(lease, context);
  }
}

function notElected(lease: Lease, context: LeaseContext): void {
  endHolding(lease, context, "not-elected", after(context.now, rankDelay(context)));
}

/** F3, C9: close the fence, then give the lease back. */
export function endHolding(lease: Lease, context: LeaseContext, why: EndCause, notBefore: Instant): void {
  closeFence(lease, context, { kind: "release", notBefore });
  context.tell({ kind: "ended", why, successor: undefined });
}

/** F3: nothing else of this ballot is sent until the kernel confirmed. */
export function closeFence(lease: Lease, context: LeaseContext, next: AfterClose): void {
  const { state } = lease;
  if (state.role !== "holding") return;
  lease.state = { role: "closing", ballot: state.ballot, next, forwarding: undefined, certainAt: undefined };
  context.effect({ kind: "close", group: lease.group, armed: armedNumbers(state) });
}

export function armedNumbers(state: Holding): readonly number[] {
  return state.armed.map((armed) => armed.number);
}

/** The kernel confirmed: now others may hear of it. */
export function closed(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "closing") return;
  const { now, timing } = context;
  if (state.next.kind === "release") {
    startReleasing(lease, context, {
      kind: "release",
      group: lease.group,
      ballot: state.ballot,
      holder: context.holder,
    });
    becomeIdle(lease, state.next.notBefore);
    return;
  }
  const entry: LeaseEntry = {
    kind: "nominate",
    group: lease.group,
    fromBallot: state.ballot,
    ballot: newBallot(context),
    holder: state.next.successor,
    holderBoot: state.next.boot,
  };
  lease.nominated = { entry, until: after(now, timing.dead) };
  // N2: the old owner does not stand for T.
  becomeIdle(lease, after(now, timing.dead));
  sayNomination(context, entry);
}

/** The successor has to hear of it whether it votes or not. */
function sayNomination(context: LeaseContext, entry: Extract<LeaseEntry, { kind: "nominate" }>): void {
  sayToVoters(context, entry);
  if (!context.voters.includes(entry.holder.node)) context.say(entry.holder.node, entry);
}

/** The kernel would not close: every right ends by itself, and until then nothing is said (F3). */
export function closeFailed(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "closing") return;
  lease.state = { ...state, certainAt: certainlyClosed(context) };
}

export function tickClosing(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "closing" || state.certainAt === undefined || context.now < state.certainAt) return;
  closed(lease, context);
}

export function startReleasing(
  lease: Lease,
  context: LeaseContext,
  entry: Extract<LeaseEntry, { kind: "release" }>,
): void {
  lease.releasing = { entry, until: after(context.now, context.timing.dead), confirmed: new Set() };
  sayToVoters(context, entry);
}

/** C9, N2: releases and nominations are state, not events: repeated in every beat while they matter. */
export function beatEnded(lease: Lease, context: LeaseContext, liveVoters: readonly NodeName[]): void {
  const { releasing, nominated } = lease;
  if (releasing !== undefined) {
    const missing = liveVoters.filter((voter) => !releasing.confirmed.has(voter));
    if (context.now >= releasing.until || missing.length === 0) lease.releasing = undefined;
    else for (const voter of missing) context.say(voter, releasing.entry);
  }
  if (nominated !== undefined) {
    if (context.now >= nominated.until) lease.nominated = undefined;
    else sayNomination(context, nominated.entry);
  }
}
