/** Makes the heartbeats: the full ones of each interval, and the extra ones that carry answers at once (V8). */
import { adapterReports } from "./adapters.ts";
import { eventsFor } from "./events.ts";
import { ineligibility } from "./eligibility.ts";
import { pauseReport } from "./pausing.ts";
import { votes } from "./overhearing.ts";
import { isReportTurn, narrowBeat, narrowReports, turnAt } from "./narrow-links.ts";
import { outcomesFor, requestsFor } from "./requests.ts";
import { isReluctant } from "./reluctance.ts";
import type { Group, NodeState } from "./state.ts";
import { adapterInUse } from "./swapping.ts";
import { groupsFor, heardFor, heardInTurn, saysEverything } from "./thinning.ts";
import { leaseHolder, leaseRemaining } from "../ownership/lease/voter.ts";
import { ageOf, type Hearing, lossPermille } from "../membership/hearing.ts";
import { nextMessage, type Peer } from "../membership/peer.ts";
import { HEARTBEAT_VERSION } from "../wire/heartbeat.ts";
import { MAXIMUM_BYTES, splitHeartbeat } from "../wire/heartbeat-split.ts";
import type { FenceState, GroupReport, Heartbeat, HeardReport, LeaseEntry } from "../wire/messages.ts";
import type { BootId, LinkName, NodeName } from "../units/names.ts";
import { type Instant } from "../units/time.ts";

const MAX_U16 = 65_535;

/** Send what is in the outbox, and full heartbeats when they are due. Entries for this node itself are left to the caller. */
export function sendOutbox(state: NodeState, now: Instant): readonly LeaseEntry[] {
  const entries = new Map<NodeName, LeaseEntry[]>();
  for (const { to, entry } of state.outbox) {
    const list = entries.get(to);
    if (list === undefined) entries.set(to, [entry]);
    else list.push(entry);
  }
  state.outbox = [];
  const full = state.beatDue;
  state.beatDue = undefined;
  const groups = full === undefined ? [] : groupReports(state, now);
  const heard = full === undefined ? [] : heardReports(state, now);
  const adapters = full === undefined ? [] : adapterReports(state, now);
  const everything = full === undefined || saysEverything(state);
  const inTurn = everything ? heard : heardInTurn(state, heard, now);
  for (const [name, peer] of state.peers) {
    const lease = entries.get(name) ?? [];
    if (full === undefined) {
      if (lease.length > 0) sendExtra(state, peer, lease, peer.boot, now);
      continue;
    }
    const reports = everything
      ? { groups, heard }
      : { groups: groupsFor(state, peer, groups), heard: heardFor(peer, heard, inTurn) };
    sendFull(state, peer, { ...reports, adapters, lease }, full === "extra", now);
  }
  return entries.get(state.self.name) ?? [];
}

function sendFull(
  state: NodeState,
  peer: Peer,
  reports: Pick<Heartbeat, "lease" | "groups" | "heard" | "adapters">,
  extra: boolean,
  now: Instant,
): void {
  const common: Heartbeat = {
    ...head(state, peer, peer.boot ?? peer.candidate, extra, now),
    drainReason: state.drained ?? "",
    about: state.about,
    ...reports,
    events: eventsFor(state, peer),
    requests: requestsFor(state, peer.config.name),
    outcomes: outcomesFor(state, peer),
  };
  const turn = turnAt(now, state.cluster.timing);
  for (const part of fitting(common, peer, now)) {
    for (const [link, hearing] of peer.links) {
      const echo = part.message === common.message ? echoOf(hearing, now) : undefined;
      const room = state.thinning.narrow.get(link);
      const whole = { ...part, echo };
      send(state, peer, [link], room === undefined ? whole : narrowBeat(whole, room.beat, turn));
    }
  }
  if (!extra && state.thinning.narrow.size > 0 && isReportTurn(turn)) sendReports(state, peer, common, now);
}

/** Over all links: a message that went over some of them only would count as lost on the others. */
function sendReports(state: NodeState, peer: Peer, whole: Heartbeat, now: Instant): void {
  const rooms = [...peer.links.keys()].map((link) => state.thinning.narrow.get(link)?.reports ?? Infinity);
  const room = Math.min(...rooms);
  const reports = room === Infinity ? undefined : narrowReports(whole, room, turnAt(now, state.cluster.timing));
  if (reports === undefined) return;
  const message = nextMessage(peer, now);
  for (const [link, hearing] of peer.links) {
    send(state, peer, [link], { ...reports, message, echo: echoOf(hearing, now) });
  }
}

/** Bytes that entries take at most, roughly: to split only what may be too large. */
const ROUGHLY = {
  head: 480,
  adapters: 60,
  heard: 80,
  groups: 140,
  lease: 220,
  events: 330,
  requests: 350,
  outcomes: 700,
} as const;

