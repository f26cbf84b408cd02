/**
 * This node's adapters: what is heard on them, when to look closer, what is concluded and told (requirement A7). The
 * verdict is in ../membership/adapter.ts; what follows for the groups is in swapping.ts.
 *
 * In ordinary times heartbeats show that an adapter works, and nothing is asked. Frames are counted and stations asked only
 * where nothing is heard for more than an interval, where another node misses somebody, and now and then on an adapter
 * without a link.
 */
import {
  evidenceOf,
  keepReports,
  limitOf,
  linksOn,
  reportOf,
  saysNow,
  siblingsOf,
  sureOf,
} from "./adapter-evidence.ts";
import { tellAdapter } from "./adapter-events.ts";
import { placeOnAdapters } from "./swapping.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import type { Cluster, NodeConfig } from "../cluster.ts";
import type { Input } from "../effects.ts";
import {
  type Adapter,
  type Down,
  excuseAdapter,
  failed,
  framesCounted,
  hasFailed,
  heardFrame,
  newAdapter,
  silence,
  verdict,
} from "../membership/adapter.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import type { AdapterReport, AdapterState, Heartbeat } from "../wire/messages.ts";
import { inNetwork, type IpAddress, isIpv4 } from "../units/ip.ts";
import type { InterfaceName, LinkName } from "../units/names.ts";
import { after, between, earliest, type Instant, type Milliseconds, NEVER } from "../units/time.ts";

const NEVER_MS = 65_535;
/** Without a link on it, and not used: how often it is looked at. */
const IDLE_LOOK_MS = 1000;
/** How often a station is asked through an adapter that hears. */
const IDLE_PROBE_MS = 5000;
/** Stations asked through one adapter. */
const STATIONS_MAX = 4;
/** A silent adapter that hears again has to for so long. */
const RECOVERED_MS = 1000;

/** The adapters that the groups of this node use, after each change of the configuration; what was known of them stays. */
export function configureAdapters(state: NodeState, now: Instant): void {
  const before = new Map(state.adapters);
  state.adapters.clear();
  state.stations.clear();
  const addresses = state.cluster.groups.flatMap((group) => group.addresses);
  state.adapterNames = new Set(addresses.flatMap(({ interfaces }) => interfaces));
  for (const group of state.groups.values()) {
    for (const { adapters, names } of group.segments) {
      adapters.forEach((name, i) => {
        let adapter = state.adapters.get(name);
        if (adapter === undefined) {
          adapter = before.get(name) ?? newAdapter(name, now);
          adapter.names = [];
          adapter.service = false;
          state.adapters.set(name, adapter);
        }
        adapter.service ||= i === 0;
        const called = names[i];
        if (called !== undefined && !adapter.names.includes(called)) adapter.names = [...adapter.names, called];
      });
    }
  }
  for (const adapter of state.adapters.values()) {
    state.stations.set(adapter.interface, stationsOf(state.cluster, state.self, adapter));
    const down = state.interfacesDown.has(adapter.interface);
    if (down !== (adapter.down !== undefined)) setCarrier(state, adapter, down ? "no-carrier" : undefined, now);
  }
  relink(state, now);
}

/** Who is asked through it: the reference where it is on that network, or else the other nodes' own addresses there. */
function stationsOf(cluster: Cluster, self: NodeConfig, { names }: Adapter): readonly IpAddress[] {
  const networks = cluster.groups.flatMap(({ addresses }) =>
    addresses.filter(({ interfaces }) => interfaces.some((name) => names.includes(name))),
  );
  const there = (address: IpAddress): boolean =>
    networks.some(({ address: network, prefixLength }) => {
      const host = prefixLength === (isIpv4(network) ? 32 : 128) && isIpv4(network) === isIpv4(address);
      return host || inNetwork(address, network, prefixLength);
    });
  const references = (cluster.reference ?? []).filter(there);
  const others = cluster.nodes.filter((node) => node.name !== self.name);
  const peers = others.flatMap((node) => Object.values(node.links)).filter(there);
  return (references.length > 0 ? references : peers).slice(0, STATIONS_MAX);
}

