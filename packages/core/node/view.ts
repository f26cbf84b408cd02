/** Makes the view of a node for people. */
import { adapterReports } from "./adapters.ts";
import { ineligibility, peerIneligibility, standbys } from "./eligibility.ts";
import { heardByVoters, isElsewhere, ownerByVoters, viewUnheard } from "./hearsay.ts";
import { isPaused, pauseReport } from "./pausing.ts";
import { unfitText } from "./fitness.ts";
import { isReluctant } from "./reluctance.ts";
import { ownFence } from "./sending.ts";
import { saysEverything } from "./thinning.ts";
import type { Group, NodeState } from "./state.ts";
import { adapterInUse } from "./swapping.ts";
import { ageOf, isHeard, lossPermille } from "../membership/hearing.ts";
import { heardReportsOf } from "../membership/heard-reports.ts";
import { isAlive, type Peer, peerAge } from "../membership/peer.ts";
import type { HeardReport } from "../wire/messages.ts";
import type { NodeConfig } from "../cluster.ts";
import type { GroupView, LinkView, NodeView, PeerView } from "../view.ts";
import type { NodeName } from "../units/names.ts";
import { between, type Instant } from "../units/time.ts";

/** HeardReport.age_ms: never, or longer ago than the field can say. */
const NEVER_MS = 65_535;

export function viewOf(state: NodeState, now: Instant): NodeView {
  const { cluster } = state;
  const { heartbeat, dead, window, keep } = cluster.timing;
  return {
    cluster: cluster.name,
    node: state.self.name,
    generation: cluster.generation,
    digest: cluster.digest,
    quorum: state.quorum,
    available: cluster.quorum === "available",
    alone: state.alone.active,
    timing: { heartbeat, dead, window, keep },
    nodes: cluster.nodes.map((node) => viewNode(state, node, now)),
    groups: [...state.groups.values()].map((group) => viewGroup(state, group, now)),
    rejected: [...state.rejected.values()].map(({ link, reason, source, count }) => ({ link, reason, source, count })),
  };
}

function viewNode(state: NodeState, node: NodeConfig, now: Instant): PeerView {
  if (node.name === state.self.name) return viewSelf(state, node, now);
  const peer = state.peers.get(node.name);
  return peer === undefined ? viewUnheard(state, node, now) : viewPeer(state, peer, now);
}

function viewSelf(state: NodeState, node: NodeConfig, now: Instant): PeerView {
  return {
    name: node.name,
    role: node.role,
    self: true,
    alive: true,
    age_ms: 0,
    drained: state.drained !== undefined,
    drainReason: state.drained,
    stopping: state.stopping,
    stalled: false,
    abstaining: state.abstaining,
    reluctant: isReluctant(state),
    unfit: unfitText(state),
    digest: state.cluster.digest,
    generation: state.cluster.generation,
    heard: [],
    reports: [],
    reportsAge_ms: 0,
    groups: [],
    adapters: adapterReports(state, now),
    about: state.about,
  };
}

function aged({ report, since_ms }: { readonly report: HeardReport; readonly since_ms: number }): HeardReport {
  return { ...report, age_ms: Math.min(NEVER_MS, Math.round(report.age_ms + since_ms)) };
}

function viewPeer(state: NodeState, peer: Peer, now: Instant): PeerView {
  const { last } = peer;
  const heard = [...peer.links].map(([link, hearing]): LinkView => ({
    link,
    alive: isHeard(hearing, state.cluster.timing.dead, now),
    age_ms: ageOf(hearing, now),
    loss_permille: lossPermille(hearing),
    roundTrip_us: hearing.roundTrip_us,
    jitter_us: hearing.lastRegular === undefined ? undefined : Math.round(hearing.jitter_ms * 1000),
  }));
  return {
    name: peer.config.name,
    role: peer.config.role,
    self: false,
    alive: isAlive(peer, state.cluster.timing.dead, now),
    age_ms: peerAge(peer, now),
    drained: last?.drained ?? false,
    drainReason: last === undefined || last.drainReason === "" ? undefined : last.drainReason,
    stopping: last?.stopping ?? false,
    stalled: last?.stalled ?? false,
    abstaining: last?.abstaining ?? false,
    reluctant: last?.reluctant ?? false,
    unfit: [...peer.groups.values()].some(({ ineligible }) => ineligible === "unfit")
      ? "its own node-unfit event says what"
      : undefined,
    digest: last?.digest,
    generation: last?.generation,
    heard,
    reports: saysEverything(state) ? peer.heard : [...heardReportsOf(peer, now)].map(aged),
    reportsAge_ms: peer.lastAt === undefined ? undefined : between(peer.lastAt, now),
    groups: [...peer.groups.values()],
    adapters: peer.adapters,
    about: peer.about,
  };
}

