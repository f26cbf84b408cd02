/**
 * The rule set of the fence: what is in the kernel, as requests (ownership.md section 4, kernel-facts sections 1 and 11).
 *
 *   netdev holdfast  at ingress and egress of every interface: packets to, from, and neighbour discovery answers for a
 *                    fenced address jump to their group's chain, which drops unless the group is in `alive`.
 *                    At egress of lo the daemon's datagrams to 127.9.0.0/16 change `armed` and `alive`.
 *   inet, arp holdfast  drop the same packets on every interface that is not in `covered`: an interface that appears later
 *                    is closed from its first packet until its netdev chains are there.
 */
import {
  accept,
  addElements,
  BASE,
  constant,
  counter,
  deleteChain,
  deleteElements,
  deleteFromSet,
  differs,
  drop,
  type Element,
  equals,
  type Expression,
  isIn,
  isNotIn,
  jump,
  KEY,
  META,
  meta,
  newChain,
  newDynamicSet,
  newPlainSet,
  newRule,
  newVerdictMap,
  payload,
  REGISTER,
  type Table,
  updateSet,
  verdictFrom,
} from "./expressions.ts";
import { FAMILY, native32, type Request, u16 } from "./message.ts";
import { type IpAddress, ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";

export const NETDEV: Table = { family: FAMILY.netdev, name: "holdfast" };
export const INET: Table = { family: FAMILY.inet, name: "holdfast" };
export const ARP: Table = { family: FAMILY.arp, name: "holdfast" };
export const TABLES: readonly Table[] = [NETDEV, INET, ARP];

/** What the daemon's datagrams to 127.9.0.0/16 ask for, in their first byte. */
export const COMMAND = { arm: 1, commit: 2, disarm: 3, close: 4 } as const;

export interface FencedGroup {
  /** 1 to 65535: the UDP port of the group's datagrams. */
  readonly number: number;
  readonly addresses: readonly IpAddress[];
}

export interface FenceRules {
  readonly groups: readonly FencedGroup[];
  /** W, whole milliseconds. */
  readonly window_ms: number;
  /** K, whole milliseconds. */
  readonly keep_ms: number;
  /** Whose datagrams count. */
  readonly uid: number;
}

/** Before everything else that hooks there, packet sockets excepted. */
const PRIORITY = -450;
const HOOK = { ingress: 0, egress: 1, prerouting: 0, output: 3, arpOutput: 1 } as const;
/** Numbers armed and not yet forgotten by the kernel's collector, for all groups together. */
const ARMED_MAX = 262_144;
const GROUPS_MAX = 65_535;

const ETHERTYPE = { ipv4: u16(0x0800), arp: u16(0x0806), ipv6: u16(0x86dd) } as const;
const ICMPV6 = Uint8Array.of(58);
const UDP = Uint8Array.of(17);
const NEIGHBOUR_ADVERTISEMENT = Uint8Array.of(136);

const isIpv4Packet = [meta(META.protocol), equals(ETHERTYPE.ipv4)];
const isArpPacket = [meta(META.protocol), equals(ETHERTYPE.arp)];
const isIpv6Packet = [meta(META.protocol), equals(ETHERTYPE.ipv6)];
const ipv4Source = payload(BASE.network, 12, 4);
const ipv4Destination = payload(BASE.network, 16, 4);
const ipv6Source = payload(BASE.network, 8, 16);
const ipv6Destination = payload(BASE.network, 24, 16);
const arpSender = payload(BASE.network, 14, 4);
const isAdvertisement = [
  payload(BASE.network, 6, 1),
  equals(ICMPV6),
  payload(BASE.transport, 0, 1),
  equals(NEIGHBOUR_ADVERTISEMENT),
];
const advertisedTarget = payload(BASE.transport, 8, 16);
/** 127.9.0.0/16 */
const isForTheFence = [...isIpv4Packet, payload(BASE.network, 16, 2), equals(u16(0x7f09))];

/** Everything but the interfaces: closed, and no interface covered. */
export function tableContents(rules: FenceRules): Request[] {
  return [...sets(), ...renewal(rules), ...dispatch(), ...groupChains(rules), ...uncovered(), ...mapElements(rules)];
}

function sets(): Request[] {
  return [
    newDynamicSet(NETDEV, "armed", 1, KEY.ipv4AndPort, ARMED_MAX),
    newDynamicSet(NETDEV, "alive", 2, KEY.port, GROUPS_MAX),
    newVerdictMap(NETDEV, "v4", 3, KEY.ipv4),
    newVerdictMap(NETDEV, "v6", 4, KEY.ipv6),
    newPlainSet(INET, "covered", 5, KEY.interface),
    newPlainSet(INET, "v4", 6, KEY.ipv4),
    newPlainSet(INET, "v6", 7, KEY.ipv6),
    newPlainSet(ARP, "covered", 8, KEY.interface),
    newPlainSet(ARP, "v4", 9, KEY.ipv4),
  ];
}

/** What a datagram to 127.9.0.0/16 does (F1, F2, F3). Accepted = done; dropped = refused, which the sender is told. */
function renewal(rules: FenceRules): Request[] {
  const commandIs = (command: number): Expression[] => [payload(BASE.transport, 8, 1), equals(Uint8Array.of(command))];
  const port = payload(BASE.transport, 2, 2);
  // The number is in the address, the group is the port: exactly this request of exactly this group.
  const request = [payload(BASE.network, 16, 4, REGISTER.r0), payload(BASE.transport, 2, 2, REGISTER.r1)];
  const rule = (...expressions: readonly Expression[]): Request => newRule(NETDEV, "renewal", ...expressions);
  return [
    newChain(NETDEV, "renewal"),
    rule(meta(META.socketUser), differs(native32(rules.uid)), drop()),
    rule(payload(BASE.network, 9, 1), differs(UDP), drop()),
    rule(...commandIs(COMMAND.arm), ...request, updateSet("armed", rules.window_ms), accept()),
    rule(...commandIs(COMMAND.commit), ...request, isIn("armed"), port, updateSet("alive", rules.keep_ms), accept()),
    rule(...commandIs(COMMAND.disarm), ...request, deleteFromSet("armed"), accept()),
    rule(...commandIs(COMMAND.close), port, deleteFromSet("alive"), accept()),
    rule(counter(), drop()),
  ];
}

/**
 * Ingress: whatever is addressed to a fenced address. Egress: whatever speaks for it. Questions for its MAC may come in:
 * the answer is what must not go out, and a standby that is itself a client must hear who the owner is.
 */
function dispatch(): Request[] {
  return [
    newChain(NETDEV, "incoming"),
    newRule(NETDEV, "incoming", ...isIpv4Packet, ipv4Destination, verdictFrom("v4")),
    newRule(NETDEV, "incoming", ...isIpv6Packet, ipv6Destination, verdictFrom("v6")),
    newChain(NETDEV, "outgoing"),
    newRule(NETDEV, "outgoing", ...isIpv4Packet, ipv4Source, verdictFrom("v4")),
    newRule(NETDEV, "outgoing", ...isArpPacket, arpSender, verdictFrom("v4")),
    newRule(NETDEV, "outgoing", ...isIpv6Packet, ipv6Source, verdictFrom("v6")),
    newRule(NETDEV, "outgoing", ...isIpv6Packet, ...isAdvertisement, advertisedTarget, verdictFrom("v6")),
  ];
}

export function groupChain(number: number): string {
  return `group-${number}`;
}

function groupChains(rules: FenceRules): Request[] {
  return rules.groups.flatMap(({ number }) => [
    newChain(NETDEV, groupChain(number)),
    newRule(NETDEV, groupChain(number), constant(u16(number)), isNotIn("alive"), counter(), drop()),
  ]);
}

function uncovered(): Request[] {
  const comesElsewhere = [meta(META.inputInterface), isNotIn("covered")];
  const leavesElsewhere = [meta(META.outputInterface), isNotIn("covered")];
  return [
    newChain(INET, "input", { number: HOOK.prerouting, priority: PRIORITY }),
    newRule(INET, "input", ...comesElsewhere, ...isIpv4Packet, ipv4Destination, isIn("v4"), drop()),
    newRule(INET, "input", ...comesElsewhere, ...isIpv6Packet, ipv6Destination, isIn("v6"), drop()),
    newChain(INET, "output", { number: HOOK.output, priority: PRIORITY }),
    newRule(INET, "output", ...leavesElsewhere, ...isIpv4Packet, ipv4Source, isIn("v4"), drop()),
    newRule(INET, "output", ...leavesElsewhere, ...isIpv6Packet, ipv6Source, isIn("v6"), drop()),
    newRule(INET, "output", ...leavesElsewhere, ...isIpv6Packet, ...isAdvertisement, advertisedTarget, isIn("v6"), drop()),
    newChain(ARP, "output", { number: HOOK.arpOutput, priority: PRIORITY }),
    newRule(ARP, "output", ...leavesElsewhere, arpSender, isIn("v4"), drop()),
  ];
}

function mapElements(rules: FenceRules): Request[] {
  const all = rules.groups.flatMap(({ number, addresses }) =>
    addresses.map((address) => ({ v4: isIpv4(address), key: ipBytes(address), jumpTo: groupChain(number) })),
  );
  const v4 = all.filter((entry) => entry.v4);
  const v6 = all.filter((entry) => !entry.v4);
  const keys = (entries: readonly Element[]): Element[] => entries.map(({ key }) => ({ key }));
  const maps = (entries: typeof all): Element[] => entries.map(({ key, jumpTo }) => ({ key, jumpTo }));
  return [
    ...addElements(NETDEV, "v4", maps(v4)),
    ...addElements(NETDEV, "v6", maps(v6)),
    ...addElements(INET, "v4", keys(v4)),
    ...addElements(INET, "v6", keys(v6)),
    ...addElements(ARP, "v4", keys(v4)),
  ];
}

export const LOOPBACK = "lo";

/** The two chains of an interface, by its index: names may change. */
export function interfaceChains(index: number): { readonly incoming: string; readonly outgoing: string } {
  return { incoming: `in-${index}`, outgoing: `out-${index}` };
}

/** Its chains first, then it counts as covered: in one transaction there is no moment between. */
export function coverInterface(index: number, name: string): Request[] {
  const { incoming, outgoing } = interfaceChains(index);
  const special =
    name === LOOPBACK
      ? [
          newRule(NETDEV, incoming, ...isForTheFence, drop()),
          newRule(NETDEV, outgoing, ...isForTheFence, jump("renewal")),
        ]
      : [];
  return [
    newChain(NETDEV, incoming, { number: HOOK.ingress, priority: PRIORITY, device: name }),
    newChain(NETDEV, outgoing, { number: HOOK.egress, priority: PRIORITY, device: name }),
    ...special,
    newRule(NETDEV, incoming, jump("incoming")),
    newRule(NETDEV, outgoing, jump("outgoing")),
    ...addElements(INET, "covered", [{ key: native32(index) }]),
    ...addElements(ARP, "covered", [{ key: native32(index) }]),
  ];
}

export function uncoverInterface(index: number): Request[] {
  return [
    ...deleteElements(INET, "covered", [{ key: native32(index) }]),
    ...deleteElements(ARP, "covered", [{ key: native32(index) }]),
  ];
}

export function removeInterfaceChains(index: number): Request[] {
  const { incoming, outgoing } = interfaceChains(index);
  return [deleteChain(NETDEV, incoming), deleteChain(NETDEV, outgoing)];
}