/** A link of this node is on this interface now, or on none. */
export function linkBound(state: NodeState, link: LinkName, on: InterfaceName | undefined, now: Instant): void {
  if (on === undefined) state.linkInterfaces.delete(link);
  else state.linkInterfaces.set(link, on);
  relink(state, now);
}

function relink(state: NodeState, now: Instant): void {
  for (const adapter of state.adapters.values()) {
    const linked = state.peers.size > 0 && linksOn(state, adapter).length > 0;
    if (linked && !adapter.linked) adapter.linkHeardAt = now;
    adapter.linked = linked;
  }
}

/** A heartbeat of anybody came over this link. */
export function heardOnLink(state: NodeState, link: LinkName, now: Instant): void {
  const name = state.linkInterfaces.get(link);
  const adapter = name === undefined ? undefined : state.adapters.get(name);
  if (adapter === undefined) return;
  adapter.linkHeardAt = now;
  heardFrame(adapter, now, limitOf(state, adapter), now);
}

export function takeFrames(state: NodeState, input: Extract<Input, { kind: "framesCounted" }>, now: Instant): void {
  const adapter = state.adapters.get(input.interface);
  if (adapter === undefined) return;
  const recent_ms = 1.5 * lookEvery(state, adapter, now) + state.cluster.timing.heartbeat / 4;
  framesCounted(adapter, input.frames, { recent_ms, limit_ms: limitOf(state, adapter) }, now);
  watchAdapters(state, now);
}

/** A reference, or a node's own address, answered through this adapter. */
export function heardAnswer(state: NodeState, address: IpAddress, on: InterfaceName, now: Instant): void {
  const adapter = state.adapters.get(on);
  if (adapter === undefined) return;
  heardFrame(adapter, now, limitOf(state, adapter), now);
  if (state.cluster.reference?.includes(address) === true) adapter.referenceAt = now;
}

/** What a peer says of its adapters came: one of them hears nothing, or one here wants to know. */
export function hearAdapters(state: NodeState, peer: Peer, heartbeat: Heartbeat, now: Instant): void {
  keepReports(state, peer, heartbeat, now);
  if (state.adapters.size === 0) return;
  const soon = 1.25 * state.cluster.timing.heartbeat;
  const deaf = heartbeat.adapters.some(({ heardAge_ms }) => heardAge_ms >= soon);
  const waits = (adapter: Adapter): boolean => (adapter.linked || adapter.used) && isSuspect(state, adapter, now);
  if (deaf || [...state.adapters.values()].some(waits)) watchAdapters(state, now);
}

export function excuseAdapters(state: NodeState, gap: Milliseconds, now: Instant): void {
  for (const adapter of state.adapters.values()) excuseAdapter(adapter, gap, now);
}

/** Carrier came or went: nothing is weighed. What follows for the groups, `placeOnAdapters` does. */
export function setCarrier(state: NodeState, adapter: Adapter, down: Down | undefined, now: Instant): void {
  adapter.down = down;
  adapter.frames = undefined;
  adapter.countedAt = undefined;
  adapter.idleCounts = 0;
  adapter.unansweredProbes = 0;
  adapter.nextLook = now;
  adapter.nextProbe = now;
  if (down !== undefined) return conclude(state, adapter, down === "no-carrier" ? "no-carrier" : "down", now);
  adapter.upAt = now;
  adapter.linkHeardAt = now;
  conclude(state, adapter, "undecided", now);
}

/** Nothing comes over the links on it, or nothing at all where none is. */
function isSuspect({ cluster }: NodeState, adapter: Adapter, now: Instant): boolean {
  const soon = 1.25 * cluster.timing.heartbeat;
  return adapter.down === undefined && silenceOfPeers(adapter, now) >= soon;
}

function silenceOfPeers(adapter: Adapter, now: Instant): Milliseconds {
  return adapter.linked ? between(adapter.linkHeardAt ?? adapter.upAt, now) : silence(adapter, now);
}

