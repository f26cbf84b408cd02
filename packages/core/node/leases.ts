/** Joins each group's lease to the rest of the node: what it may know, and what hangs on its outcomes. */
import { aloneIsEnough, isHeldElsewhere, mayHold, searchDeadline, searchFirst } from "./alone.ts";
import { givesWay, peersYield, watchAsOwner } from "./conflicts.ts";
import { happened } from "./events.ts";
import { ineligibility, ownRank } from "./eligibility.ts";
import { bidFarewell, endFarewell } from "./handing-over.ts";
import { abandonMove, continueMove } from "./moves.ts";
import { expirePauses, heldBack, ownedBy } from "./pausing.ts";
import { recordOf } from "./overhearing.ts";
import { type Group, type NodeState, tellEverybody } from "./state.ts";
import { sameHolder } from "../ownership/lease/ballot.ts";
import { tickIdle, tickPreparing, preparingDeadline } from "../ownership/lease/candidate.ts";
import { closed, holdingDeadline, tickClosing, tickHolding } from "../ownership/lease/holder.ts";
import { tickHandOver } from "../ownership/lease/hand-over.ts";
import { becomeIdle, type EndCause, type LeaseContext, type LeaseOutcome } from "../ownership/lease/state.ts";
import { leaseHolder } from "../ownership/lease/voter.ts";
import { peerAge } from "../membership/peer.ts";
import type { InterfaceName, NodeName } from "../units/names.ts";
import { after, between, earliest, instant, type Instant, NEVER } from "../units/time.ts";

export function leaseContext(state: NodeState, group: Group, now: Instant): LeaseContext {
  return {
    now,
    timing: state.cluster.timing,
    voters: state.voters,
    get majority() {
      return aloneIsEnough(state, group, now) ? 1 : state.majority;
    },
    get holds() {
      return mayHold(state, group, now);
    },
    holder: { node: state.self.name, kernel: state.kernel },
    boot: state.boot,
    counters: state.counters,
    random: state.random,
    // Asked for at elections only, and not cheap with many peers.
    get eligible() {
      return ineligibility(state, group) === "";
    },
    get rank() {
      return ownRank(state, group, now);
    },
    macs: group.addressesPlaced ? group.macs : [],
    get record() {
      return recordOf(state, group, now);
    },
    say: (to, entry) => state.outbox.push({ to, entry }),
    effect: (effect) => state.effects.push(effect),
    tell: (outcome) => outcomeOf(state, group, outcome, now),
  };
}

/** Everything about the group's lease that only waits for time. */
export function tickLease(state: NodeState, group: Group, now: Instant): void {
  const { lease } = group;
  const context = leaseContext(state, group, now);
  expirePauses(state, group, now);
  switch (lease.state.role) {
    case "idle":
      // When the pause ends all of them may stand at once: by rank, as at the end of a lease.
      if (heldBack(state, group)) lease.state.ranked = false;
      if (heldBack(state, group) || !canBeElected(state)) return;
      if (givesWay(state, group, now) || !standsNow(state, group, now)) return;
      tickIdle(lease, context);
      if ((lease.state.role as string) === "preparing") stood(state, group, now);
      return;
    case "preparing":
      if (heldBack(state, group)) return becomeIdle(lease, now);
      return tickPreparing(lease, context);
    case "holding":
      tickHolding(lease, context);
      return tickHandOver(lease, context);
    case "closing":
      return tickClosing(lease, context);
  }
}

/** A node that is left alone asks first who answers; only when it would stand at all. */
function standsNow(state: NodeState, group: Group, now: Instant): boolean {
  const { lease } = group;
  if (lease.state.role !== "idle" || now < lease.state.notBefore || ineligibility(state, group) !== "") return true;
  if (isHeldElsewhere(state, group, now)) {
    lease.state.notBefore = after(now, state.cluster.timing.heartbeat / 8);
    return false;
  }
  return searchFirst(state, group, now);
}

