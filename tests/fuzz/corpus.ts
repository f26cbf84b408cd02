/**
 * Inputs worth keeping: for each way of a parser to refuse, and each thing it understands, one small input. Text files in
 * corpus/, an input an entry: `# what becomes of it (where it is from)`, then its bytes in hex.
 * Run alone it looks for more: node tests/fuzz/corpus.ts [ROUNDS]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Chance } from "./chance.ts";
import { KERNEL_MESSAGES, ROUTING_MESSAGES } from "./kernel-messages.ts";
import { mutate } from "./mutate.ts";
import { ANY_WORLD, RandomHeartbeats } from "./random-heartbeat.ts";
import { SECRET_KEYS } from "./sealed-cluster.ts";
import { createSealer } from "@holdfast/agent/seal/sealer.ts";
import { gratuitousReply, gratuitousRequest, parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { addWords, checksum, pseudoHeaderSum } from "@holdfast/core/wire/checksum.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { FULL, typicalHeartbeat } from "@holdfast/core/wire/heartbeat-samples.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import { neighbourSolicitation, parseNdpFrame, unsolicitedAdvertisement } from "@holdfast/core/wire/ndp.ts";
import { emitUdp, parseUdpFrame } from "@holdfast/core/wire/udp.ts";
import { emitEcho, parseEchoMessage, parseEchoPacket } from "@holdfast/core/wire/icmp-echo.ts";
import type { IpAddress, Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { parseAddress } from "@holdfast/linux/netlink/addresses.ts";
import { parseLink } from "@holdfast/linux/netlink/links.ts";
import { attributeList, messages } from "@holdfast/linux/netlink/message.ts";
import { parseNeighbour } from "@holdfast/linux/netlink/neighbours.ts";
import { parseRoute } from "@holdfast/linux/netlink/routes.ts";
import { eventAuthor, eventTable, parseElements, parseTable } from "@holdfast/linux/nftables/tables.ts";

/** Longer inputs are not kept. */
const KEPT_BYTES = 700;

export interface Entry {
  readonly outcome: string;
  readonly origin: string;
  readonly bytes: Uint8Array;
}

export interface Target {
  /** Also the name of its file. */
  readonly name: string;
  /** What becomes of the bytes, in a few words that are the same for the same path through the code. */
  readonly outcomeOf: (bytes: Uint8Array) => string;
  readonly seeds: () => readonly Uint8Array[];
  /** Puts right what would keep every mutation from getting further: checksums, lengths. */
  readonly repair?: (bytes: Uint8Array) => void;
}

function refusal(result: Result<unknown, { readonly kind: string; readonly what: string }>): string | undefined {
  return result.ok ? undefined : `${result.error.kind} ${result.error.what}`;
}

function heartbeatOutcome(bytes: Uint8Array): string {
  const result = parseHeartbeat(bytes);
  if (!result.ok) return refusal(result) ?? "";
  const h = result.value;
  const kinds = [...new Set(h.lease.map((entry) => entry.kind))].toSorted();
  const lists = (["adapters", "heard", "groups", "events", "requests", "outcomes"] as const).filter(
    (list) => h[list].length > 0,
  );
  if (h.version === 1) return "understood as version 1";
  return `understood ${[...kinds.slice(0, 1), ...lists.slice(0, 1)].join(" ") || "head"}`;
}

function heartbeatSeeds(): readonly Uint8Array[] {
  const made = new RandomHeartbeats(new Chance(1), ANY_WORLD);
  const some: Heartbeat[] = [FULL, typicalHeartbeat(2, 2), ...Array.from({ length: 40 }, () => made.heartbeat(1))];
  return [...some, { ...FULL, version: 1 }].map(emitHeartbeat);
}

const MAC = "02:00:00:00:00:0a" as Mac;
const ADDRESS = "2001:db8::1" as Ipv6;

function udpSeeds(): Uint8Array[] {
  const common = { destinationMac: MAC, sourceMac: MAC, sourcePort: 1, destinationPort: 7400 };
  const payload = Uint8Array.of(1, 2, 3);
  return [
    emitUdp({ ...common, source: "10.0.0.1" as IpAddress, destination: "10.0.0.2" as IpAddress, payload }),
    emitUdp({ ...common, source: ADDRESS, destination: "2001:db8::2" as IpAddress, payload }),
  ];
}

