/**
 * One node of the cluster: every decision it takes, without I/O, clock, randomness or waiting.
 *
 * `step` takes what happened and the time, changes the state it owns in place and returns what to do about it, in
 * order. `nextDeadline` says when a `tick` is wanted; an early one does no harm. The lease is in ownership/lease, who
 * hears whom in membership; this file and node/ alone join them.
 */
import { adaptersDeadline, heardAnswer, linkBound, takeFrames, watchAdapters } from "./node/adapters.ts";
import { addressAnswered, aloneDeadline, askReference, watchAlone } from "./node/alone.ts";
import { interfaceChanged } from "./node/carrier.ts";
import { happened } from "./node/events.ts";
import {
  beatDrain,
  expireOffer,
  farewellClosed,
  farewellDeadline,
  getReady,
  sayReady,
  tickFarewell,
} from "./node/handing-over.ts";
import { takeoverChecked } from "./node/confirming.ts";
import { addressClaimed, conflictDeadline, watchConflicts } from "./node/conflicts.ts";
import { takeFitness } from "./node/fitness.ts";
import { followHolder } from "./node/following.ts";
import { announce, fenceClosed, groupsDeadline, leaseContext, tickLease } from "./node/leases.ts";
import { failbackDeadline, followMove, placeGroup } from "./node/moves.ts";
import { dropLeft, reconfigure } from "./node/reconfiguring.ts";
import { receive } from "./node/receiving.ts";
import { countRejected, tellLater } from "./node/rejecting.ts";
import { watchReluctance } from "./node/reluctance.ts";
import { expireRequests } from "./node/requests.ts";
import { sendOutbox } from "./node/sending.ts";
import { leaveWhenReleased, stop } from "./node/stopping.ts";
import { settleRequests, takeRequest } from "./node/serving.ts";
import { liveVoters, votes } from "./node/overhearing.ts";
import { type Group, type NodeState, tellEverybody } from "./node/state.ts";
import { watchCrashes } from "./node/crashing.ts";
import { noticeStall, takePause } from "./node/stalling.ts";
import { expireInherited, takeLeaseEntry } from "./node/voting.ts";
import type { Effect, Input } from "./effects.ts";
import { isAlive, peerAge } from "./membership/peer.ts";
import {
  armFailed,
  beatEnded,
  beatHolding,
  closeFailed,
  committed,
  commitRefused,
  forgetRequest,
} from "./ownership/lease/holder.ts";
import { forwarded, forwardFailed, offerAfterCommit } from "./ownership/lease/hand-over.ts";
import type { Mac } from "./units/mac.ts";
import { after, between, earliest, type Instant } from "./units/time.ts";
import { unreachable } from "./units/unreachable.ts";

export { newNode } from "./node/starting.ts";
export type { Beginning, NodeState } from "./node/state.ts";
export { viewOf } from "./node/view.ts";

/** Take one input at `now`. The effects are in the order in which they must be performed. */
export function step(state: NodeState, input: Input, now: Instant): readonly Effect[] {
  noticeStall(state, input, now);
  if (input.kind === "flush") state.flushes = Math.max(0, state.flushes - 1);
  take(state, input, now);
  if (input.kind === "heartbeat" && followHolder(state, now)) passTime(state, now, true);
  if (state.outbox.length > 0 || state.beatDue !== undefined || state.later.length > 0) {
    if (input.kind !== "flush" && state.effects.some(mustSucceedFirst)) askForFlush(state);
    // Another failure may be on its way before the flush that comes back: what waits for it must not leave earlier.
    else if (state.flushes === 0) flush(state, now);
  }
  const { effects } = state;
  state.effects = [];
  return effects;
}

/** When time alone will have something to do; asked once a turn, it is also what a stall is measured from. */
export function nextDeadline(state: NodeState, now: Instant): Instant {
  let next = earliest(
    state.nextBeat,
    groupsDeadline(state, now),
    failbackDeadline(state, now),
    aloneDeadline(state, now),
    adaptersDeadline(state, now),
  );
  if (state.abstaining) next = earliest(next, state.abstainUntil);
  for (const pending of state.pending) next = earliest(next, pending.until);
  for (const group of state.groups.values()) {
    next = earliest(next, farewellDeadline(group), conflictDeadline(group));
    if (group.offer !== undefined) next = earliest(next, group.offer.until);
  }
  state.expectedBy = next;
  return next;
}

function askForFlush(state: NodeState): void {
  state.flushes += 1;
  state.effects.push({ kind: "flush" });
}

function mustSucceedFirst(effect: Effect): boolean {
  return effect.kind === "arm" || effect.kind === "saveVotes";
}

/** Send what waits; what this node says to itself is taken at once, and may need another round. */
function flush(state: NodeState, now: Instant): void {
  const own = sendOutbox(state, now);
  state.effects.push(...state.later);
  state.later = [];
  for (const entry of own) {
    const group = state.groups.get(entry.group);
    if (group !== undefined) takeLeaseEntry(state, group, state.self.name, undefined, entry, now);
  }
  if (state.outbox.length > 0 || state.later.length > 0) askForFlush(state);
}

