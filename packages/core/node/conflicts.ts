/**
 * Somebody else uses an address of a group (requirement A9; RFC 5227 sections 2.1 and 2.4, RFC 4862 section 5.4).
 *
 * All who may own a group ask rarely and all the time who answers for its addresses, so that a take-over knows without
 * asking. While an owner is known its answers are expected, and only the owner can tell a stranger's from its own; while
 * none is known every answer is a stranger's.
 */
import { happened } from "./events.ts";
import { announce } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { recordOf } from "./overhearing.ts";
import { type Group, type NodeState, tellEverybody } from "./state.ts";
import type { Input } from "../effects.ts";
import { isAlive } from "../membership/peer.ts";
import { leaseHolder } from "../ownership/lease/voter.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { InterfaceName, NodeName } from "../units/names.ts";
import { after, between, earliest, type Instant, NEVER } from "../units/time.ts";

/** RFC 5227 section 1.1: the least time between two defences of an address. */
export const DEFEND_INTERVAL_MS = 10_000;
/** A station that claims the address so long after it was defended keeps it: who obeys the RFC has given it up by then. */
export const KEPT_AFTER_MS = 1000;
/** When nothing is wrong; the nodes take turns. */
export const PROBE_EVERY_MS = 30_000;
/** While somebody else has an address, or lately had. */
export const SUSPICIOUS_EVERY_MS = 1000;
/** Probes in a row without a sign of the stranger: it is gone. */
const SILENT_PROBES = 3;
/** At the start, within the time for which nobody stands anyway (`dead`): a first claim waits for no probe. */
const FIRST_PROBES = 3;
/** Addresses in one turn of the loop, and how long it is left to others then. */
const PROBED_A_TURN = 64;
const BREATH_MS = 5;
/** Answers to one probe come within this. */
const ANSWERS_WITHIN_MS = 1000;
/** Sent by the owner before this one, still on its way; or by the next one, which has not said so yet. */
const LATE_MS = 200;
const TOLD_EVERY_MS = 60_000;

/** Mutable: a station that claims an address of the group and is none of this cluster's, as far as is known. */
export interface Stranger {
  mac: Mac;
  interface: InterfaceName;
  /** The cluster's node that it is of after all: that one should be silent. */
  node: NodeName | undefined;
  count: number;
  readonly firstAt: Instant;
  /** It went on after it could know better. */
  kept: boolean;
  toldAt: Instant | undefined;
  /** Probes since it was heard last. */
  silent: number;
}

/** Mutable: one for each group. */
export interface Conflicts {
  readonly strangers: Map<IpAddress, Stranger>;
  defendedAt: Instant | undefined;
  /** It was claimed again too soon after the last defence. */
  defenceOwed: boolean;
  probeAt: Instant;
  /** Rounds that are complete, and addresses of the group that were asked for in the one under way. */
  probes: number;
  asked: number;
  /** `on_conflict: yield`: nobody of the cluster owns the group while a stranger is there. */
  yielded: boolean;
  /** Who answered a standby's last probe as one would expect of the owner. */
  readonly answers: Map<IpAddress, Answer>;
  /** Two stations did so; and in how many rounds in a row. */
  twoAnswered: boolean;
  twice: number;
  twiceToldAt: Instant | undefined;
}

export function newConflicts(now: Instant): Conflicts {
  return {
    strangers: new Map(),
    defendedAt: undefined,
    defenceOwed: false,
    probeAt: now,
    probes: 0,
    asked: 0,
    yielded: false,
    answers: new Map(),
    twoAnswered: false,
    twice: 0,
    twiceToldAt: undefined,
  };
}

interface Answer {
  readonly mac: Mac;
  readonly owner: NodeName | undefined;
  readonly at: Instant;
}

type Claim = Omit<Extract<Input, { kind: "conflict" }>, "kind" | "group">;

/** Somebody else claims an address that this node announces, or answered a probe. */
export function addressClaimed(state: NodeState, group: Group, claim: Claim, now: Instant): void {
  if (!group.config.addresses.some(({ address }) => address === claim.address)) return;
  if (group.announcedTerm !== undefined) return claimedFromOwner(state, group, claim, now);
  // Alone, a node looks for an owner before it stands; what it finds is the owner (Q1).
  if (state.alone.active) return;
  if (isOwnerKnown(state, group, now) === true) return answeredBesideOwner(state, group, claim, now);
  const stranger = note(group, claim, now);
  stranger.kept = true;
  if (isOwnerKnown(state, group, now) === false && isCertain(state, group, now)) judge(state, group, now);
}

