/** IPv4 and IPv6 addresses: parsed once into canonical text, turned into bytes for packets. */
import type { Brand } from "./brand.ts";

/** Dotted quad without leading zeros: "10.0.0.1". */
export type Ipv4 = Brand<string, "Ipv4">;
/** Canonical text of RFC 5952: lower case, longest run of zeros shortened. Never an IPv4-mapped form. */
export type Ipv6 = Brand<string, "Ipv6">;
export type IpAddress = Ipv4 | Ipv6;

export function isIpv4(address: IpAddress): address is Ipv4 {
  return !address.includes(":");
}

export function isIpv6(address: IpAddress): address is Ipv6 {
  return address.includes(":");
}

/** Undefined when the text is not an IPv4 or IPv6 address (zones, prefixes and mapped forms are not). */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(":")) {
    const bytes = parseIpv6Bytes(text);
    return bytes && ipFromBytes(bytes);
  }
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
  }
  return text as Ipv4;
}

function parseIpv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = hextets(halves[0] ?? "");
  const tail = halves.length === 2 ? hextets(halves[1] ?? "") : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  const bytes = new Uint8Array(16);
  all.forEach((hextet, i) => {
    bytes[2 * i] = hextet >> 8;
    bytes[2 * i + 1] = hextet & 0xff;
  });
  return bytes;
}

function hextets(text: string): number[] | undefined {
  if (text === "") return [];
  const out: number[] = [];
  for (const part of text.split(":")) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
    out.push(Number.parseInt(part, 16));
  }
  return out;
}

/** 4 bytes for IPv4, 16 for IPv6, in network order. */
export function ipBytes(address: IpAddress): Uint8Array {
  if (isIpv4(address)) return Uint8Array.from(address.split("."), Number);
  return parseIpv6Bytes(address) ?? new Uint8Array(16);
}

/** The address in 4 or 16 bytes of network order; other lengths are a programming error. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join(".") as Ipv4;
  if (bytes.length !== 16) throw new Error(`an address has 4 or 16 bytes, not ${bytes.length}`);
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const zeros = longestZeros(words);
  if (zeros.length < 2) return words.map((word) => word.toString(16)).join(":") as Ipv6;
  const head = words.slice(0, zeros.start).map((word) => word.toString(16));
  const tail = words.slice(zeros.start + zeros.length).map((word) => word.toString(16));
  return `${head.join(":")}::${tail.join(":")}` as Ipv6;
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  words.forEach((word, i) => {
    if (word !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  });
  return best;
}

/** True when `address` lies in the network of `network`/`prefixLength`; false across families. */
export function inNetwork(address: IpAddress, network: IpAddress, prefixLength: number): boolean {
  const a = ipBytes(address);
  const b = ipBytes(network);
  if (a.length !== b.length) return false;
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const mask = prefixLength - bit >= 8 ? 0xff : (0xff << (8 - (prefixLength - bit))) & 0xff;
    if (((a[bit / 8] ?? 0) & mask) !== ((b[bit / 8] ?? 0) & mask)) return false;
  }
  return true;
}
