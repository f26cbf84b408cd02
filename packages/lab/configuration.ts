/** The files a lab's nodes are started with: one holdfast.yaml for all of them, and the key file. */
import { EVERYBODY_MAX } from "@holdfast/core/cluster.ts";
import { HEARTBEAT_PORT } from "./topology.ts";
import type { Topology } from "./topology.ts";

/** Of a large cluster. */
const FLEET_VOTERS = 5;
const FLEET_CANDIDATES = 8;

export interface Timing {
  /** With its unit, as in the configuration: "100ms". */
  readonly heartbeat: string;
  readonly dead: string;
}

export const DEFAULT_TIMING: Timing = { heartbeat: "100ms", dead: "300ms" };

function isLarge({ nodes }: Topology): boolean {
  return nodes.length > EVERYBODY_MAX;
}

/** Who may own the group. */
export function candidatesOf(topology: Topology): readonly string[] {
  const members = topology.nodes.filter((node) => node.role === "member").map((node) => node.name);
  return isLarge(topology) ? members.slice(0, FLEET_CANDIDATES) : members;
}

export function configuration(cluster: string, topology: Topology, timing: Timing, keys: string): string {
  const nodes = topology.nodes.map((node) => {
    const interfaces = node.standby ? "{ service: eth0, standby: eth2 }" : "{ service: eth0 }";
    const role = node.role === "witness" ? ", role: witness" : `, interfaces: ${interfaces}`;
    return `  ${node.name}: { lan: ${node.lan}, priv: ${node.priv}${role} }\n`;
  });
  const members = topology.nodes.filter((node) => node.role === "member").map((node) => node.name);
  const { group, address, address6 } = topology.service;
  const large = isLarge(topology);
  const witnesses = topology.nodes.filter((node) => node.role === "witness").map((node) => node.name);
  const some = [...members.slice(0, FLEET_VOTERS - witnesses.length), ...witnesses];
  const voters = large ? `voters: [${some.join(", ")}]\n` : "";
  const standby = topology.nodes.some((node) => node.standby !== undefined);
  const { client } = topology;
  const reference = standby ? `reference: [${client.address}, "${client.address6}"]\n` : "";
  return `version: 1
cluster: { name: ${cluster}, keys: ${JSON.stringify(keys)} }
timing: { heartbeat: ${timing.heartbeat}, dead: ${timing.dead} }
${voters}${reference}links:
  lan: { port: ${HEARTBEAT_PORT} }
  priv: { port: ${HEARTBEAT_PORT} }
nodes:
${nodes.join("")}groups:
  ${group}:
    interfaces: [service${standby ? ", standby" : ""}]
    addresses: [${address}/24, "${address6}/64"]
    prefer: [${candidatesOf(topology).join(", ")}]
    failback: manual
    settle: 0ms
`;
}

/** A key file with one fresh key; write it with mode 0600. */
export function keyFile(key: Uint8Array): string {
  return `active: lab\nkeys: { lab: "base64:${Buffer.from(key).toString("base64")}" }\n`;
}
