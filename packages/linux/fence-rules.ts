/**
 * The fence's tables as nf_tables objects (ownership.md section 4): what is dropped while a group's lease is not alive,
 * and how datagrams of the daemon to itself move that lease.
 *
 * table netdev: for each interface a chain at ingress and egress sends packets of a fenced address into its group's
 * chain, which drops unless the group is in `alive`. On `lo` the renewals of the daemon move `armed` and `alive`.
 * tables inet and arp: drop everything of a fenced address on interfaces that are not `covered` by such chains, so that
 * an interface is fenced from its first packet.
 */
import { createHash } from "node:crypto";
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { FAMILY_ARP, FAMILY_INET, FAMILY_NETDEV, SET_DYNAMIC, SET_MAP, SET_TIMEOUT } from "./nftables/batch.ts";
import { TYPE_INTERFACE_INDEX, TYPE_INTERFACE_NAME, TYPE_IPV4, TYPE_IPV6, TYPE_SERVICE } from "./nftables/batch.ts";
import type { Batch, Element, Table } from "./nftables/batch.ts";
import * as x from "./nftables/expressions.ts";
import type { Expression } from "./nftables/expressions.ts";

const NAME = "holdfast";
export const NETDEV: Table = { family: FAMILY_NETDEV, name: NAME };
export const INET: Table = { family: FAMILY_INET, name: NAME };
export const ARP: Table = { family: FAMILY_ARP, name: NAME };
export const TABLES: readonly Table[] = [NETDEV, INET, ARP];

/** First byte of a renewal datagram. */
export const RENEW_ARM = 1;
export const RENEW_COMMIT = 2;
export const RENEW_DISARM = 3;
export const RENEW_CLOSE = 4;

