/** Takes a heartbeat in: who it is from and whether that is proven, how it was heard, then everything it carries. */
import { hearAdapters, heardOnLink } from "./adapters.ts";
import { settleClaims } from "./alone.ts";
import { happened, takeEvents } from "./events.ts";
import { leaseContext } from "./leases.ts";
import { followMove } from "./moves.ts";
import { canWait } from "./narrow-links.ts";
import { hearPause, ownedBy } from "./pausing.ts";
import { overhear, votes } from "./overhearing.ts";
import { hearOutcomes } from "./requests.ts";
import { isTwin, noticeNonsense, stranger, tellNonsense } from "./impostors.ts";
import { sendExtra } from "./sending.ts";
import { hearRequests } from "./serving.ts";
import type { Group, NodeState } from "./state.ts";
import { saysEverything } from "./thinning.ts";
import { takeLeaseEntry, unknownHolding } from "./voting.ts";
import { keepHeardReports } from "../membership/heard-reports.ts";
import { advance, countMessage, type Hearing, heard } from "../membership/hearing.ts";
import { adoptBoot, firstCopy, isFormerBoot, type Peer, whenSent } from "../membership/peer.ts";
import { ROUND_MAX } from "../ownership/lease/ballot.ts";
import type { Input } from "../effects.ts";
import type { GroupReport, Heartbeat, HeardReport, LeaseEntry } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { between, earliest, type Instant } from "../units/time.ts";

/** Messages may overtake each other by this many before they count as lost. */
const REORDER = 2;
/** What a node asks of another at once (requests.ts) is bounded, and so is what is remembered of it. */
const REQUESTS_MAX = 64;
/**
 * Rounds are made one at a time, and 32 bits are enough for a hundred years of them, unless one damaged message uses them
 * up: whoever took its round could never go above it. What is further ahead than this is not taken, but moves this node's
 * own round half as far, so that one that has just started comes to where the others are.
 */
const ROUND_LEAP = 2 ** 24;

export function receive(state: NodeState, input: Extract<Input, { kind: "heartbeat" }>, now: Instant): void {
  const { link, heartbeat } = input;
  const peer = state.peers.get(heartbeat.node);
  const hearing = peer?.links.get(link);
  if (peer === undefined && isElsewhere(state, heartbeat.node)) return;
  if (peer === undefined || hearing === undefined) return stranger(state, input, now);
  if (isTwin(state, peer, input, now)) return;
  if (!isFormerBoot(peer, heartbeat.boot, state.cluster.timing.dead, now)) peer.speaks = heartbeat.speaks;
  heardOnLink(state, link, now);
  if (heartbeat.toBoot !== state.boot) {
    // Sent to the daemon before us; lost it is not.
    if (heartbeat.boot === peer.boot) countMessage(hearing, heartbeat.message);
    return introduce(state, peer, heartbeat, now);
  }
  if (isFormerBoot(peer, heartbeat.boot, state.cluster.timing.dead, now)) return;
  if (heartbeat.boot !== peer.boot) {
    adoptBoot(peer, heartbeat.boot, heartbeat.kernel);
    compareConfiguration(state, peer, heartbeat, now);
    askAnew(state, now);
  }
  peer.source ??= input.source;
  noticeNonsense(state, peer, hearing, heartbeat, now);
  heard(hearing, heartbeat.message, !heartbeat.extra, state.cluster.timing.heartbeat, now);
  takeEcho(peer, hearing, heartbeat, now);
  becomeAlive(state, peer, now);
  if (!firstCopy(peer, heartbeat.message)) return;
  for (const other of peer.links.values()) {
    if (other !== hearing) advance(other, heartbeat.message - REORDER);
  }
  // It cannot have seen what has not happened.
  if (heartbeat.eventsSeen <= state.eventNumber) peer.eventsSeen = Math.max(peer.eventsSeen, heartbeat.eventsSeen);
  takeEvents(state, peer, heartbeat.events);
  if (heartbeat.heard.length > 0 || heartbeat.groups.length > 0 || heartbeat.adapters.length > 0)
    takeReports(state, peer, heartbeat, now);
  takeLease(state, peer, heartbeat, now);
  hearOutcomes(state, heartbeat.outcomes);
  hearRequests(state, heartbeat.requests, now);
}

