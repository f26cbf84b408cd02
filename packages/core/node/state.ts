/** Everything one node knows and is about to do. `step` (../node.ts) owns it and changes it in place. */
import type { Alone, Search } from "./alone.ts";
import {
  adaptersOf,
  type Cluster,
  type GroupConfig,
  type NodeConfig,
  segmentsOf,
  sharedLinks,
  type Timing,
  votersOf,
} from "../cluster.ts";
import type { TakeoverCheck } from "./confirming.ts";
import { type Conflicts, newConflicts } from "./conflicts.ts";
import type { Accepted, Effect, StoredPause, VoterRecord } from "../effects.ts";
import { sameHolder } from "../ownership/lease/ballot.ts";
import { type Counters, type Lease, newLease } from "../ownership/lease/state.ts";
import { NEVER_PAUSED, type Pause, storedPause } from "./pauses.ts";
import { newReluctance, type Reluctance } from "./reluctance.ts";
import { crashingUntil } from "./crashes.ts";
import type { Farewell, Move, Offer } from "./planned-move.ts";
import { newTelling, type RejectedCount, type Telling } from "./rejecting.ts";
import { type FormerGeneration, majorityOf } from "../ownership/lease/generation.ts";
import type { PassedRequest } from "./passing-on.ts";
import { newThinning, type Thinning } from "./thinning.ts";
import { EMPTY_RECORD, highestRound, leaseHolder } from "../ownership/lease/voter.ts";
import type { Adapter } from "../membership/adapter.ts";
import { audienceOf } from "../membership/audience.ts";
import { newPeer, type Peer } from "../membership/peer.ts";
import { type RandomState, seededRandom } from "../random.ts";
import type { ClusterEvent, LeaseEntry, NodeReport, OperatorOutcome, OperatorRequest } from "../wire/messages.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "../units/names.ts";
import { after, type Instant } from "../units/time.ts";

/** Mutable: one group on this node, beside its lease. */
export interface Group {
  config: GroupConfig;
  readonly lease: Lease;
  record: VoterRecord;
  /** V2: `record` is newer than what is kept; no answer leaves before it was saved. */
  recordUnsaved: boolean;
  /** Without a vote: what each voter said last of its own record (overhearing.ts). */
  readonly overheard: Map<NodeName, Accepted>;
  /** Where its addresses live here, in the order of `segmentsOf`; empty on a node that never owns it. */
  segments: readonly Segment[];
  /** No longer in the configuration: kept until it is released and its addresses are gone. */
  leaving: boolean;
  addressesWanted: boolean;
  addressesPlaced: boolean;
  /** This node's own station in each segment, while the addresses are in place. */
  macs: readonly Mac[];
  /** Addresses that somebody else removed and that were put back. */
  addressesRestored: number;
  /** C10: the addresses of the daemon before stay until its fence has certainly ended. */
  inheritedUntil: Instant | undefined;
  /** The addresses could not be placed or kept: not eligible until `AFTER_TROUBLE_MS` later. */
  addressTrouble: { readonly detail: string; readonly at: Instant } | undefined;
  /** By the event's code, what was told last of a failure that may repeat with every beat. */
  readonly troubleTold: Map<string, { readonly text: string; readonly at: Instant }>;
  /** The fence is open under this term and announced. */
  announcedTerm: number | undefined;
  /** N1: an offer that was made to this node and has not led to a nomination. */
  offer: Offer | undefined;
  /** F5: until when this node answers what the old owner hands on, unless it commits before. */
  relayUntil: Instant | undefined;
  /** After a planned move: the old owner may pass on until then what arrives there. */
  passedOnUntil: Instant | undefined;
  /** This node has handed the group over and forwards what still arrives, or serves what is left (drain). */
  farewell: Farewell | undefined;
  /** The old owner still serves the connections that began there. */
  drainFrom: { readonly node: NodeName; readonly macs: readonly Mac[]; readonly until: Instant } | undefined;
  /** Whether somebody answers for its addresses, before this node takes it over alone. */
  search: Search | undefined;
  /** An operator's or the placement's move that is under way. */
  move: Move | undefined;
  /** Who is known to own it, since when on our clock, and why. */
  owner: NodeName | undefined;
  ownerSince: Instant | undefined;
  cause: string;
  /** Marks for the flight recorder of the take-over under way. */
  marks: { lastHeardOfOwner: Instant | undefined; stoodAt: Instant | undefined; electedAt: Instant | undefined };
  /** When a planned move last brought it here or took it from here; failback waits `settle` from then. */
  settledAt: Instant;
  /** Others that use its addresses. */
  readonly conflicts: Conflicts;
  /** Whether clients were seen to follow this node, while that is looked at. */
  takeover: TakeoverCheck | undefined;
  pause: Pause;
  /** Who answered last, as far as this node knows. */
  lastOwner: NodeName | undefined;
}