function echoSeeds(): Uint8Array[] {
  const common = { identifier: 1, sequence: 2, payload: Uint8Array.of(1, 2, 3) };
  const header = Uint8Array.of(0x45, 0, 0, 31, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2);
  return (["request", "reply"] as const).flatMap((kind) => [
    Uint8Array.of(...header, ...emitEcho({ version: 4, kind, ...common })),
    emitEcho({ version: 6, kind, ...common }),
  ]);
}

/** The checksum of an echo behind an IPv4 header. */
function repairPacket(packet: Uint8Array): void {
  const at = 4 * ((packet[0] ?? 0) & 15);
  if (packet.length < at + 8 || at < 20) return;
  packet.fill(0, at + 2, at + 4);
  const sum = checksum(addWords(0, packet, at, packet.length));
  packet.set([sum >> 8, sum & 0xff], at + 2);
}

/** The header checksum of IPv4, and ICMPv6's, which would refuse nearly everything. */
function repairFrame(frame: Uint8Array): void {
  if (frame.length >= 34 && frame[12] === 8 && frame[13] === 0) {
    frame.fill(0, 24, 26);
    const end = Math.min(frame.length, 14 + 4 * ((frame[14] ?? 0) & 15));
    const sum = checksum(addWords(0, frame, 14, end));
    frame.set([sum >> 8, sum & 0xff], 24);
  }
  if (frame.length >= 58 && frame[12] === 0x86 && frame[20] === 58) {
    const end = Math.min(frame.length, 54 + (((frame[18] ?? 0) << 8) | (frame[19] ?? 0)));
    frame.fill(0, 56, 58);
    const sum = checksum(
      addWords(pseudoHeaderSum(frame.subarray(22, 38), frame.subarray(38, 54), 58, end - 54), frame, 54, end),
    );
    frame.set([sum >> 8, sum & 0xff], 56);
  }
}

function kernelOutcome(bytes: Uint8Array): string {
  const found = [...messages(bytes)];
  const [first] = found;
  if (first === undefined) return "no message";
  const names = [
    parseLink(first) === undefined ? "" : "link",
    parseAddress(first) === undefined ? "" : "address",
    parseTable(first) === undefined ? "" : "table",
    eventTable(first) === undefined ? "" : "event",
    eventAuthor(first) === "an unknown process" ? "" : "author",
    parseElements(first).length === 0 ? "" : "elements",
    attributeList(first.payload, 0).length === 0 ? "" : "attributes",
  ];
  return `${Math.min(found.length, 2)} messages: ${names.filter((name) => name !== "").join(" ")}`;
}

function routingOutcome(bytes: Uint8Array): string {
  const [first] = messages(bytes);
  if (first === undefined) return "no message";
  const neighbour = parseNeighbour(first) === undefined ? "" : "neighbour ";
  const route = parseRoute(first);
  return `${neighbour}${route === undefined ? "" : `route ${route.kind}, ${Math.min(2, route.hops.length)} ways`}`;
}

function sealedOutcome(bytes: Uint8Array): string {
  // Anew each time: what was opened once is a replay.
  const opened = createSealer({ ...sealing, boot: OPENER }).open(bytes, "lan");
  return opened.ok ? "opened" : opened.error.reason;
}

const sealing = { cluster: "fuzz", node: "n1", keys: SECRET_KEYS, suite: "encrypt" as const };
const OPENER = "b0b1b2b3b4b5b6b7" as BootId;

