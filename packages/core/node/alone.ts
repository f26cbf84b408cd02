/**
 * Going on without a majority (ownership.md Q1 to Q3), for those who asked for it: `quorum: available`, where one of two
 * voters may count its own grant as enough, and `on_quorum_loss: hold`, where an owner keeps what it has. Neither is
 * covered by invariant 1: in a cut of all links in which both reach the reference and not each other, two nodes own.
 */
import { announce, leaseContext } from "./leases.ts";
import { happened } from "./events.ts";
import type { Group, NodeState } from "./state.ts";
import { isAlive, type Peer, peerAge } from "../membership/peer.ts";
import { type Ballot, compareBallots } from "../ownership/lease/ballot.ts";
import { endHolding } from "../ownership/lease/holder.ts";
import type { IpAddress } from "../units/ip.ts";
import { after, between, type Instant, type Milliseconds, milliseconds, NEVER } from "../units/time.ts";

/** Mutable: what a node of two voters knows of being left alone. */
export interface Alone {
  /** Its own grant is enough, as long as the reference answers. */
  active: boolean;
  /** When a reference address answered last. */
  answeredAt: Instant | undefined;
}

/** Mutable: whether anybody answers for the addresses of a group that this node would take over alone. */
export interface Search {
  /** Probes sent for each address. */
  sent: number;
  /** When the next is due, or when the silence after the last counts. */
  nextAt: Instant;
  answered: boolean;
}

const PROBES = 3;
/** The rates of two clocks (ownership.md section 8). */
const CLOCK_MARGIN = 1.02;

function isAvailable(state: NodeState): boolean {
  return state.cluster.quorum === "available";
}

/** Each beat in which nothing is heard: does the reference answer? */
export function askReference(state: NodeState, now: Instant): void {
  if (!isAvailable(state)) return;
  const silent = (silence(state, now) ?? 0) >= state.cluster.timing.heartbeat;
  if (silent || state.alone.active)
    state.effects.push({ kind: "probe", of: undefined, addresses: state.cluster.reference ?? [] });
}

/** How long the other of two is silent; undefined without one. */
function silence(state: NodeState, now: Instant): Milliseconds | undefined {
  const [peer] = state.peers.values();
  if (peer === undefined) return undefined;
  const proven = peerAge(peer, now) ?? between(state.startedAt, now);
  // A daemon that does not know this one yet is there all the same.
  const asked = peer.candidateAnsweredAt;
  return asked === undefined ? proven : milliseconds(Math.min(proven, between(asked, now)));
}

/** Each tick: the other is silent for long enough, and the reference answers. What is held is asked for at once. */
export function watchAlone(state: NodeState, now: Instant): void {
  const { alone } = state;
  if (!isAvailable(state)) {
    alone.active = false;
    return;
  }
  const silent_ms = silence(state, now);
  const [peer] = state.peers.values();
  if (alone.active || peer === undefined || silent_ms === undefined) return;
  if (silent_ms < CLOCK_MARGIN * state.cluster.timing.dead || !referenceAnswers(state, now)) return;
  alone.active = true;
  state.nextBeat = now;
  happened(state, now, {
    code: "alone",
    level: "alarm",
    text: `${state.self.name} goes on alone: ${peer.config.name} is silent for ${Math.round(silent_ms)} ms and a reference answers`,
  });
}

export function aloneDeadline(state: NodeState, now: Instant): Instant {
  const silent_ms = isAvailable(state) && !state.alone.active ? silence(state, now) : undefined;
  if (silent_ms === undefined) return NEVER;
  const at = after(now, CLOCK_MARGIN * state.cluster.timing.dead - silent_ms);
  // Later it is the reference that is missing: its answer comes as an input.
  return at > now || referenceAnswers(state, now) ? at : NEVER;
}

function referenceAnswers(state: NodeState, now: Instant): boolean {
  const { answeredAt } = state.alone;
  return answeredAt !== undefined && between(answeredAt, now) < state.cluster.timing.dead;
}

/** Q2: the other voter's grant ends it; that it is heard does not, for it may abstain for a while. */
export function peerGranted(state: NodeState, now: Instant): void {
  if (!state.alone.active) return;
  state.alone.active = false;
  happened(state, now, { code: "alone-over", text: `${state.self.name} has a majority again` });
}

/** What a probe brought: an address of the reference, or of a group, is somebody's. */
export function addressAnswered(state: NodeState, group: Group | undefined, address: IpAddress, now: Instant): void {
  if (group === undefined) {
    if (state.cluster.reference?.includes(address) === true) state.alone.answeredAt = now;
    return;
  }
  const { search } = group;
  if (search === undefined || search.answered) return;
  search.answered = true;
  search.nextAt = after(now, state.cluster.timing.dead);
  happened(state, now, {
    code: "address-answered",
    level: "alarm",
    group: group.config.name,
    text: `somebody answers for ${address}: ${state.self.name} does not take ${group.config.name} over alone`,
  });
}

