/** The configuration as a typed value: what the parser (agent/config) makes of holdfast.yaml and the core works from. */
import type { GroupName, InterfaceName, LinkName, NodeName } from "./units/names.ts";
import type { IpAddress } from "./units/ip.ts";
import type { Milliseconds } from "./units/time.ts";
import { unreachable } from "./units/unreachable.ts";

export interface Cluster {
  readonly name: string;
  readonly generation: number;
  /** Digest of the whole configuration's meaning; 8 lower-case hex digits; the same on every node. */
  readonly digest: string;
  readonly timing: Timing;
  readonly links: readonly LinkConfig[];
  readonly nodes: readonly NodeConfig[];
  /** Whose grants count, in the order of `nodes`; absent: everybody's. */
  readonly voters?: readonly NodeName[];
  readonly groups: readonly GroupConfig[];
  /** `majority` when absent; `available`: of two voters one may go on alone (ownership.md Q1 to Q3). */
  readonly quorum?: "majority" | "available";
  /** Addresses that tell a dead adapter from a dead network. */
  readonly reference?: readonly IpAddress[];
  /** Path of the key file. */
  readonly keys: string;
  /** `encrypt` (default) or `authenticate-only`. */
  readonly seal: "encrypt" | "authenticate-only";
}

/** All from ownership.md section 8; made by `timing()` in ownership/lease/timing.ts, never by hand. */
export interface Timing {
  /** h: the interval of heartbeats and renewals. */
  readonly heartbeat: Milliseconds;
  /** T: the voters' lease, and the silence after which a peer counts as dead. */
  readonly dead: Milliseconds;
  /** W: how long an armed request may be committed; whole jiffies. */
  readonly window: Milliseconds;
  /** K: how long a commit keeps the fence open; whole jiffies. */
  readonly keep: Milliseconds;
  /** J: the kernel's tick. */
  readonly jiffy: Milliseconds;
}

/** One path for heartbeats; which nodes have an end of it, and where, is in their NodeConfig. */
export type LinkConfig = UdpLink | EthernetLink | SerialLink;

export interface UdpLink {
  readonly kind: "udp";
  readonly name: LinkName;
  /** 1 to 65535. */
  readonly port: number;
  /** The group that every node of the link joins; absent: each datagram goes to its receiver's own address. */
  readonly multicast?: IpAddress;
}

/** Ethernet frames of EtherType 0x88B5: needs no IP. */
export interface EthernetLink {
  readonly kind: "ethernet";
  readonly name: LinkName;
}

/** A serial line between two nodes. */
export interface SerialLink {
  readonly kind: "serial";
  readonly name: LinkName;
  /** Bits a second, of which a byte takes ten. */
  readonly baud: number;
}

export interface NodeConfig {
  readonly name: NodeName;
  /** A witness votes and never owns. */
  readonly role: "member" | "witness";
  /** The node's own address on each UDP link that it has an end of, by the link's name. */
  readonly links: Readonly<Record<string, IpAddress>>;
  /** Its interface on each Ethernet link and its tty (a path) on each serial link, by the link's name; absent: none. */
  readonly devices?: Readonly<Record<string, string>>;
  /** Logical interface names to kernel names; empty for a witness. */
  readonly interfaces: Readonly<Record<string, InterfaceName>>;
}

export type Failback =
  | { readonly kind: "manual" }
  | { readonly kind: "immediate" }
  | { readonly kind: "after"; readonly delay: Milliseconds };

export interface GroupAddress {
  readonly address: IpAddress;
  /** 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly prefixLength: number;
  /** Logical or kernel interface names: the service adapter, then its standby adapters. */
  readonly interfaces: readonly string[];
}

export interface GroupConfig {
  readonly name: GroupName;
  readonly addresses: readonly GroupAddress[];
  /** Who may own it, most wanted first. */
  readonly prefer: readonly NodeName[];
  readonly failback: Failback;
  /** The least time between two moves that the cluster makes by its own choice (failback). */
  readonly settle: Milliseconds;
  /** How long established TCP stays on the old owner of a planned move; 0: it is reset. */
  readonly drain: Milliseconds;
  /** `release` when absent; `hold`: the owner goes on without a majority while nobody else is known to claim it. */
  readonly onQuorumLoss?: "release" | "hold";
  /** What the owner does when a stranger keeps one of its addresses (RFC 5227 section 2.4); `defend` when absent. */
  readonly onConflict?: "defend" | "yield" | "alarm";
}

/** "udp/7400", "udp/7400 to 239.1.2.3", "ethernet", "serial at 115200 baud". */
export function linkText(link: LinkConfig): string {
  switch (link.kind) {
    case "udp":
      return `udp/${link.port}${link.multicast === undefined ? "" : ` to ${link.multicast}`}`;
    case "ethernet":
      return "ethernet";
    case "serial":
      return `serial at ${link.baud} baud`;
    default:
      return unreachable(link);
  }
}

/** Of more nodes than this only some vote, and not everybody hears everybody. */
export const EVERYBODY_MAX = 7;

/** The names of the nodes that vote. */
export function votersOf(cluster: Pick<Cluster, "voters" | "nodes">): readonly NodeName[] {
  return cluster.voters ?? cluster.nodes.map((node) => node.name);
}

/** The node has an end of the link. */
export function isOn(node: NodeConfig, link: LinkName): boolean {
  return node.links[link] !== undefined || node.devices?.[link] !== undefined;
}

/** The links that both nodes have an end of, in the order of the configuration: there, and only there, they hear each other. */
export function sharedLinks(links: readonly LinkConfig[], a: NodeConfig, b: NodeConfig): readonly LinkName[] {
  return links.map((link) => link.name).filter((name) => isOn(a, name) && isOn(b, name));
}

/**
 * The group's segments: each interface name that its addresses use, in the order of the file, the same on every node. Lists
 * of one MAC address for each segment (`macs` of effects and messages) are in this order.
 */
export function segmentsOf(group: GroupConfig): readonly string[] {
  return [...new Set(group.addresses.map((address) => address.interfaces[0] ?? ""))];
}

/**
 * The adapters of each segment on `node`, by the kernel's names, the service adapter first; segments in the order of
 * `segmentsOf`. A node that gives two names to one adapter has it once.
 */
export function adaptersOf(node: NodeConfig, group: GroupConfig): readonly (readonly InterfaceName[])[] {
  return segmentsOf(group).map((segment) => {
    const names = group.addresses.find(({ interfaces }) => interfaces[0] === segment)?.interfaces ?? [];
    return [...new Set(names.map((name) => node.interfaces[name] ?? (name as InterfaceName)))];
  });
}

/** The kernel interface on `node` that carries `address` as its service adapter; undefined when the node names none. */
export function interfaceFor(node: NodeConfig, address: GroupAddress): InterfaceName | undefined {
  const wanted = address.interfaces[0];
  if (wanted === undefined) return undefined;
  return node.interfaces[wanted] ?? (wanted as InterfaceName);
}
