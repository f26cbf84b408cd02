/** What the fence is made for, and the names that its parts share: tables, chains, keys. */
import { createHash } from "node:crypto";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { FAMILY_ARP, FAMILY_INET, FAMILY_NETDEV } from "./nftables/batch.ts";
import type { Table } from "./nftables/batch.ts";

const NAME = "holdfast";
export const NETDEV: Table = { family: FAMILY_NETDEV, name: NAME };
export const INET: Table = { family: FAMILY_INET, name: NAME };
export const ARP: Table = { family: FAMILY_ARP, name: NAME };
export const TABLES: readonly Table[] = [NETDEV, INET, ARP];

/** Raised with every change of the rules, so that a newer daemon replaces older tables. */
const LAYOUT = 6;
/** Before every other hook of a usual rule set. */
export const PRIORITY = -450;

/** A group's number is the UDP port of its datagrams. */
export interface FencedGroup {
  /** 1 to 65535, unique. */
  readonly number: number;
  readonly addresses: readonly IpAddress[];
  /** Networks that the addresses are in: who is in one of them is reached without a router. */
  readonly networks?: readonly Network[];
  /** Established TCP may stay on the old owner of a planned move. */
  readonly drain?: boolean;
}

export interface Network {
  /** Any address of it. */
  readonly address: IpAddress;
  readonly prefixLength: number;
}

export interface FencePlan {
  readonly groups: readonly FencedGroup[];
  /** W: how long an armed number may be committed. */
  readonly window_ms: number;
  /** K: how long a commit keeps the group open. */
  readonly keep_ms: number;
  /** Who may renew. */
  readonly uid: number;
}

export function checkNumbers(plan: FencePlan): Result<void, string> {
  const wrong = plan.groups.find(({ number }) => !Number.isInteger(number) || number < 1 || number > 65_535);
  return wrong === undefined
    ? success(undefined)
    : failure(`fence: group number ${wrong.number} is not within 1 to 65535`);
}

/** Another node on one of our interfaces. */
export interface Station {
  readonly interface: number;
  readonly mac: Mac;
}

/** What the tables carry as user data: tells whether they are made by these rules. */
export function layoutDigest(): Uint8Array {
  return createHash("sha256").update(`holdfast fence ${LAYOUT}`).digest().subarray(0, 16);
}

/** A set of one element, the digest of the plan that is in force: unlike user data it changes with the plan. */
export const PLAN_SET = "plan";

/** Whatever their order. */
export function networksText(networks: readonly Network[] = []): readonly string[] {
  return networks.map(({ address, prefixLength }) => `${address}/${prefixLength}`).toSorted();
}

/** 16 bytes, whatever the order of groups and addresses. */
export function digestOf(plan: FencePlan): Uint8Array {
  const groups = plan.groups
    .toSorted((a, b) => a.number - b.number)
    .map(({ number, addresses, networks, drain }) => [
      number,
      addresses.toSorted(),
      networksText(networks),
      drain === true,
    ]);
  return createHash("sha256")
    .update(JSON.stringify([groups, plan.window_ms, plan.keep_ms, plan.uid]))
    .digest()
    .subarray(0, 16);
}

/** What becomes of packets of one group: each a chain of its own. */
export type GroupChain = "to" | "forward" | "shut" | "relayed" | "passed" | "from" | "late" | "fromOld" | "says";

export function groupChain(group: number, name: GroupChain): string {
  return `g${group}-${name}`;
}

export function ingressChain(index: number, name: string): string {
  return `in-${index}-${name}`;
}

export function egressChain(index: number, name: string): string {
  return `out-${index}-${name}`;
}

/** Of `alive` and the other sets of groups; the key of `armed` is `127.9.x.y . port`. */
export function groupKey(group: number): Uint8Array {
  return Uint8Array.of(group >> 8, group & 0xff);
}

/** Index in the machine's order, then the name in 16 bytes: a renamed or re-made interface is another key. */
export function coveredKey(index: number, name: string): Uint8Array {
  const key = new Uint8Array(20);
  key.set(new Uint8Array(Uint32Array.of(index).buffer));
  key.set(Buffer.from(name).subarray(0, 15), 4);
  return key;
}

/** Of `ports`: the index in the machine's order. */
export function portKey(index: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index).buffer);
}

/** One text for a chain or set of a table. */
export function chainId(table: Table, name: string): string {
  return `${table.family} ${name}`;
}