/** Each tick, and when evidence came: look where it is time, conclude, and let the groups follow. */
export function watchAdapters(state: NodeState, now: Instant): void {
  if (state.adapters.size === 0) return;
  markUsed(state);
  const counted: InterfaceName[] = [];
  for (const adapter of state.adapters.values()) {
    watchMissing(state, adapter, now);
    if (adapter.down !== undefined) continue;
    const every = lookEvery(state, adapter, now);
    // What was put off in quieter times is not waited for.
    adapter.nextLook = earliest(adapter.nextLook, after(now, every));
    if (looksClosely(state, adapter, now) && now >= adapter.nextLook) {
      counted.push(adapter.interface);
      adapter.nextLook = after(now, every);
    }
    ask(state, adapter, now);
  }
  if (counted.length > 0) state.effects.push({ kind: "countFrames", interfaces: counted });
  for (const adapter of state.adapters.values()) judge(state, adapter, now);
  placeOnAdapters(state, now);
}

function markUsed(state: NodeState): void {
  for (const adapter of state.adapters.values()) adapter.used = false;
  for (const group of state.groups.values()) {
    if (!group.addressesWanted) continue;
    for (const { adapters, inUse } of group.segments) {
      const adapter = state.adapters.get(adapters[inUse] as InterfaceName);
      if (adapter !== undefined) adapter.used = true;
    }
  }
}

function looksClosely(state: NodeState, adapter: Adapter, now: Instant): boolean {
  return !adapter.linked || adapter.missedSince !== undefined || isSuspect(state, adapter, now);
}

/** Often while the question is fresh, then ever more rarely: a network that stays dead is not worth a processor. */
function lookEvery(state: NodeState, adapter: Adapter, now: Instant): number {
  const { heartbeat } = state.cluster.timing;
  const silent_ms = silence(adapter, now);
  if (!adapter.linked && !adapter.used && adapter.missedSince === undefined) return IDLE_LOOK_MS;
  if (!adapter.linked && silent_ms < 1.25 * heartbeat) return heartbeat;
  const asked_ms = adapter.missedSince === undefined ? Number.POSITIVE_INFINITY : between(adapter.missedSince, now);
  const open_ms = isSuspect(state, adapter, now) ? silenceOfPeers(adapter, now) : Number.POSITIVE_INFINITY;
  return Math.min(IDLE_LOOK_MS, Math.max(heartbeat / 4, Math.min(open_ms, asked_ms) / 12));
}

/** Ask the stations of its network: of an adapter that hears now and then, of one that does not, often. */
function ask(state: NodeState, adapter: Adapter, now: Instant): void {
  const every = probeEvery(state, adapter, now);
  adapter.nextProbe = earliest(adapter.nextProbe, after(now, every));
  if (now < adapter.nextProbe) return;
  const addresses = state.stations.get(adapter.interface) ?? [];
  adapter.nextProbe = after(now, every);
  if (addresses.length === 0) return;
  adapter.unansweredProbes += 1;
  state.effects.push({ kind: "probe", of: undefined, addresses, through: adapter.interface });
  if (!adapter.linked || every >= IDLE_LOOK_MS) return;
  // What its neighbours ask can be heard by others, on a network where nobody else says anything.
  for (const sibling of siblingsOf(state, adapter))
    if (sibling.down === undefined && between(now, sibling.nextProbe) > every) sibling.nextProbe = now;
}

function probeEvery(state: NodeState, adapter: Adapter, now: Instant): number {
  const { heartbeat } = state.cluster.timing;
  const silent_ms = silence(adapter, now);
  const wanted = adapter.missedSince !== undefined || silent_ms >= 1.25 * heartbeat;
  const idle = !adapter.linked && !adapter.used && adapter.missedSince === undefined;
  if (idle) return silent_ms >= IDLE_LOOK_MS ? IDLE_LOOK_MS : IDLE_PROBE_MS;
  return wanted ? Math.min(IDLE_LOOK_MS, Math.max(heartbeat / 2, silent_ms / 6)) : IDLE_PROBE_MS;
}

/**
 * Another node is not heard there, or hears nothing there itself: whether this one does is what it waits for, so it is told
 * sooner than the next beat, for as long as that is news.
 */
