/** Links of every kind in one cluster: UDP, one without IP in place of the second, and a serial line between two nodes. */
import { PRIV } from "./clusters.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";

export const CABLE = "cable" as LinkName;
const BAUDS = [9600, 57_600, 115_200, 921_600];

/** `draw` chooses the speed of the line, and so how much of a heartbeat it carries. */
export function withLinksOfAllKinds(cluster: Cluster, draw: number): Cluster {
  const ends = cluster.nodes.slice(0, 2).map(({ name }) => name);
  return {
    ...cluster,
    links: [
      ...cluster.links.filter(({ name }) => name !== PRIV),
      { kind: "ethernet", name: PRIV },
      { kind: "serial", name: CABLE, baud: BAUDS[draw % BAUDS.length] ?? 115_200 },
    ],
    nodes: cluster.nodes.map((node) => {
      const devices = { [PRIV]: "eth1", ...(ends.includes(node.name) ? { [CABLE]: "/dev/ttyS0" } : {}) };
      const { [PRIV]: _, ...links } = node.links;
      return { ...node, links, devices };
    }),
  };
}