function take(state: NodeState, input: Input, now: Instant): void {
  switch (input.kind) {
    case "tick":
      return tick(state, now);
    case "flush":
      return;
    case "heartbeat":
      return receive(state, input, now);
    case "wallClock":
      state.wallOffset_ms = input.offset_ms;
      return;
    case "request":
      return takeRequest(state, input, now);
    case "rejected":
      return countRejected(state, input, now);
    case "interfaceChanged":
      return interfaceChanged(state, input, now);
    case "linkBound":
      return linkBound(state, input.link, input.interface, now);
    case "linkChanged":
      return happened(state, now, {
        code: input.up ? "link-up" : "link-down",
        level: input.up ? "info" : "warning",
        text: `link ${input.link} of ${state.self.name} ${input.up ? "works" : "does not work"}: ${input.detail}`,
      });
    case "trouble":
      return happened(state, now, { code: input.code, level: input.level, text: input.text });
    case "fenceReinstalled":
      return fenceReinstalled(state, input.detail, now);
    case "answered":
      return answered(state, input, now);
    case "reconfigured":
      return reconfigure(state, input, now);
    case "framesCounted":
      return takeFrames(state, input, now);
    case "fitness":
      return takeFitness(state, input, now);
    case "stalled":
      return;
    case "paused":
      return takePause(state, input.for_ms, now);
    case "stop":
      return stop(state, now);
    default:
      return takeForGroup(state, input, now);
  }
}

type GroupInput = Extract<Input, { readonly group: unknown }>;

function takeForGroup(state: NodeState, input: GroupInput, now: Instant): void {
  const group = state.groups.get(input.group);
  if (group === undefined) return;
  switch (input.kind) {
    case "armFailed":
      dropFromOutbox(state, group, ["propose", "nominate"]);
      armFailed(group.lease, input.number);
      return trouble(state, group, "fence-failed", `the fence took no request: ${input.detail}`, now);
    case "saveFailed":
      group.recordUnsaved = true;
      dropFromOutbox(state, group, ["promise", "grant", "released"]);
      return trouble(state, group, "vote-not-saved", `this node's vote was not given: ${input.detail}`, now);
    case "committed": {
      const context = leaseContext(state, group, now);
      committed(group.lease, context, input.number);
      offerAfterCommit(group.lease, context);
      return;
    }
    case "commitRefused":
      return commitRefused(group.lease, input.number);
    case "closed":
      farewellClosed(state, group, true, now);
      fenceClosed(state, group, now);
      return tellEverybody(state);
    case "closeFailed":
      farewellClosed(state, group, false, now);
      closeFailed(group.lease, leaseContext(state, group, now));
      return trouble(state, group, "fence-failed", `the fence did not close, it ends by itself: ${input.detail}`, now);
    case "forwarded":
      forwarded(group.lease, leaseContext(state, group, now));
      return tellEverybody(state);
    case "forwardFailed":
      forwardFailed(group.lease, leaseContext(state, group, now));
      return trouble(state, group, "fence-failed", `the fence does not forward, it closes: ${input.detail}`, now);
    case "relaying":
      return sayReady(state, group, true, now);
    case "relayFailed":
      sayReady(state, group, false, now);
      return trouble(state, group, "fence-failed", `the fence does not relay: ${input.detail}`, now);
    case "addressesPlaced":
      return addressesPlaced(state, group, input.macs, now);
    case "addressesFailed":
      group.addressTrouble = { detail: input.detail, at: now };
      trouble(state, group, "address-failed", `addresses not placed: ${input.detail}`, now);
      return placeGroup(state, group, now);
    case "addressRestored":
      return addressRestored(state, group, input, now);
    case "conflict":
      return addressClaimed(state, group, input, now);
    case "takeoverChecked":
      return takeoverChecked(state, group, input, now);
    default:
      return unreachable(input);
  }
}

function addressesPlaced(state: NodeState, group: Group, macs: readonly Mac[], now: Instant): void {
  group.addressesPlaced = group.addressesWanted;
  group.macs = macs;
  group.addressTrouble = undefined;
  announce(state, group);
  getReady(state, group, now);
}

function addressRestored(
  state: NodeState,
  group: Group,
  input: Extract<Input, { kind: "addressRestored" }>,
  now: Instant,
): void {
  group.addressesRestored += 1;
  happened(state, now, {
    code: "address-restored",
    level: "warning",
    group: group.config.name,
    text: `${input.address} was removed from ${input.interface} of ${state.self.name} by somebody else and put back`,
  });
}

const TROUBLE_TOLD_EVERY_MS = 60_000;