function watchMissing(state: NodeState, adapter: Adapter, now: Instant): void {
  const { heartbeat, dead } = state.cluster.timing;
  const missed =
    adapter.down === undefined && [...state.peers.values()].some((peer) => misses(state, adapter, peer, now));
  if (!missed) {
    adapter.missedSince = undefined;
    return;
  }
  if (adapter.missedSince === undefined) {
    adapter.missedSince = now;
    adapter.nextLook = now;
    adapter.nextProbe = now;
    adapter.nextTell = after(now, heartbeat);
  }
  const news = between(adapter.missedSince, now) < 3 * dead && silence(adapter, now) < 1.25 * heartbeat;
  if (!news || now < adapter.nextTell) return;
  adapter.nextTell = after(now, heartbeat / 2);
  tellEverybody(state);
}

function misses(state: NodeState, adapter: Adapter, peer: Peer, now: Instant): boolean {
  const { heartbeat, dead } = state.cluster.timing;
  const soon = 1.25 * heartbeat;
  if (!isAlive(peer, dead, now)) return false;
  const report = saysNow(state, peer, now) ? reportOf(peer, adapter) : undefined;
  if (report !== undefined && hasFailed(report.state)) return false;
  if (report !== undefined && report.heardAge_ms >= soon && adapter.linked) return true;
  return linksOn(state, adapter).some((link) => {
    const { lastHeard } = peer.links.get(link) ?? {};
    return lastHeard !== undefined && between(lastHeard, now) >= soon;
  });
}

function judge(state: NodeState, adapter: Adapter, now: Instant): void {
  const next = verdict(evidenceOf(state, adapter, now));
  if (next === undefined || next === adapter.state) return;
  if (adapter.state === "silent") {
    // What is known to have failed only comes back by being heard, and not by a single frame.
    if (next !== "ok" || between(adapter.hearsAgainSince ?? now, now) < RECOVERED_MS) return;
  }
  if (next === "ok" && adapter.heardAt === undefined) return;
  conclude(state, adapter, next, now);
}

function conclude(state: NodeState, adapter: Adapter, next: AdapterState, now: Instant): void {
  const before = adapter.state;
  if (next === before) return;
  adapter.state = next;
  adapter.stateSince = now;
  if (hasFailed(next) && !hasFailed(before)) failed(adapter, now);
  tellAdapter(state, adapter, before, now);
  tellEverybody(state);
}

/** When time alone will show something. */
export function adaptersDeadline(state: NodeState, now: Instant): Instant {
  let next = NEVER;
  for (const adapter of state.adapters.values()) {
    if (adapter.down !== undefined) continue;
    const soon = 1.25 * state.cluster.timing.heartbeat;
    // What is looked at or asked now and then waits for a beat.
    if (adapter.missedSince !== undefined || isSuspect(state, adapter, now))
      next = earliest(next, adapter.nextLook, adapter.nextProbe);
    else if (adapter.linked || adapter.used) next = earliest(next, after(now, soon - silenceOfPeers(adapter, now)));
    if (adapter.missedSince !== undefined && adapter.nextTell > now) next = earliest(next, adapter.nextTell);
    const decided = after(now, limitOf(state, adapter) - silence(adapter, now));
    if (decided > now) next = earliest(next, decided);
    const sure = after(adapter.contradictedSince ?? NEVER, sureOf(state, adapter));
    if (sure > now) next = earliest(next, sure);
  }
  // What became due by another input is due now: that this node was late with it would be a stall.
  return next < now ? now : next;
}

/** What every full heartbeat says of them: one for each name. */
export function adapterReports(state: NodeState, now: Instant): readonly AdapterReport[] {
  const age = (at: Instant | undefined): number =>
    at === undefined ? NEVER_MS : Math.min(NEVER_MS, Math.max(0, Math.round(between(at, now))));
  return [...state.adapters.values()].flatMap((adapter) =>
    adapter.names.map((name) => ({
      name,
      interface: adapter.interface,
      state: adapter.state,
      used: adapter.used,
      heardAge_ms: age(adapter.surelyHeardAt),
      referenceAge_ms: age(adapter.referenceAt),
    })),
  );
}
