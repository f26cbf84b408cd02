/** The planned move between two live nodes: offer, ready, nominate (ownership.md section 6, N1 to N5). */
import { type Ballot, sameBallot, sameHolder } from "./ballot.ts";
import { armedNumbers, askForGrants, closed, closeFence } from "./holder.ts";
import { type AfterClose, type Lease, type LeaseContext, newHolding } from "./state.ts";
import { isClosed, leaseHolder } from "./voter.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { Mac } from "../../units/mac.ts";
import type { BootId, NodeName } from "../../units/names.ts";
import { after, between } from "../../units/time.ts";

/** How many nominations a node remembers having taken up (N3). */
const ADOPTED_MAX = 16;

/** The owner wants `successor` to take over. A fresh number goes out at once; the offer follows its commit (N1). */
export function startHandOver(lease: Lease, context: LeaseContext, successor: NodeName): boolean {
  const { state } = lease;
  if (state.role !== "holding" || state.first || state.handOver !== undefined) return false;
  const patience = Math.max(2 * context.timing.heartbeat, 100);
  state.handOver = { successor, offered: false, until: after(context.now, patience) };
  if (state.committed || state.number === 0) askForGrants(lease, context);
  return true;
}

/** After each commit: the offer, or again the offer, for a datagram may be lost. */
export function offerAfterCommit(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "holding" || state.handOver === undefined) return;
  state.handOver.offered = true;
  const { successor } = state.handOver;
  context.say(successor, { kind: "offer", group: lease.group, ballot: state.ballot, macs: context.macs });
}

export function tickHandOver(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "holding" || state.handOver === undefined || context.now < state.handOver.until) return;
  const { successor, offered } = state.handOver;
  state.handOver = undefined;
  const why = offered ? `${successor} did not say that it is ready` : "no majority renewed the lease";
  context.tell({ kind: "handOverFailed", successor, why });
}

/** The successor's side of N1: true when the offer is of the lease that the own voter holds right now. */
export function offerStands(
  lease: Lease,
  context: LeaseContext,
  entry: Extract<LeaseEntry, { kind: "offer" }>,
): boolean {
  const idle = lease.state.role === "idle" || lease.state.role === "preparing";
  const current = leaseHolder(context.record, context.now) !== undefined;
  return idle && context.eligible && current && sameBallot(context.record.accepted?.ballot, entry.ballot);
}

/**
 * N2: still holding this ballot and open: forward, then nominate, once. Where one of both has no MAC address to forward by, the
 * fence closes instead. A ready that came late in the fence's time is left for that of the next offer: what is forwarded must
 * outlast the successor's first commit.
 */
export function successorReady(
  lease: Lease,
  context: LeaseContext,
  from: NodeName,
  entry: Extract<LeaseEntry, { kind: "ready" }>,
): void {
  const { state } = lease;
  if (state.role !== "holding" || state.handOver === undefined) return;
  const asked = state.handOver.offered && state.handOver.successor === from && entry.holder.node === from;
  if (!asked || !sameBallot(entry.ballot, state.ballot) || context.now >= state.openUntil) return;
  const next: AfterClose = { kind: "nominate", successor: entry.holder, boot: entry.boot };
  if (entry.macs.length === 0 || entry.macs.length !== context.macs.length)
    return closeAndNominate(lease, context, next);
  if (between(context.now, state.openUntil) < context.timing.keep / 2) return;
  const forwarding = { successor: from, macs: entry.macs, until: state.openUntil, armed: armedNumbers(state) };
  lease.state = { role: "closing", ballot: state.ballot, next, forwarding, certainAt: undefined };
  context.effect({ kind: "forward", group: lease.group, armed: forwarding.armed, macs: forwarding.macs });
}

function closeAndNominate(lease: Lease, context: LeaseContext, next: Extract<AfterClose, { kind: "nominate" }>): void {
  closeFence(lease, context, next);
  context.tell({ kind: "ended", why: "handed-over", successor: next.successor.node });
}

/** F4: the kernel forwards from now on; this ballot never counts again. */
export function forwarded(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "closing" || state.forwarding === undefined) return;
  closed(lease, context);
  context.tell({ kind: "forwarding", forwarding: state.forwarding });
}

/** The kernel would not forward, and answers as before: close, and go on as without. */
export function forwardFailed(lease: Lease, context: LeaseContext): void {
  const { state } = lease;
  if (state.role !== "closing" || state.forwarding === undefined) return;
  const { successor, armed } = state.forwarding;
  lease.state = { ...state, forwarding: undefined };
  context.effect({ kind: "close", group: lease.group, armed });
  context.tell({ kind: "ended", why: "handed-over", successor });
}

/** N3: only the named boot takes a nomination up, once, and not while it holds something else. */
export function takeUpNomination(
  lease: Lease,
  context: LeaseContext,
  entry: Extract<LeaseEntry, { kind: "nominate" }>,
): boolean {
  const mine = sameHolder(context.holder, entry.holder) && entry.holderBoot === context.boot;
  const free = lease.state.role === "idle" || lease.state.role === "preparing";
  const key = `${entry.ballot.round}.${entry.ballot.node}.${entry.ballot.boot}`;
  if (!mine || !free || !context.eligible || isClosed(context.record, entry.ballot) || lease.adopted.includes(key))
    return false;
  lease.adopted.push(key);
  if (lease.adopted.length > ADOPTED_MAX) lease.adopted.shift();
  lease.state = newHolding(entry.ballot, entry, context.now);
  askForGrants(lease, context);
  context.tell({ kind: "elected" });
  return true;
}

/** N1: the successor says that its addresses are in place and, with `macs`, that it relays. */
export function ready(
  lease: Lease,
  context: LeaseContext,
  boot: BootId,
  to: NodeName,
  ballot: Ballot,
  macs: readonly Mac[],
): void {
  context.say(to, { kind: "ready", group: lease.group, ballot, holder: context.holder, boot, macs });
}
