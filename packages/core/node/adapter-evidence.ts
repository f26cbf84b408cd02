/**
 * What the other nodes, and this node's other adapters, say of the network of an adapter that hears nothing.
 *
 * Reports are dated by what is certain: a peer's message was made after it had ours, so a late datagram is an old one.
 */
import type { NodeState } from "./state.ts";
import { saysEverything } from "./thinning.ts";
import { type Adapter, type Evidence, silence, silentSince, type Witness } from "../membership/adapter.ts";
import { heardReportsOf } from "../membership/heard-reports.ts";
import { isAlive, type Peer, whenSent } from "../membership/peer.ts";
import type { AdapterReport, Heartbeat } from "../wire/messages.ts";
import type { LinkName } from "../units/names.ts";
import { after, between, instant, type Instant } from "../units/time.ts";

/** Ages of reports say no more than this. */
const NEVER_MS = 65_535;
/** Counts, or questions, in vain before silence counts as looked at. */
const LOOKS = 3;

/**
 * What a peer says of itself is as old as our message in its echo at most: what was held up on the way proves nothing. A
 * further part of a heartbeat has no echo, and was made after the part before it.
 */
export function keepReports(state: NodeState, peer: Peer, { echo, heard, adapters }: Heartbeat, now: Instant): void {
  const sent = echo === undefined ? undefined : whenSent(peer, echo.message);
  const made = echo === undefined || sent === undefined ? undefined : instant(sent + echo.held_us / 1000);
  if (heard.length > 0) peer.reportedAt = made !== undefined && made <= now ? made : undefined;
  if (adapters.length === 0) return;
  const said = new Set(adapters.map(({ name }) => name));
  const { adapterNames } = state;
  const kept = peer.adapters.filter(({ name }) => adapterNames.has(name) && !said.has(name));
  peer.adapters = [...kept, ...adapters.filter(({ name }) => adapterNames.has(name))];
  peer.adaptersAt = peer.reportedAt;
}

/** Brings `contradictedSince` up to date. */
export function evidenceOf(state: NodeState, adapter: Adapter, now: Instant): Evidence {
  const silent_ms = silence(adapter, now);
  const heard = adapter.down !== undefined || silent_ms < marginOf(state);
  const others = heard ? [] : [...state.peers.values()].map((peer) => witness(state, adapter, peer, now));
  const nobodySays = !others.some((other) => other === "deaf" || other === "not-yet");
  const neighbour = !heard && nobodySays && neighbourHears(state, adapter, now);
  if (!neighbour && !others.includes("hears")) adapter.contradictedSince = undefined;
  else adapter.contradictedSince ??= now;
  return {
    down: adapter.down,
    silent_ms,
    limit_ms: limitOf(state, adapter),
    looked: wasLookedAt(adapter),
    others,
    referenceBefore: adapter.referenceAt !== undefined,
    neighbourHears: neighbour,
    contradicted_ms: between(adapter.contradictedSince ?? now, now),
    sure_ms: sureOf(state, adapter),
  };
}

/** In time for a fresh silence; one that all shared ends on one node before it does on another. */
export function sureOf({ cluster }: NodeState, { state }: Adapter): number {
  const { heartbeat, dead } = cluster.timing;
  return state === "ok" ? heartbeat / 2 : dead;
}

function wasLookedAt({ linked, frames, idleCounts, referenceAt, unansweredProbes }: Adapter): boolean {
  // Where no heartbeat has to come, nothing has to but answers.
  if (!linked && unansweredProbes < LOOKS) return false;
  if (frames !== undefined) return idleCounts >= LOOKS;
  return referenceAt !== undefined && unansweredProbes >= LOOKS;
}

/** Longer than three looks at an adapter that nothing is known to come to. */
const UNUSED_LIMIT_MS = 3500;

/** How long an adapter may hear nothing. One that is silent but for the answers to rare questions, longer. */
export function limitOf({ cluster }: NodeState, { linked, used, upAt, heardAt, linkHeardAt }: Adapter): number {
  const { dead } = cluster.timing;
  const peersAlone = linked && between(linkHeardAt ?? upAt, heardAt ?? upAt) <= dead;
  return peersAlone || (used && !linked) ? dead : Math.max(UNUSED_LIMIT_MS, 2 * dead);
}

/** What came later than this after the last frame here came while this adapter heard nothing. */
function marginOf({ cluster }: NodeState): number {
  return 1.5 * cluster.timing.heartbeat;
}

