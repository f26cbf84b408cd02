/** keepalived.conf for one node of the lab: VRRPv3 by multicast on the service LAN, as its manual shows it. Pure. */
import type { NodePlan, Topology } from "@holdfast/lab/topology.ts";

export interface KeepalivedOptions {
  readonly advert_s: number;
  readonly priority: number;
  /** True: the highest priority takes the address back (keepalived's default). */
  readonly preempt: boolean;
  /** A second instance with an address of its own. */
  readonly other: boolean;
}

/** Of the second instance. */
export const OTHER_ADDRESS = "10.99.0.101";

/** 150, 100, 50, ... by the order of the nodes. */
export function priorityOf(topology: Topology, node: string): number {
  return 150 - 50 * topology.nodes.findIndex((each) => each.name === node);
}

export function keepalivedConfiguration(topology: Topology, node: NodePlan, options: KeepalivedOptions): string {
  const { address, address6 } = topology.service;
  const other = options.other ? instance("other", 52, options, [`${OTHER_ADDRESS}/24`], []) : "";
  return `global_defs {
  router_id ${node.name}
  vrrp_version 3
}
${instance("web", 51, options, [`${address}/24`], [`${address6}/64`])}${other}`;
}

function instance(
  name: string,
  router: number,
  { advert_s, priority, preempt }: KeepalivedOptions,
  addresses: readonly string[],
  excluded: readonly string[],
): string {
  const block = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? "" : `  ${title} {\n${lines.map((line) => `    ${line}\n`).join("")}  }\n`;
  return `vrrp_instance ${name} {
  state BACKUP
  interface eth0
  virtual_router_id ${router}
  priority ${priority}
  advert_int ${advert_s}
${preempt ? "" : "  nopreempt\n"}${block("virtual_ipaddress", addresses)}${block("virtual_ipaddress_excluded", excluded)}}
`;
}
