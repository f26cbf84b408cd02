/**
 * The datagrams that move the fence, and the chains in the kernel that obey them: accepting one makes its send succeed,
 * dropping it makes the send fail, so the daemon knows at once and no netlink is spoken.
 *
 * A datagram goes to 127.9.x.y, x.y being the number, at the group as port. Its first byte is the order; those about a
 * station go on with a zero, the station's Ethernet address and the interface's index in the machine's order.
 */
import { NETDEV } from "./fence-plan.ts";
import type { FencePlan } from "./fence-plan.ts";
import {
  SET_DYNAMIC,
  SET_MAP,
  SET_TIMEOUT,
  TYPE_ETHERNET,
  TYPE_INTERFACE_INDEX,
  TYPE_IPV4,
  TYPE_SERVICE,
} from "./nftables/batch.ts";
import type { Batch, SetDescription } from "./nftables/batch.ts";
import * as x from "./nftables/expressions.ts";
import type { Expression } from "./nftables/expressions.ts";
import { ETHERTYPE_IPV4, match, UDP } from "./nftables/matches.ts";
import type { RuleWriter } from "./nftables/matches.ts";

export const ARM = 1;
export const COMMIT = 2;
export const DISARM = 3;
export const CLOSE = 4;
export const FORWARD = 5;
export const RELAY = 6;
export const PASS = 7;
export const END_PASSING = 8;
/** The station is where the group is forwarded to on its interface; removing it first is how it is replaced. */
export const SET_SUCCESSOR = 9;
export const REMOVE_SUCCESSOR = 10;
/** The station is where connections are passed to. */
export const SET_PREDECESSOR = 11;
export const REMOVE_PREDECESSOR = 12;
/** Frames of the station are answered while the group relays. */
export const ADD_STATION = 13;
export const REMOVE_STATION = 14;

export const STATION_BYTES = 12;
export const STATION_MAC_AT = 2;
export const STATION_INTERFACE_AT = 8;

/** Chains whose one idea is a timeout that a later order may change: see writeDuration. */
export type TimedChain = "relay" | "pass";

const UDP_BYTES = 8;
const RENEWAL_NETWORK = Uint8Array.of(127, 9, 0, 0);
const RENEWAL_MASK = Uint8Array.of(255, 255, 0, 0);
const RENEWAL_CHAIN = "renewal";
/**
 * Expired and removed elements stay in memory up to this long; at 10 ms and many groups a second's worth would fill `armed`.
 * One key can be removed and added again about 30 times in it, then the kernel's hash table refuses it for a while.
 */
const COLLECT_MS = 100;
const ENTRIES_MAX = 65_536;
const ACCEPT = x.verdict(x.VERDICT_ACCEPT);

/** What the datagrams move; the packets look at it (fence-packets.ts). */
export function writeState(to: RuleWriter): void {
  const size = ENTRIES_MAX;
  // Those whose elements have no timeout too: only then the kernel takes `collect_ms`.
  const timed = { flags: SET_DYNAMIC | SET_TIMEOUT, size, collect_ms: COLLECT_MS };
  const group = { keyType: TYPE_SERVICE, keyBytes: 2 };
  const groupAtInterface = { keyType: (TYPE_SERVICE << 6) | TYPE_INTERFACE_INDEX, keyBytes: 8 };
  const station = { keyType: (TYPE_SERVICE << 12) | (TYPE_INTERFACE_INDEX << 6) | TYPE_ETHERNET, keyBytes: 16 };
  const mac = { ...timed, flags: timed.flags | SET_MAP, value: { type: TYPE_ETHERNET, bytes: 6 } };
  const sets: SetDescription[] = [
    { name: "armed", ...timed, keyType: (TYPE_IPV4 << 6) | TYPE_SERVICE, keyBytes: 8 },
    { name: "alive", ...timed, ...group },
    { name: "forwarding", ...timed, ...group },
    { name: "relaying", ...timed, ...group },
    { name: "passing", ...timed, ...group },
    { name: "successors", ...mac, ...groupAtInterface },
    { name: "predecessors", ...mac, ...groupAtInterface },
    { name: "stations", ...timed, ...station },
  ];
  for (const set of sets) to.set(NETDEV, set);
}

export function writeOrders(to: RuleWriter, plan: FencePlan): void {
  for (const chain of ["relay", "pass", "orders", RENEWAL_CHAIN]) to.chain(NETDEV, chain);
  writeOrderRules(to, plan);
}

/** What a change of W or K writes anew. */
export function writeOrderRules(to: RuleWriter, plan: FencePlan): void {
  const user = new Uint8Array(Uint32Array.of(plan.uid).buffer);
  to.rule(NETDEV, RENEWAL_CHAIN, [
    ...match(x.loadMeta(x.META_TRANSPORT), UDP),
    ...match(x.loadMeta(x.META_SOCKET_USER), user),
    x.verdict(x.VERDICT_JUMP, "orders"),
  ]);
  to.rule(NETDEV, RENEWAL_CHAIN, [x.verdict(x.VERDICT_DROP)]);
  for (const [code, actions] of orders(plan)) {
    const first = x.loadPayload(x.TRANSPORT_HEADER, UDP_BYTES, 1);
    to.rule(NETDEV, "orders", [...match(first, Uint8Array.of(code)), ...actions, ACCEPT]);
  }
  for (const chain of ["relay", "pass"] as const) {
    to.rule(NETDEV, "orders", [
      ...match(x.loadPayload(x.TRANSPORT_HEADER, UDP_BYTES, 1), Uint8Array.of(chain === "relay" ? RELAY : PASS)),
      x.verdict(x.VERDICT_GOTO, chain),
    ]);
    writeDuration(to, chain, plan.window_ms + plan.keep_ms);
  }
}