export function linksOn(state: NodeState, adapter: Adapter): readonly LinkName[] {
  return [...state.linkInterfaces].filter(([, name]) => name === adapter.interface).map(([link]) => link);
}

export function reportOf(peer: Peer, adapter: Adapter): AdapterReport | undefined {
  return peer.adapters.find(({ name }) => adapter.names.includes(name));
}

export function saysNow(state: NodeState, peer: Peer, now: Instant): boolean {
  const { dead } = state.cluster.timing;
  return isAlive(peer, dead, now) && peer.lastAt !== undefined && between(peer.lastAt, now) < dead;
}

function witness(state: NodeState, adapter: Adapter, peer: Peer, now: Instant): Witness {
  const report = reportOf(peer, adapter);
  if (report === undefined || !saysNow(state, peer, now)) return "cannot-tell";
  if (report.state === "down" || report.state === "no-carrier" || report.state === "silent") return "cannot-tell";
  const heardAt = heardByPeer(state, adapter, peer, report);
  if (heardAt !== undefined && between(silentSince(adapter), heardAt) >= marginOf(state)) return "hears";
  return report.heardAge_ms >= Math.min(limitOf(state, adapter), NEVER_MS) ? "deaf" : "not-yet";
}

/** When the peer last received, for certain, what shows that its network lives and is not only this adapter's own noise. */
function heardByPeer(state: NodeState, adapter: Adapter, peer: Peer, report: AdapterReport): Instant | undefined {
  const { reportedAt: said, adaptersAt } = peer;
  if (said === undefined || adaptersAt === undefined) return undefined;
  // By which the reports of adapters are older than those of links.
  const older = between(adaptersAt, said);
  const ages: number[] = [];
  if (adapter.unansweredProbes > 0) ages.push(report.referenceAge_ms + older);
  const links = linksOn(state, adapter);
  let hearsThis = false;
  const since = after(silentSince(adapter), marginOf(state));
  const told = saysEverything(state)
    ? peer.heard.map((report) => ({ report, since_ms: 0 }))
    : heardReportsOf(peer, peer.lastAt ?? said);
  for (const { report: heard, since_ms } of told) {
    if (!links.includes(heard.link)) continue;
    const age_ms = heard.age_ms + since_ms;
    if (heard.peer !== state.self.name) ages.push(age_ms);
    else if (after(said, -age_ms) >= since) hearsThis = true;
  }
  // What it counts may be what this adapter sent, or be meant for it alone: not where it hears us, nor unless something of
  // it ought to come here.
  const expected = adapter.linked ? !hearsThis : answersHere(state, adapter, peer);
  if (expected) ages.push(report.heardAge_ms + older);
  const age = Math.min(...ages);
  return age < NEVER_MS ? after(said, -age) : undefined;
}

/** This adapter asks the peer's own address, in vain. */
function answersHere(state: NodeState, adapter: Adapter, peer: Peer): boolean {
  if (adapter.unansweredProbes < LOOKS || adapter.heardAt === undefined) return false;
  const own = Object.values(peer.config.links);
  return (state.stations.get(adapter.interface) ?? []).some((station) => own.includes(station));
}

/** Another adapter of the same segment heard, in this silence, a station that is asked here in vain. */
function neighbourHears(state: NodeState, adapter: Adapter, now: Instant): boolean {
  if (adapter.unansweredProbes < LOOKS || adapter.heardAt === undefined) return false;
  const since = after(silentSince(adapter), marginOf(state));
  return siblingsOf(state, adapter).some((sibling) => {
    if (sibling.down !== undefined) return false;
    if (adapter.referenceAt !== undefined) return (sibling.referenceAt ?? adapter.upAt) >= since;
    const links = linksOn(state, sibling);
    return [...state.peers.values()].some(
      (peer) =>
        isAlive(peer, state.cluster.timing.dead, now) &&
        answersHere(state, adapter, peer) &&
        links.some((link) => (peer.links.get(link)?.lastHeard ?? adapter.upAt) >= since),
    );
  });
}

/** The other adapters of its segments: on the same network, for the addresses move between them. */
export function siblingsOf(state: NodeState, adapter: Adapter): readonly Adapter[] {
  const names = new Set<string>();
  for (const { segments } of state.groups.values())
    for (const { adapters } of segments)
      if (adapters.includes(adapter.interface)) for (const name of adapters) names.add(name);
  names.delete(adapter.interface);
  return [...state.adapters.values()].filter((other) => names.has(other.interface));
}
