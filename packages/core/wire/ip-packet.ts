/** IPv4 (RFC 791) and IPv6 (RFC 8200) headers: what the few packets this project makes and reads need of them. */
import { ipBytes, ipFromBytes, isIpv4 } from "../units/ip.ts";
import { failure, success } from "../units/result.ts";
import { addWords, checksum } from "./checksum.ts";
import { ETHERNET_BYTES, ETHERTYPE, newFrame, setWord, word } from "./ethernet.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Result } from "../units/result.ts";
import type { EthernetAddresses } from "./ethernet.ts";
import type { ParseError } from "./parse-error.ts";

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;

export interface IpPacket extends EthernetAddresses {
  /** Of the same family. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** Hop limit, 0 to 255. */
  readonly hops: number;
}

/** A frame with its headers, and where the `length` bytes of payload go in it. The source's family decides. */
export function newIpFrame(
  packet: IpPacket,
  length: number,
): { readonly frame: Uint8Array; readonly payloadAt: number } {
  return isIpv4(packet.source) ? newIpv4Frame(packet, length) : newIpv6Frame(packet, length);
}

function newIpv4Frame(packet: IpPacket, length: number): { readonly frame: Uint8Array; readonly payloadAt: number } {
  const at = ETHERNET_BYTES;
  const frame = newFrame(packet, ETHERTYPE.ipv4, IPV4_BYTES + length);
  frame[at] = 0x45;
  setWord(frame, at + 2, IPV4_BYTES + length);
  // Don't fragment; the identification may then stay 0 (RFC 6864 section 4.1).
  setWord(frame, at + 6, 0x4000);
  frame[at + 8] = packet.hops;
  frame[at + 9] = packet.protocol;
  frame.set(ipBytes(packet.source), at + 12);
  frame.set(ipBytes(packet.destination), at + 16);
  setWord(frame, at + 10, checksum(addWords(0, frame, at, at + IPV4_BYTES)));
  return { frame, payloadAt: at + IPV4_BYTES };
}

function newIpv6Frame(packet: IpPacket, length: number): { readonly frame: Uint8Array; readonly payloadAt: number } {
  const at = ETHERNET_BYTES;
  const frame = newFrame(packet, ETHERTYPE.ipv6, IPV6_BYTES + length);
  frame[at] = 0x60;
  setWord(frame, at + 4, length);
  frame[at + 6] = packet.protocol;
  frame[at + 7] = packet.hops;
  frame.set(ipBytes(packet.source), at + 8);
  frame.set(ipBytes(packet.destination), at + 24);
  return { frame, payloadAt: at + IPV6_BYTES };
}

/** Where things are in a frame that was checked. */
export interface IpLayout {
  readonly version: 4 | 6;
  readonly protocol: number;
  readonly hops: number;
  readonly sourceAt: number;
  readonly destinationAt: number;
  /** Bytes of an address: 4 or 16. */
  readonly addressBytes: number;
  readonly payloadAt: number;
  /** End of the payload; the frame may go on with padding. */
  readonly end: number;
}

/** The layout of an unfragmented packet without IPv6 extension headers, or why the frame holds none. */
export function parseIpFrame(frame: Uint8Array): Result<IpLayout, ParseError> {
  if (frame.length < ETHERNET_BYTES) return failure({ kind: "short", at: frame.length, what: "ethernet" });
  const etherType = word(frame, 12);
  if (etherType === ETHERTYPE.ipv4) return parseIpv4(frame);
  return etherType === ETHERTYPE.ipv6 ? parseIpv6(frame) : failure({ kind: "other", at: 12, what: "etherType" });
}

function parseIpv4(frame: Uint8Array): Result<IpLayout, ParseError> {
  const at = ETHERNET_BYTES;
  if (frame.length < at + IPV4_BYTES) return failure({ kind: "short", at: frame.length, what: "ipv4" });
  const first = frame[at] ?? 0;
  const headerBytes = 4 * (first & 0x0f);
  if (first >> 4 !== 4) return failure({ kind: "version", at, what: "ipv4.version" });
  if (headerBytes < IPV4_BYTES) return failure({ kind: "value", at, what: "ipv4.headerLength" });
  const total = word(frame, at + 2);
  if (total < headerBytes) return failure({ kind: "value", at: at + 2, what: "ipv4.length" });
  if (frame.length < at + total) return failure({ kind: "short", at: frame.length, what: "ipv4" });
  if (checksum(addWords(0, frame, at, at + headerBytes)) !== 0)
    return failure({ kind: "checksum", at: at + 10, what: "ipv4" });
  // More fragments, or an offset: only part of a datagram.
  if ((word(frame, at + 6) & 0x3fff) !== 0) return failure({ kind: "other", at: at + 6, what: "ipv4.fragment" });
  return success({
    version: 4,
    protocol: frame[at + 9] ?? 0,
    hops: frame[at + 8] ?? 0,
    sourceAt: at + 12,
    destinationAt: at + 16,
    addressBytes: 4,
    payloadAt: at + headerBytes,
    end: at + total,
  });
}

function parseIpv6(frame: Uint8Array): Result<IpLayout, ParseError> {
  const at = ETHERNET_BYTES;
  if (frame.length < at + IPV6_BYTES) return failure({ kind: "short", at: frame.length, what: "ipv6" });
  if ((frame[at] ?? 0) >> 4 !== 6) return failure({ kind: "version", at, what: "ipv6.version" });
  const end = at + IPV6_BYTES + word(frame, at + 4);
  if (frame.length < end) return failure({ kind: "short", at: frame.length, what: "ipv6" });
  return success({
    version: 6,
    protocol: frame[at + 6] ?? 0,
    hops: frame[at + 7] ?? 0,
    sourceAt: at + 8,
    destinationAt: at + 24,
    addressBytes: 16,
    payloadAt: at + IPV6_BYTES,
    end,
  });
}

/** The address of `count` (4 or 16) bytes at an offset inside the frame. */
export function addressAt(frame: Uint8Array, at: number, count: number): IpAddress {
  return ipFromBytes(frame.subarray(at, at + count));
}
