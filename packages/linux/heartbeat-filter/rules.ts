/**
 * The heartbeat filter as nf_tables objects, in a table of its own (requirement B9).
 *
 * What goes to the port of a link, at its interface and to its address, is looked at before routing and connection
 * tracking, and again before it is delivered: a datagram that came in fragments is whole only then. From who is no node of
 * the link it is dropped; from a node, or who takes its address, what is not of this cluster passes at a low rate, so that
 * the daemon can say what it is, and what looks like a heartbeat at a rate that no node reaches. What is dropped is counted
 * for the link and for a bounded number of sources. Everything else is none of this table's business.
 */
import { ipBytes } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { FAMILIES, type Family, familyOf, type FilterPlan } from "./plan.ts";
import {
  FAMILY_INET,
  SET_DYNAMIC,
  SET_TIMEOUT,
  type Table,
  TYPE_ETHERNET,
  TYPE_INTERFACE_INDEX,
  TYPE_IPV4,
  TYPE_IPV6,
  TYPE_SERVICE,
} from "../nftables/batch.ts";
import * as x from "../nftables/expressions.ts";
import type { Expression } from "../nftables/expressions.ts";
import { match, type RuleWriter, UDP } from "../nftables/matches.ts";

export const FILTER: Table = { family: FAMILY_INET, name: "holdfast-heartbeats" };

const PREROUTING = 0;
const INPUT = 1;
/** Before fragments are put together and connections are tracked: a flood shall cost neither. */
const PRIORITY = -450;

/** Of strangers and floods; an attacker has many addresses. */
export const SOURCES_MAX = 64;
/** Stations that send in a node's name. */
const STATIONS_MAX = 128;
const REMEMBERED_MS = 60_000;
/** Of what is no heartbeat of this cluster: enough to say what it is. */
const JUNK_A_SECOND = 100;

const NFPROTO = { 4: Uint8Array.of(2), 6: Uint8Array.of(10) } as const;
const ADDRESS_BYTES = { 4: 4, 6: 16 } as const;
const ADDRESS_WORDS = { 4: 1, 6: 4 } as const;
const SOURCE_AT = { 4: 12, 6: 8 } as const;
const DESTINATION_AT = { 4: 16, 6: 24 } as const;
/** Behind the UDP header: magic, and the cluster. */
const MAGIC_AT = 8;
const CLUSTER_AT = 12;
const MAGIC = Uint8Array.of(0x48, 0x46);
const ETHERNET = new Uint8Array(Uint16Array.of(1).buffer);
/** A MAC address takes two words of a key. */
const MAC_WORDS = 2;

export type Kept = "strangers" | "floods" | "stations";

const STAGES = ["arriving", "delivered"] as const;
type Stage = (typeof STAGES)[number];
type SetKind = "here" | "nodes" | `rates-${Stage}` | `junk-${Stage}` | "dropped" | "flooded" | Kept;

/** The name of a set for IPv4 or IPv6. */
export function setName(kind: SetKind, family: Family): string {
  return `${kind}${family}`;
}

export function writeFilter(to: RuleWriter, plan: FilterPlan): void {
  to.chain(FILTER, "arriving", { hook: PREROUTING, priority: PRIORITY });
  to.chain(FILTER, "delivered", { hook: INPUT, priority: PRIORITY });
  for (const family of FAMILIES) {
    writeSets(to, plan, family);
    to.chain(FILTER, `flood${family}`);
    for (const stage of STAGES) {
      to.chain(FILTER, `node-${stage}${family}`);
      to.chain(FILTER, `heartbeat-${stage}${family}`);
      to.rule(FILTER, stage, [
        ...match(x.loadMeta(x.META_FAMILY), NFPROTO[family]),
        ...match(x.loadMeta(x.META_TRANSPORT), UDP),
        ...interfaceAddressPort(family, DESTINATION_AT[family]),
        x.isIn(setName("here", family), x.WORD_0),
        x.verdict(x.VERDICT_JUMP, `heartbeat-${stage}${family}`),
      ]);
      writeChecks(to, plan, stage, family);
    }
    writeCounts(to, `flood${family}`, "floods", "flooded", family);
    to.rule(FILTER, `flood${family}`, [x.verdict(x.VERDICT_DROP)]);
  }
}

function writeSets(to: RuleWriter, { links }: FilterPlan, family: Family): void {
  const address = family === 4 ? TYPE_IPV4 : TYPE_IPV6;
  const placed = {
    keyType: (((TYPE_INTERFACE_INDEX << 6) | address) << 6) | TYPE_SERVICE,
    keyBytes: 4 + ADDRESS_BYTES[family] + 4,
  };
  const stationed = {
    keyType: (((((TYPE_INTERFACE_INDEX << 6) | TYPE_ETHERNET) << 6) | address) << 6) | TYPE_SERVICE,
    keyBytes: 4 + 4 * MAC_WORDS + ADDRESS_BYTES[family] + 4,
  };
  const dynamic = { flags: SET_DYNAMIC | SET_TIMEOUT };
  const keys = (pick: "to" | "from"): { readonly key: Uint8Array }[] =>
    links.flatMap((link) =>
      link[pick]
        .filter((each) => familyOf(each) === family)
        .map((each) => ({ key: placeKey(link.index, each, link.port) })),
    );
  to.set(FILTER, { name: setName("here", family), flags: 0, ...placed });
  to.elements(FILTER, setName("here", family), keys("to"));
  to.set(FILTER, { name: setName("nodes", family), flags: 0, ...placed });
  to.elements(FILTER, setName("nodes", family), keys("from"));
  for (const kind of [
    "rates-arriving",
    "rates-delivered",
    "junk-arriving",
    "junk-delivered",
    "dropped",
    "flooded",
  ] as const)
    to.set(FILTER, { name: setName(kind, family), ...dynamic, ...placed, size: 4096 });
  to.set(FILTER, { name: setName("strangers", family), ...dynamic, ...stationed, size: SOURCES_MAX });
  to.set(FILTER, { name: setName("floods", family), ...dynamic, ...stationed, size: SOURCES_MAX });
  to.set(FILTER, { name: setName("stations", family), ...dynamic, ...stationed, size: STATIONS_MAX });
}