function note(group: Group, claim: Claim, now: Instant): Stranger {
  const { strangers } = group.conflicts;
  const known = strangers.get(claim.address);
  const { mac, interface: on, node, count = 1 } = claim;
  group.conflicts.probeAt = earliest(group.conflicts.probeAt, after(now, SUSPICIOUS_EVERY_MS));
  if (known !== undefined) {
    Object.assign(known, { mac, interface: on, node, count: known.count + count, silent: 0 });
    return known;
  }
  const stranger: Stranger = {
    mac,
    interface: on,
    node,
    count,
    firstAt: now,
    kept: false,
    toldAt: undefined,
    silent: 0,
  };
  strangers.set(claim.address, stranger);
  return stranger;
}

function claimedFromOwner(state: NodeState, group: Group, claim: Claim, now: Instant): void {
  const { conflicts, config, ownerSince } = group;
  if (ownerSince !== undefined && between(ownerSince, now) < LATE_MS) return;
  const stranger = note(group, claim, now);
  const policy = config.onConflict ?? "defend";
  if (policy !== "alarm") defend(state, group, now);
  if (!stranger.kept && between(stranger.firstAt, now) >= KEPT_AFTER_MS) {
    stranger.kept = true;
    stranger.toldAt = undefined;
  }
  const gives = policy === "yield" && stranger.kept && stranger.node === undefined;
  const said = {
    defend: "announced it again",
    yield: "announced it again",
    alarm: "does nothing (on_conflict: alarm)",
  }[policy];
  const doing = gives ? `gives ${config.name} up` : `owns it and ${said}`;
  tell(state, group, claim.address, stranger, `${state.self.name} ${doing}`, now);
  if (!gives) return;
  conflicts.yielded = true;
  happened(state, now, {
    code: "group-yielded",
    level: "alarm",
    group: config.name,
    text: `${config.name} is given up on all nodes while ${stranger.mac} keeps ${claim.address} (on_conflict: yield)`,
  });
  placeGroup(state, group, now);
}

/** RFC 5227 section 2.4 (c): at most once in DEFEND_INTERVAL, then as soon as that is over. */
function defend(state: NodeState, group: Group, now: Instant): void {
  const { conflicts } = group;
  const { defendedAt } = conflicts;
  conflicts.defenceOwed = defendedAt !== undefined && between(defendedAt, now) < DEFEND_INTERVAL_MS;
  if (conflicts.defenceOwed) return;
  conflicts.defendedAt = now;
  announce(state, group);
}

/** Two stations answer one probe of a standby: one of them is the owner. Told when it is so in two probes in a row. */
function answeredBesideOwner(state: NodeState, group: Group, claim: Claim, now: Instant): void {
  const { conflicts, ownerSince, owner } = group;
  if (ownerSince === undefined || between(ownerSince, now) < KEPT_AFTER_MS) return;
  const first = conflicts.answers.get(claim.address);
  if (first === undefined || first.owner !== owner || between(first.at, now) > ANSWERS_WITHIN_MS) {
    conflicts.answers.set(claim.address, { mac: claim.mac, owner, at: now });
    return;
  }
  if (first.mac === claim.mac) return;
  if (!conflicts.twoAnswered) conflicts.twice += 1;
  conflicts.twoAnswered = true;
  conflicts.probeAt = earliest(conflicts.probeAt, after(now, SUSPICIOUS_EVERY_MS));
  if (conflicts.twice < 2) return;
  const { twiceToldAt } = conflicts;
  if (twiceToldAt !== undefined && between(twiceToldAt, now) < TOLD_EVERY_MS) return;
  conflicts.twiceToldAt = now;
  happened(state, now, {
    code: "address-conflict",
    level: "alarm",
    group: group.config.name,
    text: `${first.mac} and ${claim.mac} both claim ${claim.address} on ${claim.interface} of ${state.self.name}; ${owner} owns it`,
  });
}

