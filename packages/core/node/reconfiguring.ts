/**
 * Another configuration while everything runs: what did not change is not touched, so what is open stays open. Whether it
 * may be taken over was decided before (reload-plan.ts).
 */
import { configureAdapters } from "./adapters.ts";
import { askAgain } from "./conflicts.ts";
import { endFarewell } from "./handing-over.ts";
import { happened } from "./events.ts";
import { leaseContext, wantAddresses } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { narrowLinks } from "./narrow-links.ts";
import { placeOnAdapters } from "./swapping.ts";
import { type Group, mayEverOwn, newGroup, type NodeState, segmentsHere, tellEverybody } from "./state.ts";
import { type Cluster, type GroupConfig, type NodeConfig, sharedLinks, votersOf } from "../cluster.ts";
import type { Input } from "../effects.ts";
import { audienceOf } from "../membership/audience.ts";
import { newHearing } from "../membership/hearing.ts";
import { newPeer, type Peer } from "../membership/peer.ts";
import { majorityOf } from "../ownership/lease/generation.ts";
import { endHolding, forgetRequest } from "../ownership/lease/holder.ts";
import { becomeIdle, rankDelay } from "../ownership/lease/state.ts";
import type { LinkName } from "../units/names.ts";
import { after, type Instant } from "../units/time.ts";

export function reconfigure(
  state: NodeState,
  { cluster, interfacesDown }: Extract<Input, { kind: "reconfigured" }>,
  now: Instant,
): void {
  const before = state.cluster;
  const self = cluster.nodes.find((node) => node.name === state.self.name);
  if (self === undefined) return;
  const selfBefore = state.self;
  state.cluster = cluster;
  state.self = self;
  state.established = true;
  state.interfacesDown.clear();
  for (const name of interfacesDown) state.interfacesDown.add(name);
  changePeers(state, cluster);
  if (cluster.generation !== before.generation) enterGeneration(state, before, now);
  changeGroups(state, selfBefore, now);
  configureAdapters(state, now);
  placeOnAdapters(state, now);
  happened(state, now, {
    code: "config-changed",
    text: `${self.name} works from configuration ${cluster.digest}, generation ${cluster.generation} (before: ${before.digest}, ${before.generation})`,
  });
  // Whoever holds asks at once: in another generation the grants so far count for nothing.
  state.nextBeat = now;
  state.expectedBy = now;
  tellEverybody(state);
}

function changePeers(state: NodeState, cluster: Cluster): void {
  state.voters = votersOf(cluster);
  state.majority = majorityOf(state.voters.length);
  const audience = audienceOf(cluster, state.self.name);
  state.thinning.narrow = narrowLinks(cluster);
  state.thinning.changes.clear();
  const heard = new Set(audience.map((node) => node.name));
  for (const name of state.peers.keys()) if (!heard.has(name)) state.peers.delete(name);
  for (const config of audience) {
    const links = sharedLinks(cluster.links, state.self, config);
    const peer = state.peers.get(config.name);
    if (peer === undefined) state.peers.set(config.name, newPeer(config, links));
    else changePeer(peer, config, links);
  }
  state.outbox = state.outbox.filter(({ to }) => heard.has(to) || to === state.self.name);
  for (const group of state.groups.values()) {
    group.overheard.clear();
    if (group.owner !== undefined && group.owner !== state.self.name && !heard.has(group.owner)) {
      group.owner = undefined;
      group.ownerSince = undefined;
    }
  }
}

function changePeer(peer: Peer, config: NodeConfig, links: readonly LinkName[]): void {
  peer.config = config;
  for (const name of peer.links.keys()) if (!links.includes(name)) peer.links.delete(name);
  for (const name of links) if (!peer.links.has(name)) peer.links.set(name, newHearing());
}

