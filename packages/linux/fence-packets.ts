/**
 * What becomes of packets to and from a fenced address on a covered interface, by the state of the address's group N.
 *
 * gN-to    (ingress, by destination)  forwarding: gN-forward;  not alive: gN-shut;  passing: gN-passed;  else it arrives
 * gN-from  (egress, by source)        forwarding: gN-late;  alive or relaying: it leaves;  else dropped
 * gN-fromOld (ingress, by source)     what the old owner still answered goes on to its client
 * gN-says  (egress, ARP and neighbour discovery by sender)  alive and not forwarding: it leaves;  else questions leave
 *          anonymously, and what must not be said twice is dropped
 *
 * `forwarding` is looked up before `alive`, and `close` removes them in the other order: so no packet finds a group that
 * just stopped forwarding as one that answers.
 */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import { groupChain, groupKey, NETDEV } from "./fence-plan.ts";
import type { FencedGroup, FencePlan, GroupChain, Network } from "./fence-plan.ts";
import {
  SET_DYNAMIC,
  SET_MAP,
  SET_TIMEOUT,
  TYPE_INTERFACE_INDEX,
  TYPE_IPV4,
  TYPE_IPV6,
  TYPE_SERVICE,
} from "./nftables/batch.ts";
import type { Element } from "./nftables/batch.ts";
import * as x from "./nftables/expressions.ts";
import type { Expression } from "./nftables/expressions.ts";
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  match,
  NEIGHBOUR_ADVERTISEMENT,
  NEIGHBOUR_SOLICITATION,
  neighbourMessage,
  neighbourTarget,
  TCP,
} from "./nftables/matches.ts";
import type { RuleWriter } from "./nftables/matches.ts";

type Family = 4 | 6;

const DROP = x.verdict(x.VERDICT_DROP);
const ACCEPT = x.verdict(x.VERDICT_ACCEPT);
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
const TO_HOST = Uint8Array.of(0);
const TO_OTHERS = Uint8Array.of(3);
const VLAN_TAG = Uint8Array.of(0x81, 0x00);
const PROVIDER_TAG = Uint8Array.of(0x88, 0xa8);
const VLAN_MASK = Uint8Array.of(0x0f, 0xff);
const NO_VLAN = Uint8Array.of(0, 0);
const LOWER_CHAIN = "lower";
const SYN_AND_ACK = Uint8Array.of(0x12);
const SYN = Uint8Array.of(0x02);
const ARP_REQUEST = Uint8Array.of(0, 1);
const NO_ADDRESS = Uint8Array.of(0, 0, 0, 0);
/** A source link-layer address of one unit of 8 bytes, and an option that everybody ignores (RFC 4727 section 5.1.3). */
const LINK_ADDRESS_OPTION = Uint8Array.of(1, 1);
const IGNORED_OPTION = Uint8Array.of(253, 1);
/** Longer than connections are ever passed on without a packet. */
const FLOW_MS = 600_000;
const FLOWS_MAX = 65_536;

export function writePackets(to: RuleWriter, plan: FencePlan): void {
  for (const family of [4, 6] as const) {
    const type = family === 4 ? TYPE_IPV4 : TYPE_IPV6;
    to.set(NETDEV, {
      name: `flows${family}`,
      flags: SET_DYNAMIC | SET_TIMEOUT,
      keyType: (type << 12) | (type << 6) | TYPE_SERVICE,
      keyBytes: family === 4 ? 12 : 36,
      size: FLOWS_MAX,
    });
  }
  to.set(NETDEV, { name: "v4", flags: 0, keyType: TYPE_IPV4, keyBytes: 4 });
  to.elements(
    NETDEV,
    "v4",
    addressKeys(plan, 4).map(({ key }) => ({ key })),
  );
  writeLower(to);
  for (const group of plan.groups) writeGroup(to, group);
  for (const chain of DISPATCHED) {
    for (const family of [4, 6] as const) {
      const map = { flags: SET_MAP, keyType: family === 4 ? TYPE_IPV4 : TYPE_IPV6, keyBytes: family === 4 ? 4 : 16 };
      to.set(NETDEV, { name: `${chain}${family}`, ...map });
      const jumps: Element[] = addressKeys(plan, family).map(({ key, group }) => ({
        key,
        jump: groupChain(group, chain),
      }));
      to.elements(NETDEV, `${chain}${family}`, jumps);
    }
  }
}

export function addressKeys(plan: FencePlan, family: Family): { key: Uint8Array; group: number }[] {
  return plan.groups.flatMap((group) =>
    group.addresses
      .filter((address) => isIpv4(address) === (family === 4))
      .map((address) => ({ key: ipBytes(address), group: group.number })),
  );
}

