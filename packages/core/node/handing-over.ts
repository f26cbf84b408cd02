/**
 * Both ends of a planned move around the lease (ownership.md section 6): the successor gets ready and relays, the old owner
 * forwards, resets or drains what is left, and leaves. The lease itself changes hands in ../ownership/lease/hand-over.ts.
 */
import { leaseContext, wantAddresses } from "./leases.ts";
import type { Farewell } from "./planned-move.ts";
import type { Group, NodeState } from "./state.ts";
import { tellEverybody } from "./state.ts";
import { offerStands, ready } from "../ownership/lease/hand-over.ts";
import type { Forwarding } from "../ownership/lease/state.ts";
import type { FenceState, LeaseEntry } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { after, earliest, type Instant, NEVER } from "../units/time.ts";

/** N1, the successor's side: the addresses first, then the relay, then `ready`. */
export function takeOffer(
  state: NodeState,
  group: Group,
  from: NodeName,
  entry: Extract<LeaseEntry, { kind: "offer" }>,
  now: Instant,
): void {
  if (!offerStands(group.lease, leaseContext(state, group, now), entry)) return;
  // It comes back before what was left of the last move was over.
  if (group.farewell !== undefined) endFarewell(state, group);
  const first = group.offer === undefined;
  group.offer = { from, entry, until: after(now, state.cluster.timing.dead) };
  if (group.addressesPlaced) getReady(state, group, now);
  else if (first) wantAddresses(state, group, true);
}

/** The addresses are in place: an offer that waited for them goes on, if it still stands. */
export function getReady(state: NodeState, group: Group, now: Instant): void {
  const { offer } = group;
  if (offer === undefined || !offerStands(group.lease, leaseContext(state, group, now), offer.entry)) return;
  const { name: groupName, drain } = group.config;
  const { macs } = offer.entry;
  if (macs.length === 0 || macs.length !== group.macs.length) return sayReady(state, group, false, now);
  const for_ms = state.cluster.timing.dead;
  if (drain > 0) state.effects.push({ kind: "passConnections", group: groupName, macs, for_ms });
  state.effects.push({ kind: "relay", group: groupName, macs, for_ms });
}

/** The kernel relays, or would not: then the owner has to close before it nominates. */
export function sayReady(state: NodeState, group: Group, relays: boolean, now: Instant): void {
  const { offer, lease } = group;
  const context = leaseContext(state, group, now);
  if (offer === undefined || !offerStands(lease, context, offer.entry)) return;
  if (relays) group.relayUntil = after(now, state.cluster.timing.dead);
  ready(lease, context, state.boot, offer.from, offer.entry.ballot, relays ? group.macs : []);
}

/** N3: this node was nominated and works for its first commit. */
export function takenUp(group: Group, from: NodeName, now: Instant): void {
  const { offer, config } = group;
  group.cause = `${from} handed it over`;
  group.marks = { lastHeardOfOwner: undefined, stoodAt: now, electedAt: now };
  // A planned move is not undone by failback before `settle`, which the new owner has to know.
  group.settledAt = now;
  if (config.drain > 0 && group.relayUntil !== undefined && offer?.from === from)
    group.drainFrom = { node: from, macs: offer.entry.macs, until: after(now, config.drain) };
  group.offer = undefined;
}

/** An offer that led to nothing: the relay ends, and the addresses go again. */
export function expireOffer(state: NodeState, group: Group, now: Instant): void {
  if (group.offer === undefined || now < group.offer.until) return;
  group.offer = undefined;
  const { role } = group.lease.state;
  if (role !== "idle" && role !== "preparing") return;
  if (group.relayUntil !== undefined) state.effects.push({ kind: "close", group: group.config.name, armed: [] });
  group.relayUntil = undefined;
  wantAddresses(state, group, false);
}

/** F4 is done: what arrives goes on to the successor until the fence's own deadline. */
export function bidFarewell(state: NodeState, group: Group, forwarding: Forwarding, now: Instant): void {
  const { name: groupName, drain } = group.config;
  const { dead } = state.cluster.timing;
  group.farewell = {
    successor: forwarding.successor,
    macs: forwarding.macs,
    forwardUntil: forwarding.until,
    drainUntil: drain > 0 ? after(now, drain) : undefined,
    withdrawAt: forwarding.until,
    stage: "forwarding",
    answered: false,
  };
  if (drain > 0) state.later.push({ kind: "relay", group: groupName, macs: forwarding.macs, for_ms: dead });
  else state.later.push({ kind: "resetConnections", group: groupName });
}

