/** The lab's network as data (who sits where, under which address) and the commands that build it. Pure. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import { parseMac } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

export type LinkName = "lan" | "priv";
export const LINKS: readonly LinkName[] = ["lan", "priv"];

/** A node's cables: one for each link, and that of its standby adapter, where it has one, to the bridge of the lan. */
export type CableName = LinkName | "standby";
export const CABLES: readonly CableName[] = [...LINKS, "standby"];

export interface NodePlan {
  readonly name: string;
  readonly role: "member" | "witness";
  readonly lan: Ipv4;
  readonly lan6: Ipv6;
  readonly priv: Ipv4;
  readonly mac: Mac;
  readonly privMac: Mac;
  /** eth2, on the same network as eth0. */
  readonly standby?: { readonly address: Ipv4; readonly address6: Ipv6; readonly mac: Mac };
}

/** A station on the lan bridge that is no node: the client and the watcher. */
export interface StationPlan {
  readonly name: "client" | "watch";
  readonly address: Ipv4;
  readonly address6: Ipv6;
  readonly mac: Mac;
}

export interface Topology {
  readonly nodes: readonly NodePlan[];
  readonly client: StationPlan;
  readonly watch: StationPlan;
  /** The addresses of the group `web`. */
  readonly service: { readonly group: string; readonly address: Ipv4; readonly address6: Ipv6 };
}

/** All on one machine. Of more than seven some vote (configuration.ts). */
export const MOST_NODES = 16;
export const HEARTBEAT_PORT = 7400;

/**
 * Sources of the watcher's ARP requests and neighbour solicitations, one for each number modulo their count: such an
 * answer carries no number, but the address it goes to tells which question it answers.
 */
export const PROBE_SOURCES = 64;
const FIRST_PROBE_SOURCE = 128;

export function probeSource(sequence: number): Ipv4 {
  return ip4(`10.99.0.${FIRST_PROBE_SOURCE + (sequence % PROBE_SOURCES)}`);
}

export function probeSource6(sequence: number): Ipv6 {
  return ip6(`fd99::1:${(FIRST_PROBE_SOURCE + (sequence % PROBE_SOURCES)).toString(16)}`);
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** `count` nodes n1, n2, ...; with `witness` the last votes and never owns; with `standby` the others have a second adapter. */
export function planTopology(count: number, witness: boolean, standby = false): Topology {
  const nodes = Array.from({ length: count }, (_, i): NodePlan => {
    const role = witness && i === count - 1 ? "witness" : "member";
    const second = {
      address: ip4(`10.99.0.${41 + i}`),
      address6: ip6(`fd99::${41 + i}`),
      mac: mac(`02:68:66:00:02:${hexByte(i + 1)}`),
    };
    return {
      name: `n${i + 1}`,
      role,
      lan: ip4(`10.99.0.${11 + i}`),
      lan6: ip6(`fd99::${11 + i}`),
      priv: ip4(`172.31.0.${11 + i}`),
      mac: mac(`02:68:66:00:00:${hexByte(i + 1)}`),
      privMac: mac(`02:68:66:00:01:${hexByte(i + 1)}`),
      ...(standby && role === "member" ? { standby: second } : {}),
    };
  });
  return {
    nodes,
    client: {
      name: "client",
      address: ip4("10.99.0.200"),
      address6: ip6("fd99::200"),
      mac: mac("02:68:66:00:00:c8"),
    },
    watch: {
      name: "watch",
      address: ip4("10.99.0.201"),
      address6: ip6("fd99::201"),
      mac: mac("02:68:66:00:00:c9"),
    },
    service: { group: "web", address: ip4("10.99.0.100"), address6: ip6("fd99::100") },
  };
}

/** The switch's end of a cable. */
export function port(station: string, cable: CableName): string {
  return `${station}-${cable}`;
}

/** The switch's ends of a node's cables. */
export function portsOf(node: NodePlan): readonly string[] {
  return CABLES.filter((cable) => cable !== "standby" || node.standby !== undefined).map((cable) =>
    port(node.name, cable),
  );
}

/** Input of `ip -batch` in the lab's own namespace, which is the switch: bridges, namespaces, cables. */
export function switchCommands(topology: Topology): string {
  const lines = ["link set lo up"];
  for (const link of LINKS) {
    // Forward delay and snooping off: a port works the instant it is up, and multicast needs no querier.
    lines.push(`link add ${link} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`, `link set ${link} up`);
  }
  const cable = (station: string, name: CableName, adapter: string, address: Mac) => {
    const end = port(station, name);
    lines.push(
      `link add name ${end} type veth peer name ${adapter} address ${address} netns ${station}`,
      `link set ${end} master ${name === "standby" ? "lan" : name} up`,
    );
  };
  for (const station of [topology.client, topology.watch]) {
    lines.push(`netns add ${station.name}`);
    cable(station.name, "lan", "eth0", station.mac);
  }
  for (const node of topology.nodes) {
    lines.push(`netns add ${node.name}`);
    cable(node.name, "lan", "eth0", node.mac);
    cable(node.name, "priv", "eth1", node.privMac);
    if (node.standby) cable(node.name, "standby", "eth2", node.standby.mac);
  }
  return text(lines);
}

/** Input of `ip -batch` inside a node. */
export function nodeCommands(node: NodePlan): string {
  const lines = [
    "link set lo up",
    "link set eth0 up",
    "link set eth1 up",
    `address add ${node.lan}/24 brd + dev eth0`,
    `address add ${node.lan6}/64 dev eth0 nodad`,
    `address add ${node.priv}/24 brd + dev eth1`,
  ];
  const { standby } = node;
  if (standby) {
    lines.push(
      "link set eth2 up",
      `address add ${standby.address}/24 brd + dev eth2`,
      `address add ${standby.address6}/64 dev eth2 nodad`,
    );
  }
  return text(lines);
}

/** Input of `ip -batch` inside the client or the watcher. */
export function stationCommands(station: StationPlan): string {
  const lines = [
    "link set lo up",
    "link set eth0 up",
    `address add ${station.address}/24 brd + dev eth0`,
    `address add ${station.address6}/64 dev eth0 nodad`,
  ];
  if (station.name === "watch") {
    // Nodes check by unicast that the sources of neighbour solicitations are there: the kernel answers for them.
    for (let i = 0; i < PROBE_SOURCES; i++) lines.push(`address add ${probeSource6(i)}/128 dev eth0 nodad`);
  }
  return text(lines);
}

/** Run by sh inside every namespace before its links go up: no duplicate address detection, IPv6 on. */
export const NAMESPACE_SCRIPT = `for d in /proc/sys/net/ipv6/conf/*; do
  echo 0 > $d/disable_ipv6; echo 0 > $d/accept_dad; echo 0 > $d/dad_transmits
done
exec ip -batch -`;

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function ip4(address: string): Ipv4 {
  return parseIp(address) as Ipv4;
}

function ip6(address: string): Ipv6 {
  return parseIp(address) as Ipv6;
}

function mac(address: string): Mac {
  return parseMac(address) as Mac;
}