/** What was asked of a voter before it knew this boot was dropped there (V3): a daemon that starts does not wait for the repeat. */
function askAnew(state: NodeState, now: Instant): void {
  for (const { lease } of state.groups.values()) {
    if (lease.state.role === "preparing") lease.state.repeatAt = earliest(lease.state.repeatAt, now);
  }
}

/** A node of this configuration that has nothing to say to this one; by its own configuration it may have. */
function isElsewhere({ cluster, self }: NodeState, node: NodeName): boolean {
  return node !== self.name && cluster.nodes.some(({ name }) => name === node);
}

/** The sender does not know our boot yet: tell it, and believe nothing else of the message. */
function introduce(state: NodeState, peer: Peer, heartbeat: Heartbeat, now: Instant): void {
  const recently =
    peer.candidateAnsweredAt !== undefined &&
    between(peer.candidateAnsweredAt, now) < state.cluster.timing.heartbeat / 8;
  if (recently && peer.candidate === heartbeat.boot) return;
  if (peer.boot !== heartbeat.boot) peer.candidate = heartbeat.boot;
  peer.candidateAnsweredAt = now;
  sendExtra(state, peer, [], heartbeat.boot, now);
}

/** A peer's new daemon runs something else: said once. */
function compareConfiguration(state: NodeState, peer: Peer, heartbeat: Heartbeat, now: Instant): void {
  const { generation, digest } = state.cluster;
  if (heartbeat.generation === generation && heartbeat.digest === digest) return;
  const other =
    heartbeat.generation === generation
      ? `${heartbeat.digest}, here ${digest}`
      : `generation ${heartbeat.generation}, here ${generation}`;
  happened(state, now, {
    code: "config-differs",
    level: "alarm",
    text: `${peer.config.name} runs another configuration (${other})`,
  });
}

/**
 * G4: a daemon that starts among others of a newer generation, or of another configuration, and without a majority of its
 * own, neither votes nor stands until that is over. One that runs already goes on: the newcomer is the one that is wrong.
 */
function judgeConfiguration(state: NodeState, now: Instant): void {
  const justStarted = !state.established && between(state.startedAt, now) < 10 * state.cluster.timing.dead;
  if (!state.misconfigured && (!justStarted || ownsAnything(state))) return;
  const { generation, digest } = state.cluster;
  let agreeing = votes(state) ? 1 : 0;
  let differing = false;
  for (const { alive, last, config } of state.peers.values()) {
    if (!alive || last === undefined) continue;
    const agrees = last.generation === generation && last.digest === digest;
    if (agrees) agreeing += state.voters.includes(config.name) ? 1 : 0;
    else if (last.generation >= generation) differing = true;
  }
  if (agreeing >= state.majority) state.established = true;
  // With a majority of this generation nobody is two ahead (G3).
  const wrong = differing && !state.established;
  if (wrong === state.misconfigured) return;
  state.misconfigured = wrong;
  const { name } = state.self;
  happened(state, now, {
    code: "config-differs",
    level: wrong ? "alarm" : "info",
    text: wrong
      ? `${name} neither votes nor owns: its configuration (${digest}) is not that of the others`
      : `${name} votes: a majority has its configuration (${digest})`,
  });
}

function ownsAnything(state: NodeState): boolean {
  for (const group of state.groups.values()) {
    if (group.lease.state.role === "holding" && !group.lease.state.first) return true;
  }
  return false;
}

function takeEcho(peer: Peer, hearing: Hearing, heartbeat: Heartbeat, now: Instant): void {
  // What could wait may have waited after its echo was made.
  if (heartbeat.echo === undefined || canWait(heartbeat)) return;
  const sent = whenSent(peer, heartbeat.echo.message);
  if (sent === undefined) return;
  const roundTrip = (now - sent) * 1000 - heartbeat.echo.held_us;
  if (roundTrip >= 0) hearing.roundTrip_us = roundTrip;
}

