/**
 * Tables inet and arp: everything of a fenced address is dropped on interfaces that are not `covered` by chains of their
 * own, so that an interface is fenced from its first packet.
 */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import { ARP, coveredKey, INET, PRIORITY } from "./fence-plan.ts";
import type { FencePlan } from "./fence-plan.ts";
import { TYPE_INTERFACE_INDEX, TYPE_INTERFACE_NAME, TYPE_IPV4, TYPE_IPV6 } from "./nftables/batch.ts";
import type { Batch, Element } from "./nftables/batch.ts";
import * as x from "./nftables/expressions.ts";
import type { Expression } from "./nftables/expressions.ts";
import { match, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, neighbourTarget } from "./nftables/matches.ts";
import type { RuleWriter } from "./nftables/matches.ts";

const INET_PREROUTING = 0;
const INET_OUTPUT = 3;
const ARP_INPUT = 0;
const ARP_OUTPUT = 1;
const NFPROTO_IPV4 = Uint8Array.of(2);
const NFPROTO_IPV6 = Uint8Array.of(10);

/** Offsets of the address in each header, and the neighbour discovery message whose target is ours. */
interface Direction {
  readonly ipv4: number;
  readonly ipv6: number;
  readonly arp: number;
  readonly neighbour: Uint8Array;
}

export function writeUncovered(to: RuleWriter, plan: FencePlan): void {
  const addresses = plan.groups.flatMap((group) => group.addresses);
  const v4 = addresses.filter((address) => isIpv4(address)).map((address) => ({ key: ipBytes(address) }));
  const v6 = addresses.filter((address) => !isIpv4(address)).map((address) => ({ key: ipBytes(address) }));
  const coveredType = (TYPE_INTERFACE_INDEX << 6) | TYPE_INTERFACE_NAME;
  for (const table of [INET, ARP]) {
    to.set(table, { name: "covered", flags: 0, keyType: coveredType, keyBytes: 20 });
    to.set(table, { name: "v4", flags: 0, keyType: TYPE_IPV4, keyBytes: 4 });
    to.elements(table, "v4", v4);
  }
  to.set(INET, { name: "v6", flags: 0, keyType: TYPE_IPV6, keyBytes: 16 });
  to.elements(INET, "v6", v6);

  to.chain(INET, "in", { hook: INET_PREROUTING, priority: PRIORITY });
  to.chain(INET, "out", { hook: INET_OUTPUT, priority: PRIORITY });
  to.chain(ARP, "in", { hook: ARP_INPUT, priority: PRIORITY });
  to.chain(ARP, "out", { hook: ARP_OUTPUT, priority: PRIORITY });
  for (const table of [INET, ARP]) {
    to.rule(table, "in", acceptCovered(x.META_INPUT_INDEX, x.META_INPUT_NAME));
    to.rule(table, "out", acceptCovered(x.META_OUTPUT_INDEX, x.META_OUTPUT_NAME));
  }
  writeDrops(to, "in", { ipv4: 16, ipv6: 24, arp: 24, neighbour: NEIGHBOUR_SOLICITATION });
  writeDrops(to, "out", { ipv4: 12, ipv6: 8, arp: 14, neighbour: NEIGHBOUR_ADVERTISEMENT });
}

function writeDrops(to: RuleWriter, chain: string, at: Direction): void {
  const family = x.loadMeta(x.META_FAMILY);
  const drop = x.verdict(x.VERDICT_DROP);
  const address4 = x.loadPayload(x.NETWORK_HEADER, at.ipv4, 4);
  const address6 = x.loadPayload(x.NETWORK_HEADER, at.ipv6, 16);
  to.rule(INET, chain, [...match(family, NFPROTO_IPV4), address4, x.isIn("v4"), drop]);
  to.rule(INET, chain, [...match(family, NFPROTO_IPV6), address6, x.isIn("v6"), drop]);
  // A solicitation goes to a multicast address, and an advertisement may come from another address than it is about.
  to.rule(INET, chain, [...match(family, NFPROTO_IPV6), ...neighbourTarget(at.neighbour), x.isIn("v6"), drop]);
  to.rule(ARP, chain, [x.loadPayload(x.NETWORK_HEADER, at.arp, 4), x.isIn("v4"), drop]);
}

function acceptCovered(index: number, name: number): Expression[] {
  return [
    x.loadMeta(index, x.WORD_0),
    x.loadMeta(name, x.WORD_1),
    x.isIn("covered", x.WORD_0),
    x.verdict(x.VERDICT_ACCEPT),
  ];
}

export function writeCovered(batch: Batch, index: number, name: string): void {
  const elements: Element[] = [{ key: coveredKey(index, name) }];
  batch.elements(INET, "covered", elements).elements(ARP, "covered", elements);
}

export function writeUncover(batch: Batch, index: number, name: string): void {
  const key = coveredKey(index, name);
  batch.deleteElement(INET, "covered", key).deleteElement(ARP, "covered", key);
}