/** The timeout of a rule is a constant: another one needs the rule anew. */
export function changeDuration(batch: Batch, chain: TimedChain, for_ms: number): void {
  batch.flushChain(NETDEV, chain);
  writeDuration(batch, chain, for_ms);
}

function writeDuration(to: RuleWriter, chain: TimedChain, for_ms: number): void {
  if (chain === "pass") {
    to.rule(NETDEV, chain, [LOAD_GROUP, x.changeSet("passing", x.DYNSET_UPDATE, x.WORD_0, for_ms), ACCEPT]);
    return;
  }
  const relay = [x.changeSet("relaying", x.DYNSET_UPDATE, x.WORD_0, for_ms), ACCEPT];
  // What is open does not relay; what forwards may, for its successor (F5).
  to.rule(NETDEV, chain, [LOAD_GROUP, x.isIn("forwarding", x.WORD_0), ...relay]);
  to.rule(NETDEV, chain, [LOAD_GROUP, x.isNotIn("alive", x.WORD_0), ...relay]);
}

/** At the egress of `lo`: renewals go where they are obeyed. */
export function toRenewals(): Expression[] {
  return [...renewalNetwork(), x.verdict(x.VERDICT_JUMP, RENEWAL_CHAIN)];
}

/** At the ingress of `lo`: they have done their work. */
export function dropRenewals(): Expression[] {
  return [...renewalNetwork(), x.verdict(x.VERDICT_DROP)];
}

const LOAD_GROUP = x.loadPayload(x.TRANSPORT_HEADER, 2, 2, x.WORD_0);

function orders(plan: FencePlan): [code: number, actions: Expression[]][] {
  const loadNumber = [
    x.loadPayload(x.NETWORK_HEADER, 16, 4, x.WORD_0),
    x.loadPayload(x.TRANSPORT_HEADER, 2, 2, x.WORD_1),
  ];
  const loadInterface = x.loadPayload(x.TRANSPORT_HEADER, UDP_BYTES + STATION_INTERFACE_AT, 4, x.WORD_1);
  const loadMac = (register: number): Expression =>
    x.loadPayload(x.TRANSPORT_HEADER, UDP_BYTES + STATION_MAC_AT, 6, register);
  const remove = (set: string): Expression => x.changeSet(set, x.DYNSET_DELETE, x.WORD_0);
  const station = [LOAD_GROUP, loadInterface, loadMac(x.WORD_2)];
  const neighbour = [LOAD_GROUP, loadInterface, loadMac(x.WORD_4)];
  const removeFrom = (map: string): Expression => x.changeMap(map, x.DYNSET_DELETE, x.WORD_0, x.WORD_4);
  const addTo = (map: string): Expression => x.changeMap(map, x.DYNSET_ADD, x.WORD_0, x.WORD_4);
  return [
    // Adding leaves an armed number's deadline as it is: arming again must not move W past the first acceptance (F1).
    [ARM, [...loadNumber, x.changeSet("armed", x.DYNSET_ADD, x.WORD_0, plan.window_ms)]],
    [
      COMMIT,
      [
        ...loadNumber,
        x.isIn("armed", x.WORD_0),
        LOAD_GROUP,
        x.isNotIn("forwarding", x.WORD_0),
        x.changeSet("alive", x.DYNSET_UPDATE, x.WORD_0, plan.keep_ms),
        remove("relaying"),
      ],
    ],
    [DISARM, [...loadNumber, remove("armed")]],
    // `alive` first: a packet in between must not find a group that is alive and does not forward (F4).
    [CLOSE, [LOAD_GROUP, remove("alive"), remove("forwarding"), remove("relaying"), remove("passing")]],
    [
      FORWARD,
      [LOAD_GROUP, x.isIn("alive", x.WORD_0), x.changeSet("forwarding", x.DYNSET_UPDATE, x.WORD_0), remove("passing")],
    ],
    [END_PASSING, [LOAD_GROUP, remove("passing")]],
    [SET_SUCCESSOR, [...neighbour, removeFrom("successors"), addTo("successors")]],
    [REMOVE_SUCCESSOR, [...neighbour, removeFrom("successors")]],
    [SET_PREDECESSOR, [...neighbour, removeFrom("predecessors"), addTo("predecessors")]],
    [REMOVE_PREDECESSOR, [...neighbour, removeFrom("predecessors")]],
    [ADD_STATION, [...station, x.changeSet("stations", x.DYNSET_UPDATE, x.WORD_0)]],
    [REMOVE_STATION, [...station, remove("stations")]],
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