/** V3, G2: nothing that was said or counted in the generation before counts in this one. The voters' records do. */
function enterGeneration(state: NodeState, before: Cluster, now: Instant): void {
  state.formerGeneration = { voters: votersOf(before), dead: before.timing.dead };
  state.generationSince = now;
  for (const peer of state.peers.values()) {
    const there = peer.last !== undefined && peer.last.generation >= state.cluster.generation;
    peer.generationSince = there ? now : undefined;
  }
  state.outbox = [];
  for (const group of state.groups.values()) {
    const { lease } = group;
    if (lease.state.role === "holding") forgetRequest(lease.state);
    else if (lease.state.role === "preparing")
      becomeIdle(lease, after(now, rankDelay(leaseContext(state, group, now))));
  }
}

function changeGroups(state: NodeState, selfBefore: NodeConfig, now: Instant): void {
  const { groups, timing } = state.cluster;
  const wanted = new Map(groups.map((config) => [config.name, config]));
  for (const group of state.groups.values()) if (!wanted.has(group.config.name)) leave(state, group, now);
  for (const config of groups) {
    const group = state.groups.get(config.name);
    const origin = { timing, kernel: state.kernel, open: new Set<never>(), record: state.retired.get(config.name) };
    state.retired.delete(config.name);
    // In the order of the file, as after a restart.
    state.groups.delete(config.name);
    state.groups.set(config.name, group ?? newGroup(config, state.self, origin, now));
    if (group !== undefined) changeGroup(state, group, config, selfBefore, now);
  }
}

function changeGroup(state: NodeState, group: Group, config: GroupConfig, selfBefore: NodeConfig, now: Instant): void {
  const before = placesText(group, selfBefore);
  const inUse = new Map(group.segments.map(({ names, adapters, inUse: i }) => [names[0], adapters[i]]));
  group.config = config;
  group.leaving = false;
  // An adapter that carries its addresses goes on carrying them, as long as it is one of theirs.
  group.segments = segmentsHere(config, state.self, (segment) => inUse.get(segment));
  const moved = before !== placesText(group, state.self);
  if (moved) {
    group.addressTrouble = undefined;
    // What was offered or relayed was for the addresses before.
    group.macs = [];
    group.addressesPlaced = false;
    if (group.addressesWanted && mayEverOwn(config, state.self)) wantAddresses(state, group, true);
  }
  askAgain(group, now);
  placeGroup(state, group, now);
}

function placesText({ config, segments }: Group, self: NodeConfig): string {
  if (!mayEverOwn(config, self)) return "";
  const on = new Map(segments.map(({ names, adapters, inUse }) => [names[0], adapters[inUse]]));
  return config.addresses
    .map(({ address, prefixLength, interfaces }) => `${on.get(interfaces[0])} ${address}/${prefixLength}`)
    .join(", ");
}

/** The group is not in the configuration any more: what is open is closed first, then given back, then gone. */
function leave(state: NodeState, group: Group, now: Instant): void {
  if (group.leaving) return;
  group.leaving = true;
  const { lease } = group;
  group.move = undefined;
  const relayed = group.offer !== undefined && group.relayUntil !== undefined;
  group.offer = undefined;
  group.relayUntil = undefined;
  group.drainFrom = undefined;
  if (group.farewell !== undefined && group.farewell.stage !== "closing") endFarewell(state, group);
  if (lease.state.role === "preparing") becomeIdle(lease, now);
  if (lease.state.role === "holding") return endHolding(lease, leaseContext(state, group, now), "released", now);
  if (lease.state.role === "closing") return;
  if (relayed || group.inheritedUntil !== undefined)
    state.effects.push({ kind: "close", group: group.config.name, armed: [] });
  group.inheritedUntil = undefined;
  if (group.addressesWanted) wantAddresses(state, group, false);
}

/** Each beat: groups that left and have nothing to say any more. */
export function dropLeft(state: NodeState): void {
  for (const [name, group] of state.groups) {
    const { lease, farewell } = group;
    if (!group.leaving || lease.state.role !== "idle" || farewell !== undefined) continue;
    if (lease.releasing !== undefined || lease.nominated !== undefined) continue;
    state.groups.delete(name);
    state.retired.set(name, group.record);
    state.effects.push({ kind: "forgetGroup", group: name });
  }
}