/**
 * Q1: this node's own grant is enough for the group now. An owner need not ask who else answers, and Q2 is for it alone: who
 * would take a group over hears nothing of the other.
 */
export function aloneIsEnough(state: NodeState, group: Group, now: Instant): boolean {
  if (!state.alone.active || !referenceAnswers(state, now)) return false;
  const { lease } = group;
  if (lease.state.role === "holding" && !lease.state.first) return true;
  if (!isDeserted(state, now)) return false;
  const { accepted } = group.record;
  const margin = (CLOCK_MARGIN - 1) * state.cluster.timing.dead;
  const given = accepted !== undefined && accepted.holder.node !== state.self.name;
  if (given && now < accepted.expires + margin) return false;
  return isSearched(state, group.search, now);
}

/** Nothing was heard of the other for longer than any lease given to it lasts. */
function isDeserted(state: NodeState, now: Instant): boolean {
  return (silence(state, now) ?? 0) >= CLOCK_MARGIN * state.cluster.timing.dead;
}

function isSearched(state: NodeState, search: Search | undefined, now: Instant): boolean {
  if (search === undefined || search.sent < PROBES || search.answered) return false;
  return now >= search.nextAt && !isStale(state, search, now);
}

/** Whoever did not answer then may answer now. */
function isStale(state: NodeState, { nextAt }: Search, now: Instant): boolean {
  return now >= after(nextAt, state.cluster.timing.dead);
}

/** Before an idle node stands alone: three probes, an interval's quarter apart. True when it may stand, alone or not. */
export function searchFirst(state: NodeState, group: Group, now: Instant): boolean {
  if (!state.alone.active || !isDeserted(state, now)) {
    group.search = undefined;
    return true;
  }
  const { heartbeat } = state.cluster.timing;
  const answered = group.search?.answered === true && now >= group.search.nextAt;
  const over = answered || (group.search !== undefined && isStale(state, group.search, now));
  // An owner that is left alone by the same cut is dark until its own grant counts: by then it answers again.
  if (group.search === undefined || over)
    group.search = { sent: 0, nextAt: after(now, 1.25 * heartbeat), answered: false };
  const { search } = group;
  if (search.answered || now < search.nextAt) return false;
  if (search.sent >= PROBES) return true;
  search.sent += 1;
  search.nextAt = after(now, heartbeat / 4);
  const addresses = group.config.addresses.map(({ address }) => address);
  state.effects.push({ kind: "probe", of: group.config.name, addresses });
  return false;
}

export function searchDeadline(state: NodeState, group: Group): Instant {
  return state.alone.active ? (group.search?.nextAt ?? NEVER) : NEVER;
}

/** `on_quorum_loss: hold`: somebody who is heard answers for the group, with a majority or without: nobody stands beside it. */
export function isHeldElsewhere(state: NodeState, group: Group, now: Instant): boolean {
  if (group.config.onQuorumLoss !== "hold") return false;
  for (const peer of state.peers.values()) {
    if (peer.groups.get(group.config.name)?.fence !== "open") continue;
    if (isAlive(peer, state.cluster.timing.dead, now)) return true;
  }
  return false;
}

/** `on_quorum_loss: hold`: nobody else is known to claim the group, and no voter to have given it to another. */
export function mayHold(state: NodeState, group: Group, now: Instant): boolean {
  if (group.config.onQuorumLoss !== "hold" || group.leaving) return false;
  for (const peer of state.peers.values()) {
    const report = isAlive(peer, state.cluster.timing.dead, now) ? peer.groups.get(group.config.name) : undefined;
    if (report === undefined) continue;
    if (report.fence !== "closed" || (report.owner !== undefined && report.owner !== state.self.name)) return false;
  }
  return true;
}

/**
 * Q2: two nodes claim the group. Of two that are alone the lower ballot closes in this turn, the other says again whose it
 * is; whoever only holds gives way to any other.
 */
export function settleClaims(
  state: NodeState,
  group: Group,
  peer: Peer,
  theirs: Ballot | undefined,
  now: Instant,
): void {
  const { lease, config } = group;
  if (!isAvailable(state) && config.onQuorumLoss !== "hold") return;
  if (lease.state.role !== "holding" || lease.state.first || theirs === undefined) return;
  // Its voter's record still names us: its fence is not opened by that lease.
  if (theirs.node === state.self.name) return;
  const later = compareBallots(lease.state.ballot, theirs) > 0;
  if (!lease.state.alone || (isAvailable(state) && later)) return announce(state, group);
  happened(state, now, {
    code: "claims-settled",
    level: "alarm",
    group: config.name,
    text: `${peer.config.name} owns ${config.name} too: ${state.self.name}, which was alone, closes`,
  });
  endHolding(lease, leaseContext(state, group, now), "no-majority", after(now, state.cluster.timing.dead));
}