function tell(
  state: NodeState,
  group: Group,
  address: IpAddress,
  stranger: Stranger,
  doing: string,
  now: Instant,
): void {
  const { toldAt, kept, mac, node, count, firstAt } = stranger;
  if (toldAt !== undefined && between(toldAt, now) < TOLD_EVERY_MS) return;
  stranger.toldAt = now;
  const of = node === undefined ? "" : ` (${node})`;
  const since = Math.round(between(firstAt, now) / 1000);
  const how = kept && count > 1 ? `keeps ${address}, ${count} times in ${since} s,` : `claims ${address}`;
  happened(state, now, {
    code: "address-conflict",
    level: "alarm",
    group: group.config.name,
    text: `${mac}${of} ${how} on ${stranger.interface}: ${doing}`,
  });
}

/** It may be a new owner whose heartbeat is later than its announcement, or lost. */
function isCertain({ quorum }: NodeState, { conflicts }: Group, now: Instant): boolean {
  return quorum && [...conflicts.strangers.values()].some(({ firstAt }) => between(firstAt, now) >= LATE_MS);
}

/** Nobody of the cluster has it: whoever answers is a stranger. */
function judge(state: NodeState, group: Group, now: Instant): void {
  const { config, conflicts } = group;
  const yields = config.onConflict === "yield";
  for (const [address, stranger] of conflicts.strangers) {
    const doing = yields
      ? `${state.self.name} does not take ${config.name} (on_conflict: yield)`
      : `nobody owns ${config.name} now`;
    tell(state, group, address, stranger, doing, now);
  }
  if (!yields || conflicts.yielded) return;
  conflicts.yielded = true;
  tellEverybody(state);
}

/** Whether a node of the cluster has it, or may have it; undefined: a live node has not said yet. */
function isOwnerKnown(state: NodeState, group: Group, now: Instant): boolean | undefined {
  if (group.lease.state.role === "holding" || group.relayUntil !== undefined || group.farewell !== undefined)
    return true;
  if (leaseHolder(recordOf(state, group, now), now) !== undefined) return true;
  let allSaid = true;
  for (const peer of state.peers.values()) {
    if (!isAlive(peer, state.cluster.timing.dead, now)) continue;
    const report = peer.groups.get(group.config.name);
    if (report === undefined) allSaid = false;
    else if (report.fence !== "closed" || report.remaining_ms > 0) return true;
  }
  return allSaid ? false : undefined;
}

/** With each tick: the next probe, a defence that had to wait, and strangers that have gone. */
export function watchConflicts(state: NodeState, now: Instant): void {
  let room = PROBED_A_TURN;
  for (const group of state.groups.values()) {
    const { conflicts } = group;
    if (conflicts.defenceOwed && now >= defenceAt(conflicts)) payDefence(state, group, now);
    if (now >= conflicts.probeAt) room -= probe(state, group, room, now);
  }
}

function payDefence(state: NodeState, group: Group, now: Instant): void {
  group.conflicts.defenceOwed = false;
  if (group.announcedTerm === undefined) return;
  group.conflicts.defendedAt = now;
  announce(state, group);
}

/** Asks for as many of the group's addresses as there is room for in this turn; how many. */
function probe(state: NodeState, group: Group, room: number, now: Instant): number {
  const { conflicts, config } = group;
  const { addresses } = config;
  if (conflicts.asked === 0) beginRound(state, group, now);
  const some = addresses.slice(conflicts.asked, conflicts.asked + Math.max(0, room)).map(({ address }) => address);
  conflicts.asked += some.length;
  if (conflicts.asked < addresses.length) conflicts.probeAt = after(now, BREATH_MS);
  else {
    conflicts.asked = 0;
    conflicts.probes += 1;
    const suspicious = conflicts.strangers.size > 0 || conflicts.twice > 0 || peersYield(state, group, now);
    conflicts.probeAt = after(now, suspicious ? SUSPICIOUS_EVERY_MS : pauseAfter(state, conflicts.probes));
  }
  if (some.length === 0 || group.segments.length === 0 || group.leaving || state.stopping) return 0;
  // Not in front of what others wait for.
  state.later.push({ kind: "probe", of: config.name, addresses: some });
  return some.length;
}

function beginRound(state: NodeState, group: Group, now: Instant): void {
  const { conflicts } = group;
  const { strangers } = conflicts;
  if (group.announcedTerm === undefined && strangers.size > 0 && isOwnerKnown(state, group, now) === true)
    leaveToOwner(state, group, now);
  for (const [address, stranger] of strangers) {
    stranger.silent += 1;
    if (stranger.silent > SILENT_PROBES) gone(state, group, address, stranger, now);
  }
  if (strangers.size === 0) conflicts.yielded = false;
  if (!conflicts.twoAnswered) onlyOneAnswers(state, group, now);
  conflicts.twoAnswered = false;
  conflicts.answers.clear();
}