export const TARGETS: readonly Target[] = [
  { name: "heartbeat", outcomeOf: heartbeatOutcome, seeds: heartbeatSeeds },
  {
    name: "sealed",
    outcomeOf: sealedOutcome,
    seeds: () => {
      const sealer = createSealer({ ...sealing, boot: FULL.boot });
      const own = createSealer({ ...sealing, boot: OPENER });
      const nothing = new Uint8Array(0);
      return [sealer, own].flatMap((each) =>
        ([1, 2] as const).map((version) => each.seal({ version, link: "lan", receiver: "n1", stream: 2 }, nothing)),
      );
    },
  },
  {
    name: "arp",
    outcomeOf: (bytes) => refusal(parseArpFrame(bytes)) ?? "understood",
    seeds: () => [gratuitousRequest(MAC, "10.0.0.1" as Ipv4), gratuitousReply(MAC, "10.0.0.1" as Ipv4)],
  },
  {
    name: "ndp",
    outcomeOf: (bytes) => refusal(parseNdpFrame(bytes)) ?? "understood",
    seeds: () => [unsolicitedAdvertisement(MAC, ADDRESS), neighbourSolicitation(MAC, ADDRESS, ADDRESS, MAC)],
    repair: repairFrame,
  },
  {
    name: "udp",
    outcomeOf: (bytes) => {
      const result = parseUdpFrame(bytes);
      return result.ok ? `understood, checksum ${result.value.checksum}` : (refusal(result) ?? "");
    },
    seeds: udpSeeds,
    repair: repairFrame,
  },
  {
    name: "echo",
    outcomeOf: (bytes) => {
      const outcomes = [parseEchoPacket(bytes), parseEchoMessage(bytes)].map(
        (result) => refusal(result) ?? `understood ${result.ok ? result.value.kind : ""}`,
      );
      return outcomes.join(", ");
    },
    seeds: echoSeeds,
    repair: repairPacket,
  },
  { name: "routing", outcomeOf: routingOutcome, seeds: () => ROUTING_MESSAGES },
  { name: "kernel", outcomeOf: kernelOutcome, seeds: () => KERNEL_MESSAGES },
];

function fileOf(target: Target): string {
  return join(import.meta.dirname, "corpus", `${target.name}.txt`);
}

/** The entries of a target's file. Throws for a line that is neither a heading nor hex. */
export function readCorpus(target: Target): Entry[] {
  const entries: Entry[] = [];
  let heading: RegExpExecArray | null = null;
  for (const line of readFileSync(fileOf(target), "utf8").split("\n")) {
    if (line === "") continue;
    if (line.startsWith("#")) heading = /^# (.*) \((.*)\)$/.exec(line);
    else if (heading !== null && /^(-|([0-9a-f]{2})+)$/.test(line)) {
      const bytes = Uint8Array.from(Buffer.from(line === "-" ? "" : line, "hex"));
      entries.push({ outcome: heading[1] ?? "", origin: heading[2] ?? "", bytes });
    } else throw new Error(`${fileOf(target)}: not understood: ${line.slice(0, 60)}`);
  }
  return entries;
}

/** One input for each outcome: what is kept, then smaller ones and new ones among `rounds` mutations. */
export function collect(target: Target, kept: readonly Entry[], seed: number, rounds: number): Entry[] {
  const found = new Map(kept.map((entry) => [entry.outcome, entry]));
  const seeds = target.seeds();
  const chance = new Chance(seed);
  const take = (bytes: Uint8Array, origin: string): void => {
    const outcome = target.outcomeOf(bytes);
    const before = found.get(outcome);
    if (bytes.length > KEPT_BYTES || (before !== undefined && before.bytes.length <= bytes.length)) return;
    found.set(outcome, { outcome, origin, bytes });
  };
  for (const bytes of seeds) take(bytes, "whole");
  const one = (): Uint8Array => seeds[chance.below(seeds.length)] ?? new Uint8Array(0);
  for (let i = 0; i < rounds; i++) {
    const from = chance.once(3) ? ([...found.values()][chance.below(found.size)]?.bytes ?? one()) : one();
    const bytes = mutate(chance, from, one(), KEPT_BYTES);
    if (chance.once(2)) target.repair?.(bytes);
    take(bytes, `seed ${seed}`);
  }
  return [...found.values()].toSorted((a, b) => (a.outcome < b.outcome ? -1 : 1));
}

if (import.meta.main) {
  for (const target of TARGETS) {
    let kept: Entry[] = [];
    try {
      kept = readCorpus(target);
    } catch (error) {
      console.log(error instanceof Error ? error.message : String(error));
    }
    const entries = collect(target, kept, kept.length + 1, Number(process.argv[2] ?? 100_000));
    const text = entries.map(
      ({ outcome, origin, bytes }) => `# ${outcome} (${origin})\n${Buffer.from(bytes).toString("hex") || "-"}\n`,
    );
    writeFileSync(fileOf(target), text.join(""));
    console.log(`${target.name}: ${entries.length} inputs, ${kept.length} before`);
  }
}