/** Dispatch of an interface's ingress: by destination, so that what others send to the owner through us stays untouched. */
export function writeIngress(to: RuleWriter, chain: string): void {
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_IPV4), ...destination(4), x.verdictFrom("to4")]);
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_IPV6), ...destination(6), x.verdictFrom("to6")]);
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_IPV4), ...source(4), x.verdictFrom("fromOld4")]);
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_IPV6), ...source(6), x.verdictFrom("fromOld6")]);
}

/**
 * Dispatch of an interface's egress, by source or sender. Advertisements and ARP that come in pass: the answer is what a
 * closed group must not give, and a standby that is a client itself has to hear who owns the address.
 */
export function writeEgress(to: RuleWriter, chain: string): void {
  const isIpv6 = isProtocol(ETHERTYPE_IPV6);
  const arpSender = x.loadPayload(x.NETWORK_HEADER, 14, 4);
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_ARP), arpSender, x.verdictFrom("says4")]);
  to.rule(NETDEV, chain, [...isIpv6, ...neighbourTarget(NEIGHBOUR_ADVERTISEMENT), x.verdictFrom("says6")]);
  to.rule(NETDEV, chain, [
    ...isIpv6,
    ...neighbourMessage(NEIGHBOUR_SOLICITATION),
    ...source(6),
    x.verdictFrom("says6"),
  ]);
  to.rule(NETDEV, chain, [...isProtocol(ETHERTYPE_IPV4), ...source(4), x.verdictFrom("from4")]);
  to.rule(NETDEV, chain, [...isIpv6, ...source(6), x.verdictFrom("from6")]);
}

/** Writes rules into the chains of one group. */
class GroupRules {
  /** Word 0: the group, the key of most sets. */
  readonly self: Expression;
  readonly drain: boolean;
  readonly networks: readonly Network[];
  readonly #to: RuleWriter;
  readonly #number: number;

  constructor(to: RuleWriter, group: FencedGroup) {
    this.#to = to;
    this.#number = group.number;
    this.drain = group.drain === true;
    this.networks = group.networks ?? [];
    this.self = x.loadConstant(groupKey(group.number));
  }

  rule(name: GroupChain, ...expressions: Expression[]): void {
    this.#to.rule(NETDEV, groupChain(this.#number, name), expressions);
  }