/** The first ones soon after each other; then each node at its own time of the interval. */
function pauseAfter(state: NodeState, probes: number): number {
  if (probes < FIRST_PROBES) return state.cluster.timing.dead / FIRST_PROBES;
  if (probes > FIRST_PROBES) return PROBE_EVERY_MS;
  const { nodes } = state.cluster;
  const place = nodes.findIndex(({ name }) => name === state.self.name);
  return (PROBE_EVERY_MS * (place + 1)) / nodes.length;
}

/** What was found while nobody owned the group. */
function leaveToOwner(state: NodeState, group: Group, now: Instant): void {
  const { strangers } = group.conflicts;
  const told = [...strangers.values()].some(({ toldAt }) => toldAt !== undefined);
  strangers.clear();
  if (told) over(state, group, `${group.config.name} has an owner: ${state.self.name} leaves the stranger to it`, now);
}

function onlyOneAnswers(state: NodeState, group: Group, now: Instant): void {
  const { conflicts, config } = group;
  conflicts.twice = 0;
  if (conflicts.twiceToldAt === undefined) return;
  conflicts.twiceToldAt = undefined;
  over(
    state,
    group,
    `one station alone claims an address of ${config.name} again, as far as ${state.self.name} hears`,
    now,
  );
}

function over(state: NodeState, group: Group, text: string, now: Instant): void {
  happened(state, now, { code: "address-conflict-over", group: group.config.name, text });
}

function gone(state: NodeState, group: Group, address: IpAddress, stranger: Stranger, now: Instant): void {
  const { strangers } = group.conflicts;
  strangers.delete(address);
  if (stranger.toldAt === undefined || strangers.size > 0) return;
  const { name } = group.config;
  const others = group.config.addresses.length > 1 ? `, nor anybody another address of ${name}` : "";
  over(state, group, `${stranger.mac} claims ${address} no more${others}, as far as ${state.self.name} hears`, now);
}

/** This node has just become the owner: what it knows of a stranger it asks for again. */
export function watchAsOwner(group: Group, now: Instant): void {
  const { conflicts } = group;
  conflicts.defendedAt = undefined;
  conflicts.defenceOwed = false;
  conflicts.probeAt = earliest(conflicts.probeAt, after(now, KEPT_AFTER_MS));
  for (const stranger of conflicts.strangers.values()) stranger.toldAt = undefined;
}

/** `on_conflict: yield`: nobody stands while a stranger is there. */
export function givesWay(state: NodeState, group: Group, now: Instant): boolean {
  const { conflicts, config } = group;
  if (config.onConflict !== "yield") return false;
  // Found before there was a majority; a daemon that starts may have heard the owner itself.
  if (isCertain(state, group, now) && isOwnerKnown(state, group, now) === false) judge(state, group, now);
  return conflicts.yielded || peersYield(state, group, now);
}

/** Another configuration: what it adds is asked for soon. */
export function askAgain(group: Group, now: Instant): void {
  const { conflicts, config } = group;
  for (const address of conflicts.strangers.keys())
    if (!config.addresses.some((each) => each.address === address)) conflicts.strangers.delete(address);
  conflicts.probes = 0;
  conflicts.asked = 0;
  conflicts.probeAt = now;
}

/** Another node has a stranger's answer for it (`on_conflict: yield`): its own probes decide when that is over. */
export function peersYield(state: NodeState, group: Group, now: Instant): boolean {
  if (group.config.onConflict !== "yield") return false;
  for (const peer of state.peers.values()) {
    const report = peer.groups.get(group.config.name);
    if (report?.ineligible === "yielded" && isAlive(peer, state.cluster.timing.dead, now)) return true;
  }
  return false;
}

function defenceAt({ defendedAt }: Conflicts): Instant {
  return defendedAt === undefined ? NEVER : after(defendedAt, DEFEND_INTERVAL_MS);
}

export function conflictDeadline({ conflicts }: Group): Instant {
  return conflicts.defenceOwed ? earliest(conflicts.probeAt, defenceAt(conflicts)) : conflicts.probeAt;
}
