/**
 * The fence's tables as nf_tables objects (ownership.md section 4).
 *
 * table netdev: each covered interface has a chain at ingress and one at egress, which send packets of fenced addresses
 * into the chains of their group (fence-packets.ts). These look at sets that datagrams of the daemon to itself move at the
 * egress of `lo` (fence-orders.ts).
 * tables inet and arp: shut what is not covered (fence-uncovered.ts).
 */
import { writeOrders, writeState, toRenewals, dropRenewals } from "./fence-orders.ts";
import { writeEgress, writeIngress, writePackets } from "./fence-packets.ts";
import {
  chainId,
  digestOf,
  egressChain,
  ingressChain,
  layoutDigest,
  NETDEV,
  PLAN_SET,
  PRIORITY,
  TABLES,
} from "./fence-plan.ts";
import type { FencePlan } from "./fence-plan.ts";
import { writeUncovered } from "./fence-uncovered.ts";
import { TYPE_IPV6 } from "./nftables/batch.ts";
import type { Batch } from "./nftables/batch.ts";
import { RuleCount } from "./nftables/matches.ts";
import type { RuleWriter } from "./nftables/matches.ts";

const INGRESS = 0;
const EGRESS = 1;

/** Everything but the chains of interfaces. */
export function writeTables(batch: Batch, plan: FencePlan, tableFlags: number): void {
  for (const table of TABLES) batch.table(table, tableFlags, layoutDigest());
  writeContent(batch, plan);
}

function writeContent(to: RuleWriter, plan: FencePlan): void {
  to.set(NETDEV, { name: PLAN_SET, flags: 0, keyType: TYPE_IPV6, keyBytes: 16 });
  to.elements(NETDEV, PLAN_SET, [{ key: digestOf(plan) }]);
  writeState(to);
  writePackets(to, plan);
  writeOrders(to, plan);
  writeUncovered(to, plan);
}

/** The chains of one interface; `lo` takes the datagrams too. */
export function writeInterface(to: RuleWriter, index: number, name: string): void {
  const ingress = ingressChain(index, name);
  const egress = egressChain(index, name);
  to.chain(NETDEV, ingress, { hook: INGRESS, priority: PRIORITY, device: name });
  to.chain(NETDEV, egress, { hook: EGRESS, priority: PRIORITY, device: name });
  if (name === "lo") {
    to.rule(NETDEV, ingress, dropRenewals());
    to.rule(NETDEV, egress, toRenewals());
  }
  writeIngress(to, ingress);
  writeEgress(to, egress);
}

/** How many rules each chain has when nobody touched them, by `chainId`. */
export function expectedRules(plan: FencePlan, interfaces: ReadonlyMap<number, string>): ReadonlyMap<string, number> {
  const count = new RuleCount(chainId);
  writeContent(count, plan);
  for (const [index, name] of interfaces) writeInterface(count, index, name);
  return count.counts;
}
