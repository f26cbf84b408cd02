/**
 * Another plan in place, as one transaction: groups come, go and change while `armed`, `alive` and the other sets that
 * datagrams move stay as they are, so that what is open stays open.
 */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { writeOrderRules } from "./fence-orders.ts";
import { addressKeys, DISPATCHED, GROUP_CHAINS, writeGroup, writeGroupRules } from "./fence-packets.ts";
import { ARP, digestOf, groupChain, INET, NETDEV, networksText, PLAN_SET } from "./fence-plan.ts";
import type { FencedGroup, FencePlan } from "./fence-plan.ts";
import type { Batch, Table } from "./nftables/batch.ts";

const ORDER_CHAINS = ["relay", "pass", "orders", "renewal"] as const;

/** Writes nothing when nothing changes. An address that changes its group is never between them: the kernel takes all at once. */
export function writeChange(batch: Batch, before: FencePlan, after: FencePlan): boolean {
  const same = Buffer.compare(digestOf(before), digestOf(after)) === 0;
  if (same) return false;
  const old = new Map(before.groups.map((group) => [group.number, group]));
  const next = new Map(after.groups.map((group) => [group.number, group]));
  removeElements(batch, before, after);
  for (const group of before.groups) if (!next.has(group.number)) removeGroup(batch, group.number);
  for (const group of after.groups) changeGroup(batch, old.get(group.number), group);
  addElements(batch, before, after);
  if (before.window_ms !== after.window_ms || before.keep_ms !== after.keep_ms) {
    for (const chain of ORDER_CHAINS) batch.flushChain(NETDEV, chain);
    writeOrderRules(batch, after);
  }
  batch.deleteElement(NETDEV, PLAN_SET, digestOf(before));
  batch.elements(NETDEV, PLAN_SET, [{ key: digestOf(after) }]);
  return true;
}

function changeGroup(batch: Batch, before: FencedGroup | undefined, group: FencedGroup): void {
  if (before === undefined) return writeGroup(batch, group);
  const networks = (of: FencedGroup): string => networksText(of.networks).join(" ");
  if ((before.drain === true) === (group.drain === true) && networks(before) === networks(group)) return;
  for (const chain of GROUP_CHAINS) batch.flushChain(NETDEV, groupChain(group.number, chain));
  writeGroupRules(batch, group);
}

function removeGroup(batch: Batch, number: number): void {
  // Chains go to each other: none can be deleted before all are empty.
  for (const chain of GROUP_CHAINS) batch.flushChain(NETDEV, groupChain(number, chain));
  for (const chain of GROUP_CHAINS) batch.deleteChain(NETDEV, groupChain(number, chain));
}

/** Sets that list addresses, whatever their group. */
const ADDRESS_SETS: readonly (readonly [table: Table, set: string, family: 4 | 6])[] = [
  [NETDEV, "v4", 4],
  [INET, "v4", 4],
  [INET, "v6", 6],
  [ARP, "v4", 4],
];

function removeElements(batch: Batch, before: FencePlan, after: FencePlan): void {
  const kept = owners(after);
  for (const [address, group] of owners(before)) {
    const key = ipBytes(address);
    const family = isIpv4(address) ? 4 : 6;
    if (kept.get(address) !== group)
      for (const chain of DISPATCHED) batch.deleteElement(NETDEV, `${chain}${family}`, key);
    if (kept.has(address)) continue;
    for (const [table, set, of] of ADDRESS_SETS) if (of === family) batch.deleteElement(table, set, key);
  }
}

function addElements(batch: Batch, before: FencePlan, after: FencePlan): void {
  const known = owners(before);
  const gained = after.groups.map((group) => ({
    ...group,
    addresses: group.addresses.filter((address) => known.get(address) !== group.number),
  }));
  for (const family of [4, 6] as const) {
    const keys = addressKeys({ ...after, groups: gained }, family);
    for (const chain of DISPATCHED) {
      const jumps = keys.map(({ key, group }) => ({ key, jump: groupChain(group, chain) }));
      batch.elements(NETDEV, `${chain}${family}`, jumps);
    }
  }
  const fresh = [...owners(after).keys()].filter((address) => !known.has(address));
  for (const [table, set, family] of ADDRESS_SETS) {
    const keys = fresh
      .filter((address) => isIpv4(address) === (family === 4))
      .map((address) => ({ key: ipBytes(address) }));
    batch.elements(table, set, keys);
  }
}

function owners(plan: FencePlan): ReadonlyMap<IpAddress, number> {
  return new Map(
    plan.groups.flatMap(({ number, addresses }) => addresses.map((address) => [address, number] as const)),
  );
}
