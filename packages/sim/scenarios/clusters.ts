/** Configurations for scenarios: how many nodes and groups, at which timing. */
import type { Cluster, Failback, GroupAddress, GroupConfig, NodeConfig } from "@holdfast/core/cluster.ts";
import type { GroupName, InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

export type Times = readonly [heartbeat: number, dead: number, window: number, keep: number];

/** Settings of the table in ownership.md section 8, at HZ 250. */
export const SETTINGS: readonly Times[] = [
  [100, 300, 48, 236],
  [100, 400, 48, 332],
  [10, 50, 12, 28],
  [10, 100, 12, 76],
];
export const DEFAULT_TIMES: Times = [100, 300, 48, 236];
export const SLOW_TIMES: Times = [1000, 3000, 480, 2440];

/** rho. */
export const RATE_ERROR = 0.01;
export const SERVICE = "eth0" as InterfaceName;
export const BACK = "eth1" as InterfaceName;
export const SERVICE_STANDBY = "eth2" as InterfaceName;
export const BACK_STANDBY = "eth3" as InterfaceName;
export const LAN = "lan" as LinkName;
export const PRIV = "priv" as LinkName;

export interface ClusterOptions {
  readonly failback?: Failback;
  readonly drain_ms?: number;
  /** Groups have addresses on two segments. */
  readonly twoSegments?: boolean;
  /** The last node votes and never owns. */
  readonly witness?: boolean;
  readonly seal?: Cluster["seal"];
  /** Each segment has a standby adapter, on the network of the other. */
  readonly standbyAdapters?: boolean;
}

export function clusterOf(
  nodes: number,
  groups: readonly string[],
  [heartbeat, dead, window, keep]: Times,
  options: ClusterOptions = {},
): Cluster {
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}` as NodeName);
  return {
    name: "test",
    generation: 1,
    digest: "0000abcd",
    timing: {
      heartbeat: milliseconds(heartbeat),
      dead: milliseconds(dead),
      window: milliseconds(window),
      keep: milliseconds(keep),
      jiffy: milliseconds(4),
    },
    links: [
      { kind: "udp", name: LAN, port: 7400 },
      { kind: "udp", name: PRIV, port: 7400 },
    ],
    nodes: names.map((name, i) => nodeOf(name, i, options.witness === true && i === nodes - 1)),
    groups: groups.map((name, i) => groupOf(name as GroupName, i, names, options)),
    keys: "/nowhere",
    seal: options.seal ?? "encrypt",
  };
}

function nodeOf(name: NodeName, index: number, witness: boolean): NodeConfig {
  return {
    name,
    role: witness ? "witness" : "member",
    links: { lan: `10.0.0.${index + 1}` as IpAddress, priv: `10.0.1.${index + 1}` as IpAddress },
    interfaces: witness
      ? {}
      : { service: SERVICE, back: BACK, "service-standby": SERVICE_STANDBY, "back-standby": BACK_STANDBY },
  };
}

function groupOf(
  name: GroupName,
  index: number,
  prefer: readonly NodeName[],
  { failback, drain_ms, twoSegments, standbyAdapters }: ClusterOptions,
): GroupConfig {
  const at = (network: string, interfaceName: string): GroupAddress => ({
    address: `${network}.${100 + index}` as IpAddress,
    prefixLength: 24,
    interfaces: standbyAdapters === true ? [interfaceName, `${interfaceName}-standby`] : [interfaceName],
  });
  return {
    name,
    addresses: twoSegments === true ? [at("10.0.0", "service"), at("10.1.0", "back")] : [at("10.0.0", "service")],
    prefer,
    failback: failback ?? { kind: "manual" },
    settle: milliseconds(10_000),
    drain: milliseconds(drain_ms ?? 0),
  };
}
