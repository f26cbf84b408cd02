/** What a reload would change on this node, in lines for an operator, and what forbids it. Pure; changes nothing. */
import type { Group, NodeState } from "./state.ts";
import {
  type Cluster,
  type Failback,
  type GroupConfig,
  isOn,
  type LinkConfig,
  linkText,
  type NodeConfig,
} from "../cluster.ts";
import { isAlive } from "../membership/peer.ts";
import { generationObstacle, type GenerationKnowledge, voterChange } from "../ownership/lease/generation.ts";
import { durationText } from "../ownership/lease/timing.ts";
import type { Instant } from "../units/time.ts";

export interface ReloadPlan {
  /** One line each; none: nothing changes. */
  readonly changes: readonly string[];
  /** What is allowed and yet may cost something. */
  readonly warnings: readonly string[];
  /** Why it is not done at all. */
  readonly obstacles: readonly string[];
}

export function reloadPlan(state: NodeState, next: Cluster, now: Instant): ReloadPlan {
  const before = state.cluster;
  const changes = [
    ...clusterChanges(before, next),
    ...nodeChanges(before, next),
    ...linkChanges(before, next),
    ...groupChanges(state, next),
  ];
  return {
    changes,
    warnings: [...generationWarnings(before, next), ...linkWarnings(before, next), ...groupWarnings(state, next)],
    obstacles: changes.length === 0 ? [] : obstacles(state, next, now),
  };
}

/** Names whatever differs from `before` in one line. */
function changed(what: string, before: string, after: string): string[] {
  return before === after ? [] : [`${what}: ${before} -> ${after}`];
}

function clusterChanges(before: Cluster, next: Cluster): string[] {
  const timing = ({ timing: { heartbeat, dead } }: Cluster): string =>
    `heartbeat ${durationText(heartbeat)}, dead ${durationText(dead)}`;
  const reference = (cluster: Cluster): string => (cluster.reference ?? []).join(" ") || "none";
  return [
    ...changed("name of the cluster", before.name, next.name),
    ...changed("generation", String(before.generation), String(next.generation)),
    ...changed("timing", timing(before), timing(next)),
    ...changed("quorum", before.quorum ?? "majority", next.quorum ?? "majority"),
    ...changed("reference", reference(before), reference(next)),
    ...changed("seal", before.seal, next.seal),
    ...changed("key file", before.keys, next.keys),
  ];
}

function nodeChanges(before: Cluster, next: Cluster): string[] {
  const old = new Map(before.nodes.map((node) => [node.name, node]));
  const lines = next.nodes.filter(({ name }) => !old.has(name)).map(({ name }) => `node ${name} is added`);
  const names = new Set(next.nodes.map((node) => node.name));
  for (const { name } of before.nodes) if (!names.has(name)) lines.push(`node ${name} is removed`);
  const { added, removed } = voterChange(before, next);
  for (const name of added) if (old.has(name)) lines.push(`node ${name} votes from then on`);
  for (const name of removed) if (names.has(name)) lines.push(`node ${name} votes no more`);
  for (const node of next.nodes) {
    const was = old.get(node.name);
    if (was !== undefined) lines.push(...changesOfNode(was, node));
  }
  return lines;
}

function changesOfNode(before: NodeConfig, next: NodeConfig): string[] {
  const list = (fields: Readonly<Record<string, string>>): string =>
    Object.keys(fields)
      .toSorted()
      .map((key) => `${key} ${fields[key]}`)
      .join(", ") || "none";
  return [
    ...changed(`node ${next.name}`, before.role, next.role),
    ...changed(`addresses of node ${next.name}`, list(before.links), list(next.links)),
    ...changed(`link devices of node ${next.name}`, list(before.devices ?? {}), list(next.devices ?? {})),
    ...changed(`interfaces of node ${next.name}`, list(before.interfaces), list(next.interfaces)),
  ];
}

function linkChanges(before: Cluster, next: Cluster): string[] {
  const texts = (cluster: Cluster): Map<string, string> =>
    new Map(cluster.links.map((link) => [link.name, linkText(link)]));
  const [old, now] = [texts(before), texts(next)];
  const lines = [...old.keys()].filter((name) => !now.has(name)).map((name) => `link ${name} is removed`);
  for (const [name, text] of now) {
    const was = old.get(name);
    if (was === undefined) lines.push(`link ${name} is added: ${text}`);
    else lines.push(...changed(`link ${name}`, was, text));
  }
  return lines;
}

function groupChanges(state: NodeState, next: Cluster): string[] {
  const wanted = new Set(next.groups.map((group) => group.name));
  const lines: string[] = [];
  for (const group of state.cluster.groups)
    if (!wanted.has(group.name)) lines.push(`group ${group.name} is removed: ${addressesText(group)}`);
  for (const group of next.groups) {
    const before = state.cluster.groups.find((each) => each.name === group.name);
    if (before === undefined) lines.push(`group ${group.name} is added: ${addressesText(group)}`);
    else lines.push(...changesOfGroup(before, group));
  }
  return lines;
}

function changesOfGroup(before: GroupConfig, next: GroupConfig): string[] {
  const of = (what: string): string => `${what} of group ${next.name}`;
  return [
    ...changed(of("addresses"), addressesText(before), addressesText(next)),
    ...changed(of("prefer"), before.prefer.join(" "), next.prefer.join(" ")),
    ...changed(of("failback"), failbackText(before.failback), failbackText(next.failback)),
    ...changed(of("settle"), durationText(before.settle), durationText(next.settle)),
    ...changed(of("drain"), durationText(before.drain), durationText(next.drain)),
    ...changed(of("on_quorum_loss"), before.onQuorumLoss ?? "release", next.onQuorumLoss ?? "release"),
    ...changed(of("on_conflict"), before.onConflict ?? "defend", next.onConflict ?? "defend"),
  ];
}

