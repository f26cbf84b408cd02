/** What the heartbeat filter is made for: where heartbeats arrive, and whose they may be. */
import { isIpv4, type IpAddress } from "@holdfast/core/units/ip.ts";

/** One UDP link of this node. */
export interface FilteredLink {
  readonly name: string;
  /** Index of the interface that it arrives by. */
  readonly index: number;
  readonly port: number;
  /** What heartbeats are sent to: this node's own address, and a multicast group where there is one. */
  readonly to: readonly IpAddress[];
  /** The other nodes of the link. */
  readonly from: readonly IpAddress[];
}

export interface FilterPlan {
  readonly links: readonly FilteredLink[];
  /** As in the header of every heartbeat: unsigned 32 bits. */
  readonly cluster: number;
  /** Datagrams a second of one node on one link that are certainly no heartbeats of a node. */
  readonly rate: number;
}

/** Whoever says the same with the same words has the same filter. */
export function planText(plan: FilterPlan): string {
  return JSON.stringify(plan);
}

const BASE = 2000;
const PER_BEAT = 20;
const GROUPS_A_DATAGRAM = 4;

/** Far above what a node sends (a datagram an interval and link, some answers, more with many groups). */
export function rateFor(heartbeat_ms: number, groups: number): number {
  return Math.ceil(BASE + PER_BEAT * (1000 / heartbeat_ms) * (1 + groups / GROUPS_A_DATAGRAM));
}

export type Family = 4 | 6;
export const FAMILIES: readonly Family[] = [4, 6];

export function familyOf(address: IpAddress): Family {
  return isIpv4(address) ? 4 : 6;
}
