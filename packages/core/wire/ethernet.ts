/** Ethernet II frames: the 14 bytes in front of everything (no VLAN tag: the kernel takes it off). */
import { macBytes, macFromBytes } from "../units/mac.ts";
import type { Mac } from "../units/mac.ts";

export const ETHERNET_BYTES = 14;
export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const BROADCAST = "ff:ff:ff:ff:ff:ff" as Mac;

/** Where a frame goes and comes from. */
export interface EthernetAddresses {
  readonly destinationMac: Mac;
  readonly sourceMac: Mac;
}

/** A frame of `length` bytes behind the Ethernet header, all zero but for that header. */
export function newFrame(addresses: EthernetAddresses, etherType: number, length: number): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + length);
  frame.set(macBytes(addresses.destinationMac), 0);
  frame.set(macBytes(addresses.sourceMac), 6);
  frame[12] = etherType >>> 8;
  frame[13] = etherType & 0xff;
  return frame;
}

/** The frame must have at least 14 bytes. */
export function ethernetAddresses(frame: Uint8Array): EthernetAddresses {
  return { destinationMac: macFromBytes(frame, 0), sourceMac: macFromBytes(frame, 6) };
}

/** 16 bits in network order; 0 outside the bytes. */
export function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}