/** Mutable: the adapters of one of a group's segments on this node. */
export interface Segment {
  /** By the kernel's names, the service adapter first. */
  readonly adapters: readonly InterfaceName[];
  /** The same as the group names them. */
  readonly names: readonly string[];
  /** Which of them carries the addresses, or would. */
  inUse: number;
  /** One of them can. */
  usable: boolean;
}

/** A request of an operator that came in through this node and waits for its outcome. */
export interface PendingRequest {
  readonly local: number;
  readonly request: OperatorRequest;
  readonly until: Instant;
}

/** A request this node was asked to do, and what came of it. */
export interface ServedRequest {
  readonly request: OperatorRequest;
  outcome: OperatorOutcome | undefined;
  readonly until: Instant;
}

/** Mutable. */
export interface NodeState {
  cluster: Cluster;
  self: NodeConfig;
  readonly boot: BootId;
  readonly kernel: KernelId;
  /** What it says of itself in every full heartbeat. */
  about: NodeReport;
  voters: readonly NodeName[];
  majority: number;
  /** Whom it exchanges heartbeats with (membership/audience.ts). */
  readonly peers: Map<NodeName, Peer>;
  readonly groups: Map<GroupName, Group>;
  /** What this voter gave for groups that are not in the configuration now: one that comes back is still bound by it. */
  readonly retired: Map<GroupName, VoterRecord>;
  /** The generation before this one, when this daemon was in it, and since when it is in this one (G3). */
  formerGeneration: FormerGeneration | undefined;
  generationSince: Instant;
  readonly alone: Alone;
  readonly thinning: Thinning;
  /** A majority was heard with this very configuration, or it came by a reload: whoever differs is the one to ask (G4). */
  established: boolean;
  readonly counters: Counters;
  readonly random: RandomState;
  readonly startedAt: Instant;
  /** V2: this voter answers `abstaining` until then. */
  readonly abstainUntil: Instant;
  abstaining: boolean;
  nextBeat: Instant;
  /** When the regular heartbeats were last sent. */
  lastBeat: Instant;
  /** The last turn of the loop's time, to notice a stall. */
  expectedBy: Instant;
  stalledUntil: Instant;
  drained: string | undefined;
  stopping: boolean;
  exited: boolean;
  /** What is broken in this machine by a stable word, and how (fitness.ts). */
  readonly unfit: Map<string, string>;
  readonly reluctance: Reluctance;
  /** Too many crashes before this start: not eligible until then; undefined: eligible as far as that goes. */
  crashingUntil: Instant | undefined;
  crashingTold: boolean;
  /** Another configuration is in force among those heard (G4). */
  misconfigured: boolean;
  quorum: boolean;
  readonly interfacesDown: Set<InterfaceName>;
  /** Those that its groups may use. */
  readonly adapters: Map<InterfaceName, Adapter>;
  /** What any group calls an adapter, on whatever node. */
  adapterNames: ReadonlySet<string>;
  /** Who is asked through each of them whether its network lives. */
  readonly stations: Map<InterfaceName, readonly IpAddress[]>;
  /** Which interface each link is on; a link that is on none is missing. */
  readonly linkInterfaces: Map<LinkName, InterfaceName>;
  /** Lease messages to send when the effects before them are done. */
  outbox: { readonly to: NodeName; readonly entry: LeaseEntry }[];
  /** Full heartbeats to all peers are due with the next flush: the regular ones, or extra ones between them. */
  beatDue: "regular" | "extra" | undefined;
  effects: Effect[];
  /** `flush` effects that have not come back as inputs. */
  flushes: number;
  /** Effects for after the messages of this turn have left. */
  later: Effect[];
  /** Own events, the last of them; numbers from 1. */
  readonly events: ClusterEvent[];
  eventNumber: number;
  wallOffset_ms: number;
  requestNumber: number;
  readonly pending: PendingRequest[];
  readonly served: ServedRequest[];
  /** Requests of others for others (passing-on.ts). */
  readonly passed: PassedRequest[];
  readonly rejected: Map<string, RejectedCount>;
  /** How many of the events that strangers cause may still go out. */
  readonly telling: Telling;
}

