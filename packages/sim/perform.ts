/** What effects do to a virtual node, and the inputs they bring back. */
import { type Fate, fateOf } from "./effect-faults.ts";
import type { Daemon, VirtualNode } from "./virtual-node.ts";
import type { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { InterfaceName } from "@holdfast/core/units/names.ts";
import { unreachable } from "@holdfast/core/units/unreachable.ts";

const BECAUSE = "the simulated kernel would not";

export function perform(world: VirtualCluster, node: VirtualNode, daemon: Daemon, effect: Effect): void {
  const { group: groupName } = effect as { readonly group?: Extract<Effect, { kind: "arm" }>["group"] };
  const fate = fateOf(effect, world.effectFaults, world.randomState);
  if (fate !== "works") world.counts.failedEffects += 1;
  const back = performed(world, node, daemon, effect, fate);
  if (back !== undefined) daemon.results.push(back);
  if (groupName !== undefined && CHANGES_FENCE.has(effect.kind)) world.checkers.owners.check(groupName);
}

const CHANGES_FENCE: ReadonlySet<Effect["kind"]> = new Set(["commit", "close", "forward", "relay", "passConnections"]);

type LeaseEffect = Extract<Effect, { kind: "saveVotes" | "arm" | "commit" | "close" | "forward" | "relay" }>;

function performed(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  effect: Effect,
  fate: Fate,
): Input | undefined {
  switch (effect.kind) {
    case "send":
      for (const entry of effect.heartbeat.lease) {
        world.checkers.votes.said(daemon.boot, entry);
        world.checkers.identities.said(node.name, daemon.boot, entry);
      }
      for (const link of effect.links) world.send(node, daemon, effect.to, link, effect.heartbeat);
      return;
    case "flush":
      return { kind: "flush" };
    case "saveVotes":
    case "arm":
    case "commit":
    case "close":
    case "forward":
    case "relay":
      return performLease(world, node, daemon, effect, fate);
    case "placeAddresses":
      return placeAddresses(node, effect, fate);
    case "passConnections":
      node.kernel.fence.passConnections(effect.group, effect.macs, effect.for_ms);
      return;
    case "resetConnections":
      return;
    case "announce":
      world.checkers.service.announced(node, effect.group, effect.term);
      node.announcing.set(effect.group, effect.term);
      node.announced.push({ group: effect.group, term: effect.term, at: world.now });
      world.checkers.clients.announced(node, effect.group);
      return;
    case "forgetGroup":
      return;
    case "countFrames":
      countFrames(world, node, daemon, effect.interfaces);
      return;
    case "probe":
      world.probe(node, effect);
      return;
    case "stopAnnouncing":
      node.announcing.delete(effect.group);
      return;
    case "record":
      node.events.push(effect.event);
      return;
    case "reply":
      world.checkers.service.replied(node, effect.request);
      node.replies.push(effect);
      return;
    case "saveDrained":
      node.drained = effect.reason;
      return;
    case "savePauses":
      node.pauses = effect.pauses;
      return;
    case "exit":
      node.exited = true;
      world.kill(node.name);
      return;
    default:
      return unreachable(effect);
  }
}

function performLease(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  effect: LeaseEffect,
  fate: Fate,
): Input | undefined {
  const { fence } = node.kernel;
  const { group } = effect;
  const done = fate !== "nothing";
  const failed = fate !== "works";
  switch (effect.kind) {
    case "saveVotes":
      if (done) world.saveVotes(node, group, effect.record);
      else world.checkers.votes.notSaved(node, group);
      return failed ? { kind: "saveFailed", group, detail: BECAUSE } : undefined;
    case "arm":
      world.checkers.identities.armed(node.name, daemon.boot, effect.number);
      if (done) {
        world.checkers.votes.armed(daemon.boot, group, effect.number, world.now);
        fence.arm(group, effect.number);
      }
      return failed ? { kind: "armFailed", group, number: effect.number, detail: BECAUSE } : undefined;
    case "commit":
      return commit(world, node, daemon, effect, fate);
    case "close":
      if (done) fence.close(group, effect.armed);
      return failed ? { kind: "closeFailed", group, detail: BECAUSE } : { kind: "closed", group };
    case "forward":
      return done && fence.forward(group, effect.armed, effect.macs)
        ? { kind: "forwarded", group }
        : { kind: "forwardFailed", group, detail: BECAUSE };
    case "relay": {
      const relays = done && fence.relay(group, effect.macs, effect.for_ms);
      return relays && !failed ? { kind: "relaying", group } : { kind: "relayFailed", group, detail: BECAUSE };
    }
  }
}

function commit(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  effect: Extract<Effect, { kind: "commit" }>,
  fate: Fate,
): Input {
  const { group, number } = effect;
  const { fence } = node.kernel;
  const { checkers, counts } = world;
  if (number <= daemon.forgotten)
    checkers.report("C12", `${node.name} commits ${group} number ${number}, asked for before it was stalled`);
  const before = fence.aliveUntil(group);
  if (fate === "nothing" || !fence.commit(group, number)) {
    counts.refusedCommits += 1;
    return { kind: "commitRefused", group, number, detail: "window over" };
  }
  counts.commits += 1;
  checkers.owners.opening(node.kernel, group, before);
  const lease = daemon.state.groups.get(group)?.lease.state;
  const granted = lease?.role === "holding" ? lease.grants.size : daemon.state.majority;
  checkers.silences?.committed(node.name, group, granted < daemon.state.majority, world.now);
  const holds = lease?.role === "holding" || lease?.role === "closing";
  const ballot = holds ? (checkers.votes.ballotOf(daemon.boot, number) ?? lease.ballot) : undefined;
  if (ballot === undefined) checkers.report("I3", `${node.name} commits ${group} number ${number} and holds nothing`);
  else {
    checkers.service.opened(node, group, ballot.round);
    const until = fence.aliveUntil(group);
    checkers.votes.committed(node, daemon.boot, group, { ballot, number }, daemon.state.majority, until);
  }
  return fate === "works"
    ? { kind: "committed", group, number }
    : { kind: "commitRefused", group, number, detail: BECAUSE };
}

function countFrames(
  { wiring }: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  interfaces: readonly InterfaceName[],
): void {
  if (wiring === undefined) return;
  for (const on of interfaces)
    daemon.results.push({ kind: "framesCounted", interface: on, frames: wiring.frames(node, on) });
}

function placeAddresses(
  node: VirtualNode,
  effect: Extract<Effect, { kind: "placeAddresses" }>,
  fate: Fate,
): Input | undefined {
  const { group, wanted, adapters } = effect;
  // What cannot be removed is tried again by the adapter itself, which keeps what is wanted.
  if (!wanted) {
    node.addresses.delete(group);
    return undefined;
  }
  if (fate !== "nothing") {
    node.addresses.add(group);
    node.kernel.placed.set(group, adapters);
  }
  if (fate !== "works") return { kind: "addressesFailed", group, detail: BECAUSE };
  if (node.stationless) return { kind: "addressesPlaced", group, macs: [] };
  const macs = adapters.map((adapter) => node.kernel.macs.get(adapter));
  return { kind: "addressesPlaced", group, macs: macs.every((mac) => mac !== undefined) ? macs : [] };
}
