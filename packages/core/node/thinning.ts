/**
 * In a large cluster a heartbeat does not say everything every time: of those that the sender hears, and of groups that are
 * none of the receiver's, it tells what has just changed and a few of the others in turn. So its size does not grow with
 * the cluster (docs/protocol.md, section 3).
 */
import type { NodeState } from "./state.ts";
import { narrowLinks, type NarrowLinks } from "./narrow-links.ts";
import { type Cluster, EVERYBODY_MAX } from "../cluster.ts";
import { isHeard } from "../membership/hearing.ts";
import type { Peer } from "../membership/peer.ts";
import type { GroupReport, HeardReport } from "../wire/messages.ts";
import type { Instant } from "../units/time.ts";

/** Reports of each kind that take their turn in one beat. */
const HEARD_IN_TURN = 8;
const GROUPS_IN_TURN = 2;
/** What began or ended to be heard is told in so many beats, for one may be lost; so many at most in each. */
const TELL_CHANGE = 3;
const CHANGES_A_BEAT = 8;

/** Mutable: whose turn it is. */
export interface Thinning {
  beat: number;
  /** By peer and link: whether it was heard, and in how many beats that is yet to be told. */
  readonly changes: Map<string, { heard: boolean; tell: number }>;
  /** Links that carry little, whatever the size of the cluster. */
  narrow: NarrowLinks;
}

export function newThinning(cluster: Cluster): Thinning {
  return { beat: 0, changes: new Map(), narrow: narrowLinks(cluster) };
}

/** Everybody hears everybody, and says everything. */
export function saysEverything(state: NodeState): boolean {
  return state.cluster.nodes.length <= EVERYBODY_MAX;
}

/** Of all reports, in the same order every time, those that every peer is told with this beat. */
export function heardInTurn(state: NodeState, reports: readonly HeardReport[], now: Instant): readonly HeardReport[] {
  const { thinning } = state;
  thinning.beat += 1;
  const told = new Set<HeardReport>();
  for (const report of reports) {
    const key = `${report.peer} ${report.link}`;
    const hearing = state.peers.get(report.peer)?.links.get(report.link);
    const heard = hearing !== undefined && isHeard(hearing, state.cluster.timing.dead, now);
    const change = thinning.changes.get(key);
    if (change === undefined) thinning.changes.set(key, { heard, tell: 0 });
    else if (change.heard !== heard) Object.assign(change, { heard, tell: TELL_CHANGE });
    if (change === undefined || change.tell === 0 || told.size >= CHANGES_A_BEAT) continue;
    change.tell -= 1;
    told.add(report);
  }
  for (const report of inTurn(reports, HEARD_IN_TURN, thinning.beat)) told.add(report);
  return [...told];
}

/** Always with it: how the receiver itself is heard. */
export function heardFor(
  peer: Peer,
  reports: readonly HeardReport[],
  inTurnNow: readonly HeardReport[],
): readonly HeardReport[] {
  const own = reports.filter((report) => report.peer === peer.config.name);
  return [...own, ...inTurnNow.filter((report) => report.peer !== peer.config.name)];
}

/** Groups that this node or the receiver may own always, if this node can say anything of them; the others in turn. */
export function groupsFor(state: NodeState, peer: Peer, reports: readonly GroupReport[]): readonly GroupReport[] {
  const { name } = peer.config;
  const always: GroupReport[] = [];
  const others: GroupReport[] = [];
  for (const report of reports) {
    const prefer = state.groups.get(report.group)?.config.prefer ?? [];
    (prefer.includes(state.self.name) || prefer.includes(name) ? always : others).push(report);
  }
  return [...always, ...inTurn(others, GROUPS_IN_TURN, state.thinning.beat)];
}

function inTurn<Report>(reports: readonly Report[], count: number, beat: number): readonly Report[] {
  if (reports.length <= count) return reports;
  const from = (beat * count) % reports.length;
  const until = from + count;
  return [...reports.slice(from, until), ...reports.slice(0, Math.max(0, until - reports.length))];
}