/** What a daemon brings with it when it starts. */
export interface Beginning {
  readonly cluster: Cluster;
  readonly node: NodeName;
  readonly boot: BootId;
  readonly kernel: KernelId;
  readonly seed: number;
  readonly about?: NodeReport;
  /** Voter records of this kernel that outlived the daemon before; undefined: none valid, so it abstains (V2). */
  readonly records: ReadonlyMap<GroupName, VoterRecord> | undefined;
  /** Groups whose fence is still open from the daemon before. */
  readonly open: ReadonlySet<GroupName>;
  /** Of the open groups: on which interface of each segment their addresses are; the service adapters where it is not said. */
  readonly placed?: ReadonlyMap<GroupName, readonly InterfaceName[]>;
  /** When daemons of this kernel were started after one that had ended without a word, oldest first, this one included. */
  readonly crashes?: readonly Instant[];
  readonly drained: string | undefined;
  readonly pauses?: readonly StoredPause[];
  readonly interfacesDown: readonly InterfaceName[];
  /** Wall clock minus monotonic clock, in milliseconds. */
  readonly wallOffset_ms: number;
}

/** A of ownership.md V2: longer than any lease that can be configured (5 s), plus 2 %. */
export const ABSTAIN_MS = 5100;

/** Of a node that knows nothing yet of its adapters (starting.ts). */
export function newState(beginning: Beginning, now: Instant): NodeState {
  const { cluster } = beginning;
  const self = cluster.nodes.find((node) => node.name === beginning.node);
  if (self === undefined) throw new Error(`node ${beginning.node} is not in the configuration`);
  const others = audienceOf(cluster, self.name);
  const voters = votersOf(cluster);
  const groups = groupsAtStart(beginning, self, now);
  const retired = new Map(beginning.records);
  for (const [name] of groups) retired.delete(name);
  let round = 0;
  for (const [, group] of groups) round = Math.max(round, highestRound(group.record));
  return {
    cluster,
    self,
    boot: beginning.boot,
    kernel: beginning.kernel,
    about: beginning.about ?? { software: "", keys: [] },
    voters,
    majority: majorityOf(voters.length),
    peers: new Map(others.map((node) => [node.name, newPeer(node, sharedLinks(cluster.links, self, node))])),
    groups: new Map(groups),
    retired,
    formerGeneration: undefined,
    generationSince: now,
    alone: { active: false, answeredAt: undefined },
    thinning: newThinning(cluster),
    established: false,
    counters: { round, number: 0 },
    random: seededRandom(beginning.seed),
    startedAt: now,
    abstainUntil: beginning.records === undefined ? after(now, ABSTAIN_MS) : now,
    abstaining: beginning.records === undefined,
    nextBeat: now,
    lastBeat: now,
    expectedBy: now,
    stalledUntil: after(now, -3_600_000),
    crashingUntil: crashingUntil(beginning.crashes ?? [], now),
    crashingTold: false,
    drained: beginning.drained,
    stopping: false,
    exited: false,
    unfit: new Map(),
    reluctance: newReluctance(),
    misconfigured: false,
    quorum: voters.length === 1 && voters[0] === self.name,
    interfacesDown: new Set(beginning.interfacesDown),
    adapters: new Map(),
    adapterNames: new Set(),
    stations: new Map(),
    linkInterfaces: new Map(),
    outbox: [],
    beatDue: undefined,
    effects: [],
    flushes: 0,
    later: [],
    events: [],
    eventNumber: 0,
    wallOffset_ms: beginning.wallOffset_ms,
    requestNumber: 0,
    pending: [],
    served: [],
    passed: [],
    rejected: new Map(),
    telling: newTelling(now),
  };
}