/**
 * Whether a majority can answer at all: nodes of an earlier generation do not (V3). Standing without one wins nothing, and
 * what the own voter promises to it is in the way of an owner who comes over from the generation before.
 */
export function canBeElected(state: NodeState): boolean {
  let behind = 0;
  for (const voter of state.voters) {
    const peer = state.peers.get(voter);
    if (peer?.alive === true && peer.last !== undefined && peer.last.generation < state.cluster.generation) behind += 1;
  }
  return state.voters.length - behind >= state.majority;
}

export function leaseDeadline(state: NodeState, group: Group, now: Instant): Instant {
  const current = group.lease.state;
  switch (current.role) {
    case "idle": {
      if (heldBack(state, group)) return group.pause.until ?? NEVER;
      if (ineligibility(state, group) !== "" || !canBeElected(state) || peersYield(state, group, now)) return NEVER;
      const record = recordOf(state, group, now);
      const holder = leaseHolder(record, now);
      // A lease of this kernel is no obstacle (C10).
      const heldByOther = holder !== undefined && !sameHolder(holder, { node: state.self.name, kernel: state.kernel });
      const over = heldByOther ? instant(record.accepted?.expires ?? now) : now;
      const search = searchDeadline(state, group);
      return instant(Math.max(current.notBefore, over, search === NEVER ? now : search));
    }
    case "preparing":
      return preparingDeadline(current, state.cluster.timing);
    case "holding":
      return holdingDeadline(current, state.cluster.timing);
    case "closing":
      return current.certainAt ?? NEVER;
  }
}

/** Why this node stood, in words that `why` prints. */
function stood(state: NodeState, group: Group, now: Instant): void {
  const before = recordOf(state, group, now).accepted?.holder.node;
  const peer = before === undefined ? undefined : state.peers.get(before);
  endFarewell(state, group);
  group.marks = { lastHeardOfOwner: undefined, stoodAt: now, electedAt: undefined };
  if (before === state.self.name) {
    group.cause = `${before} held it before its daemon restarted`;
  } else if (before === undefined || peer === undefined) {
    group.cause = group.owner === undefined ? "nobody held it" : `${group.owner} released it`;
  } else {
    const age = peerAge(peer, now);
    const heard = age === undefined ? "never heard" : `last heard ${Math.round(age)} ms ago`;
    if (age !== undefined) group.marks.lastHeardOfOwner = instant(now - age);
    group.cause = `the lease of ${before} was over without a renewal (${before} ${heard})`;
  }
}

function outcomeOf(state: NodeState, group: Group, outcome: LeaseOutcome, now: Instant): void {
  switch (outcome.kind) {
    case "elected":
      group.marks.electedAt = now;
      wantAddresses(state, group, true);
      return;
    case "opened":
      return opened(state, group, outcome.first, now);
    case "forwarding":
      handedOver(state, group, outcome.forwarding.successor, now);
      return bidFarewell(state, group, outcome.forwarding, now);
    case "lapsed":
      group.announcedTerm = undefined;
      state.effects.push({ kind: "stopAnnouncing", group: group.config.name });
      return happened(state, now, {
        code: "group-lost",
        level: "alarm",
        group: group.config.name,
        text: `${group.config.name}: no majority renewed the lease in time, ${state.self.name} answers no more; still asking`,
      });
    case "ended":
      return ended(state, group, outcome.why, outcome.successor, now);
    case "handOverFailed":
      group.move?.tried.add(outcome.successor);
      return continueMove(state, group, outcome.why, now);
  }
}

/** Desired state of the addresses; performed after the messages of the same turn have left. */
export function wantAddresses(state: NodeState, group: Group, wanted: boolean): void {
  group.addressesWanted = wanted;
  if (!wanted) group.addressesPlaced = false;
  const adapters = group.segments.map((segment) => segment.adapters[segment.inUse] as InterfaceName);
  state.later.push({ kind: "placeAddresses", group: group.config.name, wanted, adapters });
}

/** The old owner's fence ends in whole ticks of its kernel, and late by at most one more. */
const PASSED_ON_SLACK_MS = 20;