/** N5: the successor was seen to answer. */
export function successorAnswers(state: NodeState, group: Group, now: Instant): void {
  const { farewell } = group;
  if (farewell === undefined || farewell.answered) return;
  farewell.answered = true;
  // Half an interval for the resets to leave.
  const soon = after(now, state.cluster.timing.heartbeat / 2);
  if (farewell.drainUntil === undefined) farewell.withdrawAt = earliest(farewell.withdrawAt, soon);
}

export function tickFarewell(state: NodeState, group: Group, now: Instant): void {
  const { farewell } = group;
  if (farewell === undefined) return;
  const { name: groupName } = group.config;
  if (
    farewell.drainUntil === undefined &&
    farewell.stage === "forwarding" &&
    now >= farewell.withdrawAt &&
    group.addressesWanted
  )
    wantAddresses(state, group, false);
  if (now < deadlineOf(farewell)) return;
  switch (farewell.stage) {
    case "forwarding":
      if (farewell.drainUntil === undefined || !farewell.answered) return endFarewell(state, group);
      farewell.stage = "draining";
      // F4: the mode ends together with the right to answer; what the successor hands back is served on.
      state.effects.push({ kind: "close", group: groupName, armed: [] });
      return serveOn(state, group, farewell);
    case "draining":
      farewell.stage = "resetting";
      farewell.withdrawAt = after(now, state.cluster.timing.heartbeat);
      state.effects.push({ kind: "resetConnections", group: groupName });
      return;
    case "resetting":
    case "closing":
      return endFarewell(state, group);
  }
}

/** The kernel confirmed a close, or would not: then it is asked again, for it refuses every commit while it forwards. */
export function farewellClosed(state: NodeState, group: Group, done: boolean, now: Instant): void {
  const { farewell } = group;
  if (farewell?.stage !== "closing") return;
  if (done) group.farewell = undefined;
  else farewell.withdrawAt = after(now, state.cluster.timing.heartbeat);
}

function deadlineOf({ stage, forwardUntil, drainUntil, withdrawAt }: Farewell): Instant {
  if (stage === "forwarding") return forwardUntil;
  return stage === "draining" ? (drainUntil ?? forwardUntil) : withdrawAt;
}

export function farewellDeadline(group: Group): Instant {
  const { farewell } = group;
  if (farewell === undefined) return NEVER;
  const next = deadlineOf(farewell);
  const withdraws = group.addressesWanted && farewell.drainUntil === undefined && farewell.stage === "forwarding";
  return withdraws ? earliest(next, farewell.withdrawAt) : next;
}

/** Each beat: connections are served on the old owner for as long as the new one answers, and passed on as long as it is there. */
export function beatDrain(state: NodeState, group: Group, now: Instant): void {
  const { farewell, drainFrom, config } = group;
  const { dead } = state.cluster.timing;
  if (farewell?.drainUntil !== undefined && (farewell.stage === "forwarding" || farewell.stage === "draining")) {
    if (fenceOf(state, group, farewell.successor) === "open") serveOn(state, group, farewell);
    else if (farewell.stage === "draining") return endFarewell(state, group);
  }
  if (drainFrom === undefined) return;
  const there = ["forward", "relay"].includes(fenceOf(state, group, drainFrom.node) ?? "");
  const holds = group.lease.state.role === "holding";
  if (holds && now < drainFrom.until && there) {
    state.effects.push({ kind: "passConnections", group: config.name, macs: drainFrom.macs, for_ms: dead });
    return;
  }
  group.drainFrom = undefined;
  if (holds) state.effects.push({ kind: "passConnections", group: config.name, macs: [], for_ms: 0 });
}

function serveOn(state: NodeState, group: Group, { macs }: Farewell): void {
  state.effects.push({ kind: "relay", group: group.config.name, macs, for_ms: state.cluster.timing.dead });
}

function fenceOf(state: NodeState, group: Group, node: NodeName): FenceState | undefined {
  const peer = state.peers.get(node);
  return peer?.alive === true ? peer.groups.get(group.config.name)?.fence : undefined;
}

/**
 * Nothing is forwarded or served here any more. Called when time ends it and when this node stands again itself: what
 * forwards refuses every commit, so the close comes before the first of them.
 */
export function endFarewell(state: NodeState, group: Group): void {
  if (group.farewell === undefined) return;
  group.farewell.stage = "closing";
  group.farewell.withdrawAt = NEVER;
  state.effects.push({ kind: "close", group: group.config.name, armed: [] });
  const owns = group.lease.state.role === "holding";
  if (group.addressesWanted && group.offer === undefined && !owns) wantAddresses(state, group, false);
  tellEverybody(state);
}