  goto(name: GroupChain): Expression {
    return x.verdict(x.VERDICT_GOTO, groupChain(this.#number, name));
  }

  /** The group is in the set. */
  is(set: string): Expression[] {
    return [this.self, x.isIn(set)];
  }

  isNot(set: string): Expression[] {
    return [this.self, x.isNotIn(set)];
  }

  /** The frame comes from a station that the group was told of. */
  fromStation(): Expression[] {
    return [...this.#atInterface(), x.loadPayload(x.LINK_HEADER, 6, 6, x.WORD_2), x.isIn("stations")];
  }

  /** Out of the same interface to what `map` has for it. The source becomes ours, or switches would learn the client here. */
  sendOn(map: string): Expression[] {
    return [
      ...match(x.loadMeta(x.META_PACKET_TYPE), TO_HOST),
      ...this.#atInterface(),
      x.valueFrom(map, x.WORD_0, x.WORD_4),
      x.loadPayload(x.LINK_HEADER, 0, 6, x.WORD_6),
      x.storePayload(x.LINK_HEADER, 6, 6, x.WORD_6),
      x.storePayload(x.LINK_HEADER, 0, 6, x.WORD_4),
      x.loadMeta(x.META_INPUT_INDEX, x.WORD_0),
      x.sendOut(x.WORD_0),
    ];
  }

  /** A frame that leaves goes to the group's successor instead. */
  readdress(): Expression[] {
    return [
      this.self,
      x.loadMeta(x.META_OUTPUT_INDEX, x.WORD_1),
      x.valueFrom("successors", x.WORD_0, x.WORD_4),
      x.storePayload(x.LINK_HEADER, 0, 6, x.WORD_4),
    ];
  }

  #atInterface(): Expression[] {
    return [this.self, x.loadMeta(x.META_INPUT_INDEX, x.WORD_1)];
  }
}

/** In an order in which each goes only to chains before it. */
export const GROUP_CHAINS = ["forward", "relayed", "shut", "passed", "to", "late", "from", "fromOld", "says"] as const;

/** What has a map from address to chain. */
export const DISPATCHED = ["to", "from", "fromOld", "says"] as const;

export function writeGroup(to: RuleWriter, group: FencedGroup): void {
  for (const chain of GROUP_CHAINS) to.chain(NETDEV, groupChain(group.number, chain));
  writeGroupRules(to, group);
}

export function writeGroupRules(to: RuleWriter, group: FencedGroup): void {
  const rules = new GroupRules(to, group);
  rules.rule("to", ...rules.is("forwarding"), rules.goto("forward"));
  rules.rule("to", ...rules.isNot("alive"), rules.goto("shut"));
  if (rules.drain) rules.rule("to", ...rules.is("passing"), rules.goto("passed"));
  writeForward(rules);
  writeShut(rules);
  if (rules.drain) writePassed(rules);
  writeLate(rules);
  writeFromOld(rules);
  rules.rule("from", ...rules.is("forwarding"), rules.goto("late"));
  // The second look at `alive` is for a first commit between the look-ups: it opens before it ends the relay.
  for (const state of ["alive", "relaying", "alive"]) rules.rule("from", ...rules.is(state), ACCEPT);
  rules.rule("from", DROP);
  writeSays(rules);
}

/**
 * Lets through what another interface above this one receives: there the group's chains meet it again, and the station is
 * known by that interface. Frames to another Ethernet address are for a macvlan or for nobody; VLAN 0 is no VLAN.
 */
function writeLower(to: RuleWriter): void {
  to.set(NETDEV, { name: "ports", flags: 0, keyType: TYPE_INTERFACE_INDEX, keyBytes: 4 });
  to.chain(NETDEV, LOWER_CHAIN);
  to.rule(NETDEV, LOWER_CHAIN, [x.loadMeta(x.META_INPUT_INDEX), x.isIn("ports"), ACCEPT]);
  to.rule(NETDEV, LOWER_CHAIN, [...match(x.loadMeta(x.META_PACKET_TYPE), TO_OTHERS), ACCEPT]);
  for (const tag of [VLAN_TAG, PROVIDER_TAG]) {
    to.rule(NETDEV, LOWER_CHAIN, [
      ...match(x.loadPayload(x.LINK_HEADER, 12, 2), tag),
      x.loadPayload(x.LINK_HEADER, 14, 2),
      x.mask(2, VLAN_MASK),
      x.isUnequal(NO_VLAN),
      ACCEPT,
    ]);
  }
}

/** The old owner of a planned move. What comes back from the successor is answered here or by nobody: it would go round. */
function writeForward(rules: GroupRules): void {
  rules.rule("forward", ...rules.is("relaying"), ...rules.fromStation(), ACCEPT);
  rules.rule("forward", ...rules.is("relaying"), x.verdict(x.VERDICT_JUMP, LOWER_CHAIN));
  rules.rule("forward", ...rules.isNot("alive"), DROP);
  rules.rule("forward", ...rules.fromStation(), DROP);
  rules.rule("forward", ...rules.sendOn("successors"));
  rules.rule("forward", x.verdict(x.VERDICT_JUMP, LOWER_CHAIN));
  rules.rule("forward", DROP);
}

/**
 * What programs of the old owner still answer when it forwards already: it leaves by way of the successor, so that one station
 * alone speaks for the address. Clients behind a router get it directly, for only this node's routes know which.
 */
function writeLate(rules: GroupRules): void {
  for (const { address, prefixLength } of rules.networks) {
    const family = isIpv4(address) ? 4 : 6;
    const bytes = ipBytes(address);
    const bits = bytes.map((_, i) => (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * i))) & 0xff);
    const network = bytes.map((byte, i) => byte & (bits[i] ?? 0));
    rules.rule(
      "late",
      ...rules.is("alive"),
      ...isProtocol(family === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6),
      ...destination(family),
      x.mask(bits.length, bits),
      x.isEqual(network),
      ...rules.readdress(),
      ACCEPT,
    );
  }
  for (const state of ["alive", "relaying"]) rules.rule("late", ...rules.is(state), ACCEPT);
  rules.rule("late", DROP);
}

/** The other end of it. Anybody else's packets from the address are the kernel's to judge. */
function writeFromOld(rules: GroupRules): void {
  for (const state of ["relaying", "alive"])
    for (const family of [4, 6] as const)
      rules.rule(
        "fromOld",
        ...rules.isNot("forwarding"),
        ...rules.is(state),
        ...match(x.loadMeta(x.META_PACKET_TYPE), TO_HOST),
        ...rules.fromStation(),
        ...isProtocol(family === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6),
        x.loadMeta(x.META_INPUT_INDEX, x.WORD_0),
        x.loadPayload(x.NETWORK_HEADER, family === 4 ? 16 : 24, family === 4 ? 4 : 16, x.WORD_4),
        x.sendTo(x.WORD_0, x.WORD_4, family === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6),
      );
}

