/** For people: what a node that does not vote knows of the nodes it does not hear itself. The voters hear everybody and say so. */
import type { NodeState } from "./state.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import { heardReportsOf } from "../membership/heard-reports.ts";
import type { NodeConfig } from "../cluster.ts";
import type { PeerView } from "../view.ts";
import type { NodeName } from "../units/names.ts";
import type { Instant } from "../units/time.ts";

/** A report of a voter counts for so long: it tells of each node every second or so (thinning.ts). */
const BELIEVED_MS = 5000;
const NEVER_MS = 65_535;

export function viewUnheard(state: NodeState, node: NodeConfig, now: Instant): PeerView {
  const { dead } = state.cluster.timing;
  const heardBy: NodeName[] = [];
  let age_ms: number | undefined;
  for (const { voter, reported_ms, since_ms } of reportsOf(state, node.name, now)) {
    if (reported_ms !== NEVER_MS) age_ms = Math.min(age_ms ?? Number.POSITIVE_INFINITY, reported_ms + since_ms);
    if (reported_ms < dead && since_ms < BELIEVED_MS && !heardBy.includes(voter)) heardBy.push(voter);
  }
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