function opened(state: NodeState, group: Group, first: boolean, now: Instant): void {
  const { lease, config, marks } = group;
  if (lease.state.role !== "holding") return;
  if (first) group.passedOnUntil = group.relayUntil && after(now, state.cluster.timing.keep + PASSED_ON_SLACK_MS);
  // F5: the first commit ended it.
  group.relayUntil = undefined;
  group.owner = state.self.name;
  ownedBy(state, group, state.self.name, now);
  if (first) {
    group.ownerSince = now;
    watchAsOwner(group, now);
  }
  group.announcedTerm = lease.state.ballot.round;
  if (group.addressesPlaced) announce(state, group);
  tellEverybody(state);
  if (!first) {
    happened(state, now, {
      code: "group-regained",
      group: config.name,
      text: `${config.name}: a majority renewed the lease again, ${state.self.name} answers`,
    });
    return;
  }
  const detectedAt = marks.stoodAt ?? marks.electedAt ?? now;
  const phases: Record<string, number> = {
    detect: round(between(marks.lastHeardOfOwner ?? detectedAt, detectedAt)),
    elect: round(between(detectedAt, marks.electedAt ?? now)),
    claim: round(between(marks.electedAt ?? now, now)),
  };
  const voters = [...lease.state.grants].join(" ");
  happened(state, now, {
    code: "group-owned",
    group: config.name,
    text: `${config.name} is on ${state.self.name}, term ${lease.state.ballot.round}, votes ${voters}: ${group.cause}`,
    phases,
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The fence is open and the addresses are in place: tell the neighbours. */
export function announce(state: NodeState, group: Group): void {
  if (group.announcedTerm === undefined) return;
  const { announcedTerm: term, passedOnUntil, config } = group;
  const proves = passedOnUntil === undefined ? {} : { provesFrom: passedOnUntil };
  state.effects.push({ kind: "announce", group: config.name, term, ...proves });
}

function ended(state: NodeState, group: Group, why: EndCause, successor: NodeName | undefined, now: Instant): void {
  const { name } = group.config;
  const wasOpen = group.announcedTerm !== undefined;
  wantAddresses(state, group, false);
  if (why === "handed-over" && successor !== undefined) return handedOver(state, group, successor, now);
  ownsNoLonger(state, group);
  if (wasOpen || why === "no-majority") {
    const reason =
      why === "no-majority"
        ? "no majority of the voters for too long"
        : (group.move?.cause ?? (state.unfit.size > 0 ? "it is not fit to own anything" : why));
    group.cause = `${state.self.name} released it: ${reason}`;
    happened(state, now, {
      code: "group-released",
      level: "warning",
      group: name,
      text: `${name} released by ${state.self.name}: ${reason}`,
    });
  }
  if (why === "no-majority" || why === "not-elected") abandonMove(state, group);
}

function ownsNoLonger(state: NodeState, group: Group): void {
  group.announcedTerm = undefined;
  state.effects.push({ kind: "stopAnnouncing", group: group.config.name });
  if (group.owner !== state.self.name) return;
  group.owner = undefined;
  group.ownerSince = undefined;
}

function handedOver(state: NodeState, group: Group, successor: NodeName, now: Instant): void {
  const { name } = group.config;
  ownsNoLonger(state, group);
  const cause = group.move?.cause ?? "a planned move";
  if (group.move !== undefined) group.move = { ...group.move, handedTo: successor };
  group.settledAt = now;
  group.cause = `${state.self.name} handed it to ${successor}: ${cause}`;
  happened(state, now, { code: "group-moved", group: name, text: `${name} handed to ${successor}: ${cause}` });
}

/** The kernel confirmed a close: what was waiting for it goes out. */
export function fenceClosed(state: NodeState, group: Group, now: Instant): void {
  closed(group.lease, leaseContext(state, group, now));
}

export function groupsDeadline(state: NodeState, now: Instant): Instant {
  let next = NEVER;
  for (const group of state.groups.values()) next = earliest(next, leaseDeadline(state, group, now));
  return next;
}