function writeShut(rules: GroupRules): void {
  const answered = rules.drain ? rules.goto("relayed") : ACCEPT;
  rules.rule("shut", ...rules.is("relaying"), ...rules.fromStation(), answered);
  rules.rule("shut", ...rules.is("relaying"), x.verdict(x.VERDICT_JUMP, LOWER_CHAIN));
  // As in gN-from.
  rules.rule("shut", ...rules.is("alive"), ACCEPT);
  rules.rule("shut", DROP);
  if (!rules.drain) return;
  // What the old owner forwards of its connections goes back to it, as it will when this node is the owner.
  rules.rule("relayed", ...rules.is("passing"), rules.goto("passed"));
  for (const family of [4, 6] as const) rules.rule("relayed", ...learnFlow(family));
  rules.rule("relayed", ACCEPT);
}

/** The new owner: connections that did not begin here go on on the old owner. */
function writePassed(rules: GroupRules): void {
  rules.rule("passed", x.loadMeta(x.META_TRANSPORT), x.isUnequal(TCP), ACCEPT);
  for (const family of [4, 6] as const) rules.rule("passed", ...learnFlow(family));
  rules.rule("passed", ...isSyn(), ACCEPT);
  for (const family of [4, 6] as const) {
    const flows = `flows${family}`;
    const refresh = x.changeSet(flows, x.DYNSET_UPDATE, x.WORD_0, FLOW_MS);
    rules.rule("passed", ...loadFlow(family), x.isIn(flows), refresh, ACCEPT);
  }
  rules.rule("passed", ...rules.sendOn("predecessors"));
  rules.rule("passed", ACCEPT);
}

/**
 * An answer may need a neighbour that only a question finds, and the kernel asks with the address that it answers from. In
 * ARP a sender of zero claims nothing (RFC 5227 section 1.1), nor does a solicitation without our Ethernet address: the
 * advertisement comes to the fenced address, that is to its owner, who passes it on.
 */
function writeSays(rules: GroupRules): void {
  rules.rule("says", ...rules.isNot("forwarding"), x.isIn("alive"), ACCEPT);
  for (const state of ["alive", "relaying"]) {
    rules.rule(
      "says",
      ...rules.is(state),
      ...isProtocol(ETHERTYPE_ARP),
      ...match(x.loadPayload(x.NETWORK_HEADER, 6, 2), ARP_REQUEST),
      x.loadPayload(x.NETWORK_HEADER, 24, 4),
      x.isNotIn("v4"),
      x.loadConstant(NO_ADDRESS),
      x.storePayload(x.NETWORK_HEADER, 14, 4, x.REGISTER_1),
      ACCEPT,
    );
    rules.rule(
      "says",
      ...rules.is(state),
      ...isProtocol(ETHERTYPE_IPV6),
      ...neighbourMessage(NEIGHBOUR_SOLICITATION),
      ...match(x.loadPayload(x.TRANSPORT_HEADER, 24, 2), LINK_ADDRESS_OPTION),
      x.loadConstant(IGNORED_OPTION),
      x.storePayload(x.TRANSPORT_HEADER, 24, 2, x.REGISTER_1, 2),
      ACCEPT,
    );
  }
  rules.rule("says", DROP);
}

function isProtocol(ethertype: Uint8Array): Expression[] {
  return match(x.loadMeta(x.META_PROTOCOL), ethertype);
}

function destination(family: Family): Expression[] {
  return [family === 4 ? x.loadPayload(x.NETWORK_HEADER, 16, 4) : x.loadPayload(x.NETWORK_HEADER, 24, 16)];
}

function source(family: Family): Expression[] {
  return [family === 4 ? x.loadPayload(x.NETWORK_HEADER, 12, 4) : x.loadPayload(x.NETWORK_HEADER, 8, 16)];
}

/** A connection that begins here. When the set is full the rule does not match. */
function learnFlow(family: Family): Expression[] {
  const learn = x.changeSet(`flows${family}`, x.DYNSET_UPDATE, x.WORD_0, FLOW_MS);
  return [...isSyn(), ...loadFlow(family), learn, ACCEPT];
}

function isSyn(): Expression[] {
  return [
    ...match(x.loadMeta(x.META_TRANSPORT), TCP),
    x.loadPayload(x.TRANSPORT_HEADER, 13, 1),
    x.mask(1, SYN_AND_ACK),
    x.isEqual(SYN),
  ];
}

/** Both addresses, one behind the other in either header, and both ports. */
function loadFlow(family: Family): Expression[] {
  const [protocol, offset, length, ports] =
    family === 4 ? [ETHERTYPE_IPV4, 12, 8, x.WORD_2] : [ETHERTYPE_IPV6, 8, 32, x.WORD_8];
  return [
    ...isProtocol(protocol),
    x.loadPayload(x.NETWORK_HEADER, offset, length, x.WORD_0),
    x.loadPayload(x.TRANSPORT_HEADER, 0, 4, ports),
  ];
}