function viewGroup(state: NodeState, group: Group, now: Instant): GroupView {
  const { config } = group;
  const mine = ownFence(group, now) === "open" ? [state.self.name] : [];
  const claimed: NodeName[] = [...mine];
  for (const [name, peer] of state.peers) {
    if (isAlive(peer, state.cluster.timing.dead, now) && peer.groups.get(config.name)?.fence === "open")
      claimed.push(name);
  }
  if (isElsewhere(state, group)) return viewElsewhere(state, group, claimed, now);
  const owner = claimed[0];
  const candidates = config.prefer.map((node) => ({
    node,
    ineligible: node === state.self.name ? ineligibility(state, group) : peerIneligibility(state, group, node, now),
  }));
  const selfStandby = owner !== state.self.name && ineligibility(state, group) === "" ? [state.self.name] : [];
  const ready = [...selfStandby, ...standbys(state, group, now).filter((node) => node !== owner)];
  return {
    name: config.name,
    adapter: owner === state.self.name ? adapterInUse(group) : adapterOf(state, group, owner),
    owner,
    claimed,
    term: termOf(state, group, owner),
    since_ms: group.ownerSince === undefined || owner === undefined ? undefined : between(group.ownerSince, now),
    addresses: config.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    prefer: config.prefer,
    standbys: ready.toSorted((a, b) => config.prefer.indexOf(a) - config.prefer.indexOf(b)),
    fence: ownFence(group, now),
    moving: group.move !== undefined,
    pause: isPaused(group)
      ? { remaining_ms: pauseReport(group, now).remaining_ms, lastOwner: group.lastOwner }
      : undefined,
    addressesRestored: group.addressesRestored,
    candidates,
    cause: group.cause,
  };
}

function adapterOf(state: NodeState, group: Group, owner: NodeName | undefined): number {
  const peer = owner === undefined ? undefined : state.peers.get(owner);
  return peer?.groups.get(group.config.name)?.adapter ?? 0;
}

function viewElsewhere(state: NodeState, group: Group, claimed: readonly NodeName[], now: Instant): GroupView {
  const { config } = group;
  const granted = ownerByVoters(state, group, now);
  const [heard] = claimed;
  const owner = heard === undefined ? granted : { node: heard, term: granted?.term ?? 0 };
  const candidates = config.prefer.map((node) => {
    const alive = state.peers.has(node) || heardByVoters(state, node, now).length > 0;
    const unheard = alive ? ("" as const) : ("down" as const);
    return { node, ineligible: state.peers.has(node) ? peerIneligibility(state, group, node, now) : unheard };
  });
  const alive = candidates.filter(({ ineligible }) => ineligible === "").map(({ node }) => node);
  return {
    name: config.name,
    owner: owner?.node,
    claimed: claimed.length > 0 || owner === undefined ? claimed : [owner.node],
    term: owner?.term ?? 0,
    since_ms: undefined,
    addresses: config.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    prefer: config.prefer,
    standbys: alive.filter((node) => node !== owner?.node),
    fence: ownFence(group, now),
    moving: false,
    adapter: 0,
    addressesRestored: 0,
    candidates,
    cause: "the voters say so; this node does not hear all of its candidates",
    pause: isPaused(group)
      ? { remaining_ms: pauseReport(group, now).remaining_ms, lastOwner: group.lastOwner }
      : undefined,
    byVoters: true,
  };
}

function termOf(state: NodeState, group: Group, owner: NodeName | undefined): number {
  if (group.record.accepted !== undefined && group.record.accepted.holder.node === owner)
    return group.record.accepted.ballot.round;
  if (owner === undefined) return 0;
  return state.peers.get(owner)?.groups.get(group.config.name)?.ballot?.round ?? 0;
}
