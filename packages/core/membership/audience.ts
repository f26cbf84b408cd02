/**
 * Who exchanges heartbeats with whom: a voter with everybody; two nodes that do not vote only when a group may be owned by
 * both (companions: they hand it over to each other). So traffic grows with nodes times voters, not with nodes squared.
 */
import { type Cluster, type NodeConfig, votersOf } from "../cluster.ts";
import type { NodeName } from "../units/names.ts";

/** The other nodes that `self` sends heartbeats to and expects them from, in the order of the configuration. */
export function audienceOf(cluster: Cluster, self: NodeName): readonly NodeConfig[] {
  const others = cluster.nodes.filter((node) => node.name !== self);
  const voters = new Set(votersOf(cluster));
  if (voters.has(self)) return others;
  const companions = companionsOf(cluster, self);
  return others.filter((node) => voters.has(node.name) || companions.has(node.name));
}

/** The nodes that may own a group which `node` may own too; itself among them when there is one. */
export function companionsOf(cluster: Cluster, node: NodeName): ReadonlySet<NodeName> {
  return new Set(cluster.groups.filter(({ prefer }) => prefer.includes(node)).flatMap(({ prefer }) => prefer));
}