/** What passes comes by both stages: each has its own rates. */
function writeChecks(to: RuleWriter, plan: FilterPlan, stage: Stage, family: Family): void {
  const source = interfaceAddressPort(family, SOURCE_AT[family]);
  const cluster = new Uint8Array(4);
  new DataView(cluster.buffer).setUint32(0, plan.cluster);
  const head = [
    ...match(x.loadPayload(x.TRANSPORT_HEADER, MAGIC_AT, MAGIC.length), MAGIC),
    ...match(x.loadPayload(x.TRANSPORT_HEADER, CLUSTER_AT, cluster.length), cluster),
  ];
  const rate = (set: "rates" | "junk", most: number): Expression =>
    x.changeSet(setName(`${set}-${stage}`, family), x.DYNSET_UPDATE, x.WORD_0, REMEMBERED_MS, x.over(most, most));
  const flood = x.verdict(x.VERDICT_GOTO, `flood${family}`);

  const heartbeat = `heartbeat-${stage}${family}`;
  to.rule(FILTER, heartbeat, [
    ...source,
    x.isIn(setName("nodes", family), x.WORD_0),
    x.verdict(x.VERDICT_GOTO, `node-${stage}${family}`),
  ]);
  writeCounts(to, heartbeat, "strangers", "dropped", family);
  to.rule(FILTER, heartbeat, [x.verdict(x.VERDICT_DROP)]);

  const node = `node-${stage}${family}`;
  writeStations(to, node, "stations", family);
  to.rule(FILTER, node, [...head, ...source, rate("rates", plan.rate), flood]);
  to.rule(FILTER, node, [...head, x.verdict(x.VERDICT_RETURN)]);
  to.rule(FILTER, node, [...source, rate("junk", JUNK_A_SECOND), flood]);
}

/** The total of the link, then the source: of that there may be too many. */
function writeCounts(to: RuleWriter, chain: string, kept: Kept, total: "dropped" | "flooded", family: Family): void {
  const place = interfaceAddressPort(family, DESTINATION_AT[family]);
  to.rule(FILTER, chain, [
    ...place,
    x.changeSet(setName(total, family), x.DYNSET_UPDATE, x.WORD_0, REMEMBERED_MS, x.counter()),
  ]);
  writeStations(to, chain, kept, family);
}

/** Interface, MAC address (zero where there is none), address and port of the sender. */
function writeStations(to: RuleWriter, chain: string, kept: Kept, family: Family): void {
  const behindMac = x.WORD_1 + MAC_WORDS;
  const rest = [
    x.loadMeta(x.META_INPUT_INDEX, x.WORD_0),
    x.loadPayload(x.NETWORK_HEADER, SOURCE_AT[family], ADDRESS_BYTES[family], behindMac),
    x.loadPayload(x.TRANSPORT_HEADER, 2, 2, behindMac + ADDRESS_WORDS[family]),
    x.changeSet(setName(kept, family), x.DYNSET_UPDATE, x.WORD_0, REMEMBERED_MS, x.counter()),
  ];
  const type = x.loadMeta(x.META_INPUT_TYPE);
  to.rule(FILTER, chain, [...match(type, ETHERNET), x.loadPayload(x.LINK_HEADER, 6, 6, x.WORD_1), ...rest]);
  to.rule(FILTER, chain, [type, x.isUnequal(ETHERNET), x.loadConstant(new Uint8Array(8), x.WORD_1), ...rest]);
}

/** The key of most sets, from the first word on. */
function interfaceAddressPort(family: Family, addressAt: number): Expression[] {
  return [
    x.loadMeta(x.META_INPUT_INDEX, x.WORD_0),
    x.loadPayload(x.NETWORK_HEADER, addressAt, ADDRESS_BYTES[family], x.WORD_1),
    x.loadPayload(x.TRANSPORT_HEADER, 2, 2, x.WORD_1 + ADDRESS_WORDS[family]),
  ];
}

function placeKey(index: number, address: IpAddress, port: number): Uint8Array {
  const bytes = ipBytes(address);
  const key = new Uint8Array(4 + bytes.length + 4);
  key.set(new Uint8Array(Uint32Array.of(index).buffer));
  key.set(bytes, 4);
  new DataView(key.buffer).setUint16(4 + bytes.length, port);
  return key;
}