function groupsAtStart(beginning: Beginning, self: NodeConfig, now: Instant): readonly [GroupName, Group][] {
  const { cluster, kernel, open } = beginning;
  return cluster.groups.map((config): [GroupName, Group] => {
    const [record, placed] = [beginning.records?.get(config.name), beginning.placed?.get(config.name)];
    const group = newGroup(config, self, { timing: cluster.timing, kernel, open, record, placed }, now);
    const paused = beginning.pauses?.find((each) => each.group === config.name);
    group.pause = storedPause(paused, beginning.wallOffset_ms, now);
    group.lastOwner = paused?.owner ?? group.lastOwner;
    return [config.name, group];
  });
}

/** The kernel ends a right in whole ticks, and late by at most one more. */
const INHERITED_SLACK_MS = 20;

/** What of a group was there before this daemon knew of it. */
export interface GroupOrigin {
  readonly timing: Timing;
  readonly kernel: KernelId;
  readonly open: ReadonlySet<GroupName>;
  readonly record: VoterRecord | undefined;
  readonly placed?: readonly InterfaceName[] | undefined;
}

export function newGroup(config: GroupConfig, self: NodeConfig, origin: GroupOrigin, now: Instant): Group {
  const mayOwn = mayEverOwn(config, self);
  const open = origin.open.has(config.name);
  const record = origin.record ?? EMPTY_RECORD;
  const holder = leaseHolder(record, now);
  const held = holder !== undefined && sameHolder(holder, { node: self.name, kernel: origin.kernel });
  return {
    config,
    // Whoever held it asks again at once (C10); the others first listen for those who come before them in prefer.
    lease: newLease(config.name, held ? now : after(now, origin.timing.dead)),
    record,
    recordUnsaved: false,
    overheard: new Map(),
    segments: segmentsHere(config, self, (_, i) => origin.placed?.[i]),
    leaving: false,
    // C10: the fence of the daemon before still answers; its addresses stay while the voters are asked again.
    addressesWanted: open && mayOwn,
    addressesPlaced: false,
    macs: [],
    addressesRestored: 0,
    inheritedUntil: open && mayOwn ? after(now, origin.timing.keep + INHERITED_SLACK_MS) : undefined,
    addressTrouble: undefined,
    troubleTold: new Map(),
    announcedTerm: undefined,
    offer: undefined,
    relayUntil: undefined,
    passedOnUntil: undefined,
    farewell: undefined,
    drainFrom: undefined,
    search: undefined,
    move: undefined,
    owner: undefined,
    ownerSince: undefined,
    cause: "nobody has owned it since this node started",
    marks: { lastHeardOfOwner: undefined, stoodAt: undefined, electedAt: undefined },
    settledAt: after(now, -config.settle),
    conflicts: newConflicts(now),
    takeover: undefined,
    pause: NEVER_PAUSED,
    lastOwner: record.accepted?.holder.node,
  };
}

export function mayEverOwn(config: GroupConfig, self: NodeConfig): boolean {
  return config.prefer.includes(self.name) && self.role === "member";
}

/** `placed`: the interface that has the addresses of a segment already. */
export function segmentsHere(
  config: GroupConfig,
  self: NodeConfig,
  placed: (segment: string, index: number) => InterfaceName | undefined,
): readonly Segment[] {
  if (!mayEverOwn(config, self)) return [];
  const names = segmentsOf(config).map(
    (segment) => config.addresses.find(({ interfaces }) => interfaces[0] === segment)?.interfaces ?? [],
  );
  return adaptersOf(self, config).map((adapters, i) => {
    const on = placed(names[i]?.[0] ?? "", i);
    const inUse = on === undefined ? 0 : Math.max(0, adapters.indexOf(on));
    return { adapters, names: names[i] ?? [], inUse, usable: true };
  });
}

/** Something changed that the others should not have to wait for: full heartbeats leave with this turn. */
export function tellEverybody(state: NodeState): void {
  state.beatDue ??= "extra";
}
