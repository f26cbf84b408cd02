/** Doctor: what the kernel has of the groups, addresses and fences, is what the daemon believes; and nothing is left over. */
import type { Status } from "@holdfast/api/schema.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import { native } from "@holdfast/linux/load.ts";
import { ourTables } from "@holdfast/linux/fence-tables.ts";
import { readRemaining } from "@holdfast/linux/fence-states.ts";
import { TABLES } from "@holdfast/linux/fence-plan.ts";
import { MessageWriter } from "@holdfast/linux/netlink/message.ts";
import { RequestSocket } from "@holdfast/linux/netlink/socket.ts";
import { TABLE_OWNER, TABLE_PERSIST } from "@holdfast/linux/nftables/batch.ts";
import { fail, type Finding, ok, reasonOf, skip, warn } from "./finding.ts";

const ADDRESSES = "addresses";
const FENCE = "fence";
const NETLINK_NETFILTER = 12;

/** Where an address of a group is on this machine. */
export interface HeldAddress {
  readonly address: string;
  readonly interface: string;
}

/** Addresses on the interfaces against owners. */
export function judgeAddresses(
  cluster: Cluster,
  status: Status | undefined,
  held: readonly HeldAddress[],
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const group of cluster.groups) {
    const seen = status?.groups.find(({ name }) => name === group.name);
    const owns = status !== undefined && seen?.owner === status.node;
    for (const { address } of group.addresses) {
      const place = held.find((each) => each.address === address);
      if (owns && place === undefined)
        findings.push(
          fail(
            ADDRESSES,
            `this node owns ${group.name} and ${address} is on no interface`,
            "who removes it? see foreign managers below, and: holdfast events",
          ),
        );
      if (owns || place === undefined || seen?.state === "moving") continue;
      const owner = status === undefined ? "no daemon runs here" : `${seen?.owner ?? "nobody"} owns ${group.name}`;
      findings.push(
        fail(
          ADDRESSES,
          `${address} is on ${place.interface} although ${owner}`,
          `find out who put it there (ip -d address show ${place.interface}), then: ip address del ${address} dev ${place.interface}`,
        ),
      );
    }
  }
  if (findings.length > 0) return findings;
  const count = cluster.groups.reduce((sum, group) => sum + group.addresses.length, 0);
  return [ok(ADDRESSES, `${held.length} of ${count} group addresses are here, as they should be`)];
}

export interface FenceFacts {
  /** Of the daemon's tables: how many are there, and the flags of the weakest. */
  readonly tables: number;
  readonly flags: number;
  /** How many groups are open in the kernel. */
  readonly open: number;
}

/** Throws without CAP_NET_ADMIN. */
export function lookAtFence(): FenceFacts {
  const socket = new RequestSocket(native, NETLINK_NETFILTER);
  const writer = new MessageWriter();
  try {
    const tables = ourTables(socket, writer);
    if (!tables.ok) throw new Error(tables.error);
    const flags = tables.value.reduce((both, table) => both & table.flags, TABLE_OWNER | TABLE_PERSIST);
    if (tables.value.length === 0) return { tables: 0, flags, open: 0 };
    const open = readRemaining(socket, writer);
    return { tables: tables.value.length, flags, open: open.ok ? open.value.size : 0 };
  } finally {
    socket.close();
  }
}

export function fenceFacts(): FenceFacts | string {
  try {
    return lookAtFence();
  } catch (error) {
    return reasonOf(error);
  }
}

export function judgeFence(facts: FenceFacts | string, status: Status | undefined): Finding {
  if (typeof facts === "string") return skip(FENCE, `not looked at: ${facts} (run it as root)`);
  const { tables, flags, open } = facts;
  if (status === undefined) {
    if (tables === 0) return ok(FENCE, "no daemon, and nothing of one is left in the packet filter");
    if (open > 0)
      return warn(
        FENCE,
        `no daemon answers and the fence is open for ${open} groups`,
        "it ends by itself within a second",
      );
    return ok(FENCE, "no daemon; its fence is left behind, closed");
  }
  if (tables < TABLES.length)
    return fail(
      FENCE,
      `${TABLES.length - tables} of the fence's ${TABLES.length} tables are gone: nothing guards the addresses`,
      "the daemon puts them back within a second; who flushes the packet filter? see: holdfast events",
    );
  const owned = status.groups.filter(({ owner }) => owner === status.node).length;
  if (open !== owned)
    return warn(
      FENCE,
      `the kernel is open for ${open} groups, the daemon believes to own ${owned}`,
      "run it again: a move may have been under way; if it stays so: holdfast events",
    );
  if ((flags & TABLE_PERSIST) === 0)
    return warn(
      FENCE,
      `open for ${open} of ${status.groups.length} groups; this kernel does not keep others from flushing it`,
      "Linux 6.9 or later; keep nft flush ruleset out of scripts",
    );
  return ok(
    FENCE,
    `open for ${open} of ${status.groups.length} groups, as the daemon believes; safe from nft flush ruleset`,
  );
}