function addressesText(group: GroupConfig): string {
  return group.addresses
    .map(({ address, prefixLength, interfaces }) => `${address}/${prefixLength} on ${interfaces.join(" or ")}`)
    .join(" ");
}

function failbackText(failback: Failback): string {
  return failback.kind === "after" ? `after ${durationText(failback.delay)}` : failback.kind;
}

/** What a rolling change of generation means for the groups (docs/protocol.md). */
function generationWarnings(before: Cluster, next: Cluster): string[] {
  if (before.generation === next.generation) return [];
  return [
    "nodes of different generations do not count for each other: reload the standbys first, but so many only that the " +
      "owner keeps a majority, then the owner, then the rest, without a pause (docs/protocol.md)",
  ];
}

/** What the others must know to reach the node there: the names of its own devices are nobody else's business. */
function endText(node: NodeConfig, { name }: LinkConfig): string | undefined {
  return node.links[name] ?? (isOn(node, name) ? "here" : undefined);
}

function linkWarnings(before: Cluster, next: Cluster): string[] {
  const kept = before.links.filter((link) => {
    if (!next.links.some((each) => each.name === link.name && linkText(each) === linkText(link))) return false;
    return before.nodes.every((node) => {
      const after = next.nodes.find((each) => each.name === node.name);
      return after === undefined || endText(node, link) === endText(after, link);
    });
  });
  if (kept.length === before.links.length) return [];
  if (kept.length > 0)
    return [
      `until all nodes are reloaded they are heard on ${kept.map((link) => link.name).join(", ")} for certain only`,
    ];
  return ["no link stays as it is: reloaded nodes and others will not hear each other; change one link at a time"];
}

function groupWarnings(state: NodeState, next: Cluster): string[] {
  const self = next.nodes.find((node) => node.name === state.self.name);
  const lines: string[] = [];
  for (const group of state.groups.values()) {
    if (!isHeldHere(group)) continue;
    const { name } = group.config;
    const config = next.groups.find((each) => each.name === name);
    if (config === undefined) lines.push(`${state.self.name} owns ${name}: its addresses are closed and leave`);
    else if (self === undefined || self.role === "witness" || !config.prefer.includes(self.name))
      lines.push(`${state.self.name} owns ${name} and may not any more: it moves`);
  }
  return lines;
}

function isHeldHere({ lease }: Group): boolean {
  return lease.state.role === "holding";
}

function obstacles(state: NodeState, next: Cluster, now: Instant): string[] {
  const before = state.cluster;
  const found: (string | undefined)[] = [];
  const restart = "it needs a restart of this node";
  if (state.stopping) found.push(`${state.self.name} is stopping`);
  if (next.name !== before.name) found.push(`the cluster has another name: ${restart}`);
  if (next.seal !== before.seal) found.push(`seal changes: ${restart}, and of all others at the same time`);
  if (!next.nodes.some((node) => node.name === state.self.name))
    found.push(`node ${state.self.name}, which runs here, is not in it: stop this daemon instead`);
  found.push(generationObstacle(before, next, knowledge(state, now)));
  if (next.generation !== before.generation) {
    const moving = [...state.groups.values()].find(isMoving);
    if (moving !== undefined) found.push(`${moving.config.name} is being moved: try again when that is done`);
  }
  found.push(...strayAddresses(state, next, now));
  return found.filter((text) => text !== undefined);
}

/** V3 would drop what one of the two nodes still has to say of it. */
function isMoving({ move, offer, lease }: Group): boolean {
  return move !== undefined || offer !== undefined || lease.nominated !== undefined || lease.state.role === "closing";
}

function knowledge(state: NodeState, now: Instant): GenerationKnowledge {
  return {
    now,
    former: state.formerGeneration,
    since: (node) => (node === state.self.name ? state.generationSince : state.peers.get(node)?.generationSince),
  };
}

/**
 * Groups have leases of their own, so no lease keeps an address from being answered under two names. It may not go from one
 * group to another in one step, and none may come while a node is known to run a third configuration.
 */
function strayAddresses(state: NodeState, next: Cluster, now: Instant): string[] {
  const owners = new Map<string, string>();
  for (const group of state.groups.values())
    for (const { address } of group.config.addresses) owners.set(address, group.config.name);
  const lines: string[] = [];
  let added: string | undefined;
  for (const group of next.groups) {
    for (const { address } of group.addresses) {
      const before = owners.get(address);
      if (before === undefined) added ??= address;
      else if (before !== group.name)
        lines.push(
          `${address} goes from group ${before} to ${group.name}: take it out first, reload every node, then add it`,
        );
    }
  }
  if (added === undefined) return lines;
  const digests = new Set([state.cluster.digest, next.digest]);
  const others = [...state.peers.values()].filter(
    (peer) =>
      isAlive(peer, state.cluster.timing.dead, now) && peer.last !== undefined && !digests.has(peer.last.digest),
  );
  if (others.length > 0) {
    const names = others.map((peer) => peer.config.name).join(", ");
    lines.push(
      `${added} is added while ${names} still ${others.length === 1 ? "runs" : "run"} an earlier configuration: reload there first`,
    );
  }
  return lines;
}