/** What fails at each beat is told once a minute: it must not push everything else out of the histories. */
function trouble(state: NodeState, group: Group, code: string, text: string, now: Instant): void {
  const told = group.troubleTold.get(code);
  if (told?.text === text && between(told.at, now) < TROUBLE_TOLD_EVERY_MS) return;
  group.troubleTold.set(code, { text, at: now });
  happened(state, now, {
    code,
    level: "alarm",
    group: group.config.name,
    text: `${group.config.name} on ${state.self.name}: ${text}`,
  });
}

function dropFromOutbox(state: NodeState, group: Group, kinds: readonly string[]): void {
  state.outbox = state.outbox.filter(({ entry }) => entry.group !== group.config.name || !kinds.includes(entry.kind));
}

function tick(state: NodeState, now: Instant): void {
  const beats = now >= state.nextBeat;
  if (beats) {
    const next = after(state.nextBeat, state.cluster.timing.heartbeat);
    state.nextBeat = next > now ? next : after(now, state.cluster.timing.heartbeat);
  }
  passTime(state, now, beats);
}

/** What time brings, with the regular beat or without; a node that follows a holder's heartbeats may see no tick for long. */
function passTime(state: NodeState, now: Instant, beats: boolean): void {
  if (state.abstaining && now >= state.abstainUntil) state.abstaining = false;
  watchCrashes(state, now);
  watchReluctance(state, now);
  watchPeers(state, now);
  watchAlone(state, now);
  watchAdapters(state, now);
  for (const group of state.groups.values()) {
    tickFarewell(state, group, now);
    tickLease(state, group, now);
    expireOffer(state, group, now);
    expireInherited(state, group, now);
  }
  watchConflicts(state, now);
  expireRequests(state, now);
  if (beats) beat(state, now);
  if (state.stopping) leaveWhenReleased(state, now);
}

/** How long a node whose addresses could not be placed is no candidate: then it may try again. */
const AFTER_TROUBLE_MS = 10_000;

/** The regular interval: every holder renews, every peer hears from us. */
function beat(state: NodeState, now: Instant): void {
  state.lastBeat = now;
  state.beatDue = "regular";
  askReference(state, now);
  tellLater(state, now);
  const alive = liveVoters(state);
  for (const group of state.groups.values()) {
    if (group.addressTrouble !== undefined && between(group.addressTrouble.at, now) >= AFTER_TROUBLE_MS)
      group.addressTrouble = undefined;
    placeGroup(state, group, now);
    followMove(state, group, now);
    beatDrain(state, group, now);
    const context = leaseContext(state, group, now);
    beatHolding(group.lease, context);
    beatEnded(group.lease, context, alive);
  }
  settleRequests(state);
  dropLeft(state);
}

/** Who died, and whether a majority of the voters is left. */
function watchPeers(state: NodeState, now: Instant): void {
  for (const peer of state.peers.values()) {
    if (peer.alive && !isAlive(peer, state.cluster.timing.dead, now)) {
      peer.alive = false;
      peer.aliveSince = undefined;
      peer.deaths.push(now);
      if (peer.deaths.length > 16) peer.deaths.shift();
      const { name } = peer.config;
      const age = Math.round(peerAge(peer, now) ?? 0);
      const said = peer.last?.stopping === true;
      happened(state, now, {
        code: said ? "node-stopped" : "node-dead",
        level: said ? "info" : "alarm",
        text: said ? `${name} has stopped` : `${name} is not heard on any link for ${age} ms`,
      });
      for (const group of state.groups.values()) {
        if (group.owner !== name) continue;
        group.owner = undefined;
        group.ownerSince = undefined;
      }
    }
  }
  const alive = liveVoters(state).length;
  const quorum = alive >= state.majority || state.alone.active;
  if (quorum === state.quorum) return;
  state.quorum = quorum;
  happened(state, now, {
    code: quorum ? "quorum" : "no-quorum",
    level: quorum ? "info" : "alarm",
    text: `${state.self.name} hears ${alive} of ${state.voters.length} voters${votes(state) ? ", itself included" : ""}: ${quorum ? "a majority" : "no majority"}`,
  });
}

/** F7: it was put back closed; whoever holds asks for grants at once. */
function fenceReinstalled(state: NodeState, detail: string, now: Instant): void {
  for (const group of state.groups.values()) {
    const { lease } = group;
    if (lease.state.role !== "holding") continue;
    lease.state.openUntil = now;
    lease.state.lapsed = true;
    forgetRequest(lease.state);
  }
  state.nextBeat = now;
  happened(state, now, {
    code: "fence-reinstalled",
    level: "alarm",
    text: `the fence of ${state.self.name} had vanished and is back, closed: ${detail}`,
  });
}

/** A probe was answered: it may be the search of a node that is left alone, or the watch for strangers. */
function answered(state: NodeState, input: Extract<Input, { kind: "answered" }>, now: Instant): void {
  const group = input.of === undefined ? undefined : state.groups.get(input.of);
  if (group === undefined) heardAnswer(state, input.address, input.interface, now);
  addressAnswered(state, group, input.address, now);
  if (group !== undefined) addressClaimed(state, group, input, now);
}
