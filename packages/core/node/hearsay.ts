/** For people: what a node that does not vote knows of what it does not hear itself. The voters hear everybody and say so. */
import type { Group, NodeState } from "./state.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import { heardReportsOf } from "../membership/heard-reports.ts";
import { type Ballot, compareBallots } from "../ownership/lease/ballot.ts";
import type { NodeConfig } from "../cluster.ts";
import type { PeerView } from "../view.ts";
import type { NodeName } from "../units/names.ts";
import type { Instant } from "../units/time.ts";

/** A report of a voter counts for so long: it tells of each node every second or so (thinning.ts). */
const BELIEVED_MS = 5000;
const NEVER_MS = 65_535;

/** Some who may own the group are strangers to this node: whose it is and who could take it, it has from the voters. */
export function isElsewhere(state: NodeState, group: Group): boolean {
  return group.config.prefer.some((node) => node !== state.self.name && !state.peers.has(node));
}

/** Whom the voters gave it to; of two the later one. */
export function ownerByVoters(
  state: NodeState,
  group: Group,
  now: Instant,
): { readonly node: NodeName; readonly term: number } | undefined {
  let latest: Ballot | undefined;
  let owner: NodeName | undefined;
  for (const voter of state.voters) {
    const peer = state.peers.get(voter);
    if (peer === undefined || !isAlive(peer, state.cluster.timing.dead, now)) continue;
    const report = peer.groups.get(group.config.name);
    if (report?.owner === undefined || report.ballot === undefined) continue;
    if (latest !== undefined && compareBallots(report.ballot, latest) <= 0) continue;
    latest = report.ballot;
    owner = report.owner;
  }
  return owner === undefined || latest === undefined ? undefined : { node: owner, term: latest.round };
}

/** Candidates that a voter hears. */
export function heardByVoters(state: NodeState, node: NodeName, now: Instant): readonly NodeName[] {
  const { dead } = state.cluster.timing;
  const heardBy = new Set<NodeName>();
  for (const { voter, reported_ms, since_ms } of reportsOf(state, node, now))
    if (reported_ms < dead && since_ms < BELIEVED_MS) heardBy.add(voter);
  return [...heardBy];
}

export function viewUnheard(state: NodeState, node: NodeConfig, now: Instant): PeerView {
  const heardBy = heardByVoters(state, node.name, now);
  let age_ms: number | undefined;
  for (const { reported_ms, since_ms } of reportsOf(state, node.name, now))
    if (reported_ms !== NEVER_MS) age_ms = Math.min(age_ms ?? Number.POSITIVE_INFINITY, reported_ms + since_ms);
  return {
    name: node.name,
    role: node.role,
    self: false,
    alive: heardBy.length > 0,
    age_ms,
    heardBy,
    drained: false,
    drainReason: undefined,
    stopping: false,
    stalled: false,
    abstaining: false,
    reluctant: false,
    unfit: undefined,
    digest: undefined,
    generation: undefined,
    heard: [],
    reports: [],
    reportsAge_ms: undefined,
    groups: [],
    adapters: [],
    about: undefined,
  };
}

interface Hearsay {
  readonly voter: NodeName;
  readonly reported_ms: number;
  /** Since the voter said so. */
  readonly since_ms: number;
}

function reportsOf(state: NodeState, about: NodeName, now: Instant): readonly Hearsay[] {
  const found: Hearsay[] = [];
  for (const voter of state.voters) {
    const peer: Peer | undefined = state.peers.get(voter);
    if (peer === undefined || !isAlive(peer, state.cluster.timing.dead, now)) continue;
    for (const { report, since_ms } of heardReportsOf(peer, now)) {
      if (report.peer === about) found.push({ voter, reported_ms: report.age_ms, since_ms });
    }
  }
  return found;
}