/** A group's number is the UDP port of its renewals. */
export interface FencedGroup {
  /** 1 to 65535, unique. */
  readonly number: number;
  readonly addresses: readonly IpAddress[];
  /** Established TCP may stay on the old owner of a planned move. */
  readonly drain?: boolean;
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

/** Raised with every change of the rules below, so that a newer daemon replaces older tables. */
const LAYOUT = 2;
/** Before every other hook of a usual rule set. */
const PRIORITY = -450;
const INGRESS = 0;
const EGRESS = 1;
const INET_PREROUTING = 0;
const INET_OUTPUT = 3;
const ARP_INPUT = 0;
const ARP_OUTPUT = 1;

const ETHERTYPE_IPV4 = Uint8Array.of(0x08, 0x00);
const ETHERTYPE_ARP = Uint8Array.of(0x08, 0x06);
const ETHERTYPE_IPV6 = Uint8Array.of(0x86, 0xdd);
const UDP = Uint8Array.of(17);
const ICMPV6 = Uint8Array.of(58);
const NEIGHBOUR_SOLICITATION = Uint8Array.of(135);
const NEIGHBOUR_ADVERTISEMENT = Uint8Array.of(136);
const NFPROTO_IPV4 = Uint8Array.of(2);
const NFPROTO_IPV6 = Uint8Array.of(10);
const RENEWAL_NETWORK = Uint8Array.of(127, 9, 0, 0);
const RENEWAL_MASK = Uint8Array.of(255, 255, 0, 0);

/** Expired elements stay in memory up to this long; at 10 ms and many groups a second's worth would fill `armed`. */
const COLLECT_MS = 100;
const ARMED_MAX = 65_536;
const RENEWAL_CHAIN = "renewal";

/** What the tables carry as user data: tells whether they are the ones of this plan. */
export function digestOf(plan: FencePlan): Uint8Array {
  return createHash("sha256")
    .update(JSON.stringify([LAYOUT, plan]))
    .digest()
    .subarray(0, 16);
}

export function groupChain(group: number): string {
  return `g${group}`;
}

export function ingressChain(index: number, name: string): string {
  return `in-${index}-${name}`;
}

export function egressChain(index: number, name: string): string {
  return `out-${index}-${name}`;
}

/** The key of `armed` of one group is `127.9.x.y . port`; of `alive` its port. */
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

/** Everything but the chains of interfaces. */
export function writeTables(batch: Batch, plan: FencePlan, tableFlags: number): void {
  const digest = digestOf(plan);
  for (const table of TABLES) batch.table(table, tableFlags, digest);
  writeLease(batch, plan);
  writeRenewals(batch, plan);
  writeUncovered(batch, plan);
}

function writeLease(batch: Batch, plan: FencePlan): void {
  const timed = SET_DYNAMIC | SET_TIMEOUT;
  const armedType = (TYPE_IPV4 << 6) | TYPE_SERVICE;
  batch.set(NETDEV, {
    name: "armed",
    flags: timed,
    keyType: armedType,
    keyBytes: 8,
    size: ARMED_MAX,
    collect_ms: COLLECT_MS,
  });
  batch.set(NETDEV, {
    name: "alive",
    flags: timed,
    keyType: TYPE_SERVICE,
    keyBytes: 2,
    size: ARMED_MAX,
    collect_ms: COLLECT_MS,
  });
  batch.set(NETDEV, { name: "v4", flags: SET_MAP, keyType: TYPE_IPV4, keyBytes: 4 });
  batch.set(NETDEV, { name: "v6", flags: SET_MAP, keyType: TYPE_IPV6, keyBytes: 16 });
  for (const group of plan.groups) {
    const chain = groupChain(group.number);
    batch.chain(NETDEV, chain);
    batch.rule(NETDEV, chain, [x.loadConstant(groupKey(group.number)), x.isNotIn("alive"), x.verdict(x.VERDICT_DROP)]);
  }
  const elements = plan.groups.flatMap((group) =>
    group.addresses.map((address) => ({ address, key: ipBytes(address), jump: groupChain(group.number) })),
  );
  batch.elements(
    NETDEV,
    "v4",
    elements.filter((element) => isIpv4(element.address)),
  );
  batch.elements(
    NETDEV,
    "v6",
    elements.filter((element) => !isIpv4(element.address)),
  );
}

/** Accepting a renewal makes its send succeed, dropping it makes the send fail: the daemon knows at once. */
function writeRenewals(batch: Batch, plan: FencePlan): void {
  batch.chain(NETDEV, RENEWAL_CHAIN);
  const loadKey = [x.loadPayload(x.NETWORK_HEADER, 16, 4, x.WORD_0), x.loadPayload(x.TRANSPORT_HEADER, 2, 2, x.WORD_1)];
  const loadGroup = x.loadPayload(x.TRANSPORT_HEADER, 2, 2, x.REGISTER_1);
  const accept = x.verdict(x.VERDICT_ACCEPT);
  const renewals: [code: number, actions: Expression[]][] = [
    // Adding leaves an armed number's deadline as it is: arming again must not move W past the first acceptance (F1).
    [RENEW_ARM, [...loadKey, x.changeSet("armed", x.DYNSET_ADD, x.WORD_0, plan.window_ms)]],
    [
      RENEW_COMMIT,
      [
        ...loadKey,
        x.isIn("armed", x.WORD_0),
        loadGroup,
        x.changeSet("alive", x.DYNSET_UPDATE, x.REGISTER_1, plan.keep_ms),
      ],
    ],
    [RENEW_DISARM, [...loadKey, x.changeSet("armed", x.DYNSET_DELETE, x.WORD_0)]],
    [RENEW_CLOSE, [loadGroup, x.changeSet("alive", x.DYNSET_DELETE, x.REGISTER_1)]],
  ];
  for (const [code, actions] of renewals) {
    batch.rule(NETDEV, RENEWAL_CHAIN, [
      ...match(x.loadMeta(x.META_TRANSPORT), UDP),
      ...match(x.loadMeta(x.META_SOCKET_USER), new Uint8Array(Uint32Array.of(plan.uid).buffer)),
      ...match(x.loadPayload(x.TRANSPORT_HEADER, 8, 1), Uint8Array.of(code)),
      ...actions,
      accept,
    ]);
  }
  batch.rule(NETDEV, RENEWAL_CHAIN, [x.verdict(x.VERDICT_DROP)]);
}

/** The chains of one interface; `loopback` takes the renewals too. Rules in a chain: see `rulesOfInterface`. */
export function writeInterface(batch: Batch, index: number, name: string): void {
  const ingress = ingressChain(index, name);
  const egress = egressChain(index, name);
  batch.chain(NETDEV, ingress, { hook: INGRESS, priority: PRIORITY, device: name });
  batch.chain(NETDEV, egress, { hook: EGRESS, priority: PRIORITY, device: name });
  if (name === "lo") {
    batch.rule(NETDEV, ingress, [...renewalNetwork(), x.verdict(x.VERDICT_DROP)]);
    batch.rule(NETDEV, egress, [...renewalNetwork(), x.verdict(x.VERDICT_JUMP, RENEWAL_CHAIN)]);
  }
  // A destination at ingress, a source at egress: what others send to the group's owner through us stays untouched.
  writeIpDispatch(batch, ingress, 16, 24);
  writeIpDispatch(batch, egress, 12, 8);
  writeNeighbourDispatch(batch, egress);
}

/** Offsets of the address in each header, and the neighbour discovery message whose target is ours. */
interface Direction {
  readonly ipv4: number;
  readonly arp: number;
  readonly ipv6: number;
  readonly neighbour: Uint8Array;
}

/** Sends packets into the chain of the group that has the address at these offsets of the IPv4 and IPv6 header. */
function writeIpDispatch(batch: Batch, chain: string, ipv4: number, ipv6: number): void {
  const protocol = x.loadMeta(x.META_PROTOCOL);
  const address4 = [x.loadPayload(x.NETWORK_HEADER, ipv4, 4), x.verdictFrom("v4")];
  const address6 = [x.loadPayload(x.NETWORK_HEADER, ipv6, 16), x.verdictFrom("v6")];
  batch.rule(NETDEV, chain, [...match(protocol, ETHERTYPE_IPV4), ...address4]);
  batch.rule(NETDEV, chain, [...match(protocol, ETHERTYPE_IPV6), ...address6]);
}

/**
 * What tells others that the address is here: ARP and neighbour advertisements that leave. Those that come in pass: the
 * answer is what a closed group must not give, and a standby that is a client itself has to hear who owns the address.
 */
function writeNeighbourDispatch(batch: Batch, egress: string): void {
  const protocol = x.loadMeta(x.META_PROTOCOL);
  const sender = [x.loadPayload(x.NETWORK_HEADER, 14, 4), x.verdictFrom("v4")];
  batch.rule(NETDEV, egress, [...match(protocol, ETHERTYPE_ARP), ...sender]);
  batch.rule(NETDEV, egress, [
    ...match(protocol, ETHERTYPE_IPV6),
    ...neighbourTarget(NEIGHBOUR_ADVERTISEMENT),
    x.verdictFrom("v6"),
  ]);
}

export function rulesOfInterface(name: string): { readonly ingress: number; readonly egress: number } {
  const renewals = name === "lo" ? 1 : 0;
  return { ingress: 2 + renewals, egress: 4 + renewals };
}

export function writeCovered(batch: Batch, index: number, name: string): void {
  const elements: Element[] = [{ key: coveredKey(index, name) }];
  batch.elements(INET, "covered", elements).elements(ARP, "covered", elements);
}

export function writeUncover(batch: Batch, index: number, name: string): void {
  const key = coveredKey(index, name);
  batch.deleteElement(INET, "covered", key).deleteElement(ARP, "covered", key);
}

function writeUncovered(batch: Batch, plan: FencePlan): void {
  const addresses = plan.groups.flatMap((group) => group.addresses);
  const v4 = addresses.filter((address) => isIpv4(address)).map((address) => ({ key: ipBytes(address) }));
  const v6 = addresses.filter((address) => !isIpv4(address)).map((address) => ({ key: ipBytes(address) }));
  for (const table of [INET, ARP]) {
    batch.set(table, {
      name: "covered",
      flags: 0,
      keyType: (TYPE_INTERFACE_INDEX << 6) | TYPE_INTERFACE_NAME,
      keyBytes: 20,
    });
    batch.set(table, { name: "v4", flags: 0, keyType: TYPE_IPV4, keyBytes: 4 });
    batch.elements(table, "v4", v4);
  }
  batch.set(INET, { name: "v6", flags: 0, keyType: TYPE_IPV6, keyBytes: 16 });
  batch.elements(INET, "v6", v6);

  batch.chain(INET, "in", { hook: INET_PREROUTING, priority: PRIORITY });
  batch.chain(INET, "out", { hook: INET_OUTPUT, priority: PRIORITY });
  batch.chain(ARP, "in", { hook: ARP_INPUT, priority: PRIORITY });
  batch.chain(ARP, "out", { hook: ARP_OUTPUT, priority: PRIORITY });
  for (const table of [INET, ARP]) {
    batch.rule(table, "in", acceptCovered(x.META_INPUT_INDEX, x.META_INPUT_NAME));
    batch.rule(table, "out", acceptCovered(x.META_OUTPUT_INDEX, x.META_OUTPUT_NAME));
  }
  writeInetDrops(batch, "in", { ipv4: 16, arp: 24, ipv6: 24, neighbour: NEIGHBOUR_SOLICITATION });
  writeInetDrops(batch, "out", { ipv4: 12, arp: 14, ipv6: 8, neighbour: NEIGHBOUR_ADVERTISEMENT });
  const drop = x.verdict(x.VERDICT_DROP);
  batch.rule(ARP, "in", [x.loadPayload(x.NETWORK_HEADER, 24, 4), x.isIn("v4"), drop]);
  batch.rule(ARP, "out", [x.loadPayload(x.NETWORK_HEADER, 14, 4), x.isIn("v4"), drop]);
}

function writeInetDrops(batch: Batch, chain: string, at: Direction): void {
  const family = x.loadMeta(x.META_FAMILY);
  const drop = x.verdict(x.VERDICT_DROP);
  batch.rule(INET, chain, [
    ...match(family, NFPROTO_IPV4),
    x.loadPayload(x.NETWORK_HEADER, at.ipv4, 4),
    x.isIn("v4"),
    drop,
  ]);
  batch.rule(INET, chain, [
    ...match(family, NFPROTO_IPV6),
    x.loadPayload(x.NETWORK_HEADER, at.ipv6, 16),
    x.isIn("v6"),
    drop,
  ]);
  batch.rule(INET, chain, [...match(family, NFPROTO_IPV6), ...neighbourTarget(at.neighbour), x.isIn("v6"), drop]);
}

function acceptCovered(index: number, name: number): Expression[] {
  return [
    x.loadMeta(index, x.WORD_0),
    x.loadMeta(name, x.WORD_1),
    x.isIn("covered", x.WORD_0),
    x.verdict(x.VERDICT_ACCEPT),
  ];
}

/** A solicitation for a closed address goes to a multicast address, and an advertisement may come from another address. */
function neighbourTarget(type: Uint8Array): Expression[] {
  return [
    ...match(x.loadMeta(x.META_TRANSPORT), ICMPV6),
    ...match(x.loadPayload(x.TRANSPORT_HEADER, 0, 1), type),
    x.loadPayload(x.TRANSPORT_HEADER, 8, 16),
  ];
}

function renewalNetwork(): Expression[] {
  return [
    ...match(x.loadMeta(x.META_PROTOCOL), ETHERTYPE_IPV4),
    x.loadPayload(x.NETWORK_HEADER, 16, 4),
    x.mask(4, RENEWAL_MASK),
    x.isEqual(RENEWAL_NETWORK),
  ];
}

function match(load: Expression, value: Uint8Array): Expression[] {
  return [load, x.isEqual(value)];
}

/** How many rules each chain of the tables has when nobody touched them (chains of interfaces apart). */
export function expectedRules(plan: FencePlan): Map<string, number> {
  const expected = new Map<string, number>([[chainId(NETDEV, RENEWAL_CHAIN), 5]]);
  for (const group of plan.groups) expected.set(chainId(NETDEV, groupChain(group.number)), 1);
  for (const name of ["in", "out"]) expected.set(chainId(INET, name), 4).set(chainId(ARP, name), 2);
  return expected;
}

/** One text for a chain or set of a table. */
export function chainId(table: Table, name: string): string {
  return `${table.family} ${name}`;
}