function fitting(heartbeat: Heartbeat, peer: Peer, now: Instant): readonly Heartbeat[] {
  const { adapters, heard, groups, lease, events, requests, outcomes } = heartbeat;
  const bytes =
    ROUGHLY.head +
    adapters.length * ROUGHLY.adapters +
    heard.length * ROUGHLY.heard +
    groups.length * ROUGHLY.groups +
    lease.length * ROUGHLY.lease +
    events.length * ROUGHLY.events +
    requests.length * ROUGHLY.requests +
    outcomes.length * ROUGHLY.outcomes;
  return bytes <= MAXIMUM_BYTES ? [heartbeat] : splitHeartbeat(heartbeat, MAXIMUM_BYTES, () => nextMessage(peer, now));
}

/** An extra heartbeat with nothing but lease entries (or nothing at all: it makes this node's boot known). */
export function sendExtra(
  state: NodeState,
  peer: Peer,
  lease: readonly LeaseEntry[],
  toBoot: BootId | undefined,
  now: Instant,
): void {
  const heartbeat: Heartbeat = {
    ...head(state, peer, toBoot, true, now),
    about: undefined,
    adapters: [],
    heard: [],
    groups: [],
    lease,
    events: [],
    requests: [],
    outcomes: [],
  };
  for (const part of fitting(heartbeat, peer, now)) send(state, peer, [...peer.links.keys()], part);
}

function send(state: NodeState, peer: Peer, links: readonly LinkName[], heartbeat: Heartbeat): void {
  state.effects.push({ kind: "send", to: peer.config.name, links, heartbeat });
}

type Head = Omit<Heartbeat, "about" | "adapters" | "heard" | "groups" | "lease" | "events" | "requests" | "outcomes">;

function head(state: NodeState, peer: Peer, toBoot: BootId | undefined, extra: boolean, now: Instant): Head {
  return {
    version: Math.min(HEARTBEAT_VERSION, peer.speaks),
    speaks: HEARTBEAT_VERSION,
    node: state.self.name,
    boot: state.boot,
    kernel: state.kernel,
    generation: state.cluster.generation,
    digest: state.cluster.digest,
    toBoot,
    message: nextMessage(peer, now),
    extra,
    drained: state.drained !== undefined,
    drainReason: "",
    stopping: state.stopping,
    stalled: now < state.stalledUntil,
    abstaining: state.abstaining,
    reluctant: isReluctant(state),
    // What an earlier daemon of the peer told says nothing of the events of the one addressed.
    eventsSeen: toBoot === peer.boot ? peer.eventsHad : 0,
    echo: undefined,
  };
}

function echoOf(hearing: Hearing, now: Instant): Heartbeat["echo"] {
  if (hearing.lastHeard === undefined || hearing.lastMessage === 0) return undefined;
  return { message: hearing.lastMessage, held_us: Math.min(0xffff_ffff, Math.round((now - hearing.lastHeard) * 1000)) };
}

function heardReports(state: NodeState, now: Instant): readonly HeardReport[] {
  const reports: HeardReport[] = [];
  for (const peer of state.peers.values()) {
    for (const [link, hearing] of peer.links) {
      reports.push({
        peer: peer.config.name,
        link,
        age_ms: Math.min(MAX_U16, Math.round(ageOf(hearing, now) ?? MAX_U16)),
        loss_permille: lossPermille(hearing),
        roundTrip_us: Math.round(hearing.roundTrip_us ?? 0),
        jitter_us: Math.round(1000 * hearing.jitter_ms),
      });
    }
  }
  return reports;
}

function groupReports(state: NodeState, now: Instant): readonly GroupReport[] {
  const reports: GroupReport[] = [];
  // A node that neither votes nor may own it knows nothing of it, but what its own operator paused.
  const quiet = !saysEverything(state) && !votes(state);
  for (const group of state.groups.values()) {
    const idle = group.lease.state.role === "idle" && group.pause.stamp === 0;
    if (quiet && idle && !group.config.prefer.includes(state.self.name)) continue;
    const holder = leaseHolder(group.record, now);
    reports.push({
      group: group.config.name,
      fence: ownFence(group, now),
      ineligible: ineligibility(state, group),
      owner: holder?.node,
      ballot: holder === undefined ? undefined : group.record.accepted?.ballot,
      remaining_ms: Math.min(MAX_U16, Math.ceil(leaseRemaining(group.record, now))),
      adapter: adapterInUse(group),
      pause: pauseReport(group, now),
    });
  }
  return reports;
}

const FAREWELL = { forwarding: "forward", draining: "relay", resetting: "relay", closing: "closed" } as const;

/** Open = a commit is younger than K. What the kernel does is certain; this is what the daemon knows of its modes. */
export function ownFence(group: Group, now: Instant): FenceState {
  const { state } = group.lease;
  if (group.farewell !== undefined) return FAREWELL[group.farewell.stage];
  if (group.relayUntil !== undefined && now < group.relayUntil) return "relay";
  return state.role === "holding" && !state.first && now < state.openUntil ? "open" : "closed";
}