function becomeAlive(state: NodeState, peer: Peer, now: Instant): void {
  if (peer.alive) return;
  peer.alive = true;
  peer.aliveSince = now;
  const again = peer.deaths.length > 0;
  happened(state, now, { code: "node-alive", text: `${peer.config.name} is heard${again ? " again" : ""}` });
  // A healed network may have learnt from others in the meantime.
  for (const group of state.groups.values()) {
    if (group.announcedTerm === undefined || !group.addressesPlaced) continue;
    state.effects.push({ kind: "announce", group: group.config.name, term: group.announcedTerm });
  }
}

function takeReports(state: NodeState, peer: Peer, heartbeat: Heartbeat, now: Instant): void {
  peer.last = heartbeat;
  peer.lastAt = now;
  if (heartbeat.generation < state.cluster.generation) peer.generationSince = undefined;
  else peer.generationSince ??= now;
  if (heartbeat.digest === state.cluster.digest) peer.agreesSince ??= now;
  else peer.agreesSince = undefined;
  // A heartbeat too large for one datagram comes in parts; the first has what is heard.
  const firstPart = heartbeat.heard.length > 0;
  if (firstPart && saysEverything(state)) {
    peer.heard = heartbeat.heard;
    peer.heardAt = now;
  } else if (firstPart) keepHeardReports(peer, heartbeat.heard, (report) => isKnown(state, report), now);
  if (heartbeat.about !== undefined) peer.about = heartbeat.about;
  if (firstPart || heartbeat.adapters.length > 0) hearAdapters(state, peer, heartbeat, now);
  peer.requests = (firstPart ? heartbeat.requests : [...peer.requests, ...heartbeat.requests]).slice(-REQUESTS_MAX);
  judgeConfiguration(state, now);
  for (const report of heartbeat.groups) {
    const group = state.groups.get(report.group);
    if (group === undefined) continue;
    peer.groups.set(report.group, report);
    overhear(state, group, peer, report, () => leaseContext(state, group, now), now);
    takeGroupReport(state, group, peer, report, now);
  }
}

function isKnown({ cluster }: NodeState, report: HeardReport): boolean {
  return (
    cluster.nodes.some(({ name }) => name === report.peer) && cluster.links.some(({ name }) => name === report.link)
  );
}

function takeGroupReport(state: NodeState, group: Group, peer: Peer, report: GroupReport, now: Instant): void {
  const { name } = peer.config;
  hearPause(state, group, peer, report.pause, now);
  if (report.fence === "open") {
    settleClaims(state, group, peer, report.ballot, now);
    if (group.owner !== name) {
      group.owner = name;
      group.ownerSince = now;
    }
    ownedBy(state, group, name, now);
  } else if (group.owner === name) {
    group.owner = undefined;
    group.ownerSince = undefined;
  }
  followMove(state, group, now);
  if (report.owner === state.self.name && report.ballot !== undefined) unknownHolding(state, group, report.ballot, now);
}

function takeLease(state: NodeState, peer: Peer, heartbeat: Heartbeat, now: Instant): void {
  if (heartbeat.lease.length === 0) return;
  // V3: nothing of another configuration counts. The boot was checked before.
  if (heartbeat.generation !== state.cluster.generation) return;
  const highest = state.counters.round + ROUND_LEAP;
  let leapt = false;
  for (const entry of heartbeat.lease) {
    const group = state.groups.get(entry.group);
    if (roundOf(entry) > highest) leapt = true;
    else if (group !== undefined) takeLeaseEntry(state, group, peer.config.name, heartbeat, entry, now);
  }
  if (!leapt) return;
  tellNonsense(state, peer, "a ballot that is far ahead", now);
  state.counters.round = Math.min(ROUND_MAX, state.counters.round + ROUND_LEAP / 2);
}

function roundOf(entry: LeaseEntry): number {
  return entry.kind === "refuse" ? Math.max(entry.ballot.round, entry.promised.round) : entry.ballot.round;
}
