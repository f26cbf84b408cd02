/**
 * The watcher's frames: probes for an address to one node's MAC, and what an answer says. Built apart from the daemon's
 * own codecs, so that one mistake can not hide in both. ARP: RFC 826; neighbour discovery: RFC 4861 section 4.3, 4.4.
 */
import { ipBytes } from "@holdfast/core/units/ip.ts";
import type { Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import { macBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { ProbeKind } from "../overlap.ts";

/** Bytes reserved for a frame in a batch; the longest is 86. */
export const FRAME_SLOT = 96;
export const ECHO_PORT = 7777;
export const WATCH_PORT = 7778;

/** Payload of a UDP probe: magic, number, its complement (so that the checksum never changes), who answered, padding. */
export const PAYLOAD_LENGTH = 16;
export const PAYLOAD_NUMBER = 4;
export const PAYLOAD_ANSWERER = 12;
const MAGIC = 0x68666c62;
const UNANSWERED = 0xff;

export function payload(): Uint8Array {
  const bytes = new Uint8Array(PAYLOAD_LENGTH);
  new DataView(bytes.buffer).setUint32(0, MAGIC);
  bytes[PAYLOAD_ANSWERER] = UNANSWERED;
  writeNumber(new DataView(bytes.buffer), 0, 0);
  return bytes;
}

export function writeNumber(view: DataView, at: number, number: number): void {
  view.setUint32(at + PAYLOAD_NUMBER, number);
  view.setUint32(at + PAYLOAD_NUMBER + 4, ~number >>> 0);
}

/** The number of a payload that starts at `at`; undefined for anything else than a probe's. */
export function readNumber(view: DataView, at: number, length: number): number | undefined {
  if (length < PAYLOAD_LENGTH || at + PAYLOAD_LENGTH > view.byteLength || view.getUint32(at) !== MAGIC)
    return undefined;
  return view.getUint32(at + PAYLOAD_NUMBER);
}

export interface Ends {
  readonly from: Mac;
  readonly to: Mac;
}

export function udp4Probe(ends: Ends, source: Ipv4, target: Ipv4): Uint8Array {
  const ip = new Uint8Array(20);
  const view = new DataView(ip.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, 28 + PAYLOAD_LENGTH);
  view.setUint16(6, 0x4000);
  view.setUint16(8, (64 << 8) | 17);
  ip.set(ipBytes(source), 12);
  ip.set(ipBytes(target), 16);
  view.setUint16(10, checksum([ip]));
  // A UDP checksum of zero over IPv4 means: none (RFC 768).
  return frame(ends, 0x0800, [ip, udpHeader(), payload()]);
}

export function udp6Probe(ends: Ends, source: Ipv6, target: Ipv6): Uint8Array {
  const udp = udpHeader();
  const data = payload();
  new DataView(udp.buffer).setUint16(
    6,
    checksum([pseudoHeader(source, target, udp.length + data.length, 17), udp, data]) || 0xffff,
  );
  return frame(ends, 0x86dd, [ipv6Header(source, target, udp.length + data.length, 17, 64), udp, data]);
}

export function arpProbe(ends: Ends, source: Ipv4, target: Ipv4): Uint8Array {
  const arp = new Uint8Array(28);
  const view = new DataView(arp.buffer);
  view.setUint16(0, 1);
  view.setUint16(2, 0x0800);
  view.setUint16(4, 0x0604);
  view.setUint16(6, 1);
  arp.set(macBytes(ends.from), 8);
  arp.set(ipBytes(source), 14);
  arp.set(ipBytes(target), 24);
  return frame(ends, 0x0806, [arp]);
}

/** A unicast neighbour solicitation with the source link-layer address option. */
export function ndpProbe(ends: Ends, source: Ipv6, target: Ipv6): Uint8Array {
  const icmp = new Uint8Array(32);
  icmp[0] = 135;
  icmp.set(ipBytes(target), 8);
  icmp.set([1, 1], 24);
  icmp.set(macBytes(ends.from), 26);
  new DataView(icmp.buffer).setUint16(2, checksum([pseudoHeader(source, target, icmp.length, 58), icmp]));
  return frame(ends, 0x86dd, [ipv6Header(source, target, icmp.length, 58, 255), icmp]);
}

/** What an answer is for; `number` of UDP is the probe's, `sequence` of the others is the last byte of the asker's address. */
export type ParsedAnswer =
  | { readonly kind: "udp4" | "udp6"; readonly number: number; readonly answerer: number }
  | { readonly kind: "arp" | "ndp"; readonly source: number };

/**
 * Reads a frame a node sent towards the watcher. Undefined for whatever is not an answer for the address: a node's own
 * ARP requests, errors, other addresses, frames cut short.
 */
export function parseAnswer(bytes: Uint8Array, service: Uint8Array, service6: Uint8Array): ParsedAnswer | undefined {
  if (bytes.length < 42) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = view.getUint16(12);
  if (type === 0x0806) {
    if (view.getUint16(20) !== 2 || !equal(bytes, 28, service)) return undefined;
    return { kind: "arp", source: bytes[41] as number };
  }
  if (type === 0x0800) {
    if (bytes[14] !== 0x45 || bytes[23] !== 17 || !equal(bytes, 26, service)) return undefined;
    return udpAnswer("udp4", view, 34);
  }
  if (type !== 0x86dd || bytes.length < 62 || !equal(bytes, 22, service6)) {
    return type === 0x86dd && bytes.length >= 78 ? advertisement(bytes, service6) : undefined;
  }
  return bytes[20] === 17
    ? udpAnswer("udp6", view, 54)
    : bytes.length >= 78
      ? advertisement(bytes, service6)
      : undefined;
}

/** A neighbour advertisement may come from any address of the node: its target is what it speaks for. */
function advertisement(bytes: Uint8Array, service6: Uint8Array): ParsedAnswer | undefined {
  if (bytes[20] !== 58 || bytes[54] !== 136 || !equal(bytes, 62, service6)) return undefined;
  return { kind: "ndp", source: bytes[53] as number };
}

function udpAnswer(kind: "udp4" | "udp6", view: DataView, at: number): ParsedAnswer | undefined {
  if (view.byteLength < at + 8 || view.getUint16(at) !== ECHO_PORT || view.getUint16(at + 2) !== WATCH_PORT)
    return undefined;
  const number = readNumber(view, at + 8, view.byteLength - at - 8);
  return number === undefined ? undefined : { kind, number, answerer: view.getUint8(at + 8 + PAYLOAD_ANSWERER) };
}

/** Where the UDP payload starts in a probe of that kind; undefined: it has none. */
export function payloadOffset(kind: ProbeKind): number | undefined {
  return kind === "udp4" ? 42 : kind === "udp6" ? 62 : undefined;
}

function equal(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

function frame(ends: Ends, type: number, parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(14 + parts.reduce((sum, part) => sum + part.length, 0));
  bytes.set(macBytes(ends.to), 0);
  bytes.set(macBytes(ends.from), 6);
  bytes.set([type >> 8, type & 0xff], 12);
  let at = 14;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function udpHeader(): Uint8Array {
  const udp = new Uint8Array(8);
  const view = new DataView(udp.buffer);
  view.setUint16(0, WATCH_PORT);
  view.setUint16(2, ECHO_PORT);
  view.setUint16(4, 8 + PAYLOAD_LENGTH);
  return udp;
}

function ipv6Header(source: Ipv6, target: Ipv6, length: number, next: number, hops: number): Uint8Array {
  const ip = new Uint8Array(40);
  ip[0] = 0x60;
  new DataView(ip.buffer).setUint16(4, length);
  ip[6] = next;
  ip[7] = hops;
  ip.set(ipBytes(source), 8);
  ip.set(ipBytes(target), 24);
  return ip;
}

function pseudoHeader(source: Ipv6, target: Ipv6, length: number, next: number): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set(ipBytes(source), 0);
  bytes.set(ipBytes(target), 16);
  new DataView(bytes.buffer).setUint32(32, length);
  bytes[39] = next;
  return bytes;
}

/** RFC 1071; every part has an even length. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts)
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
