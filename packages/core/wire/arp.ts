/** ARP over Ethernet for IPv4 (RFC 826; announcements as in RFC 5227): frames to bytes and back. Parsing never throws. */
import { ipBytes, ipFromBytes } from "../units/ip.ts";
import { macBytes, macFromBytes } from "../units/mac.ts";
import { failure, success } from "../units/result.ts";
import { BROADCAST, ETHERNET_BYTES, ethernetAddresses, ETHERTYPE, newFrame, setWord, word } from "./ethernet.ts";
import type { Ipv4 } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { Result } from "../units/result.ts";
import type { EthernetAddresses } from "./ethernet.ts";
import type { ParseError } from "./parse-error.ts";

export interface ArpFrame extends EthernetAddresses {
  readonly operation: "request" | "reply";
  readonly senderMac: Mac;
  readonly senderAddress: Ipv4;
  readonly targetMac: Mac;
  readonly targetAddress: Ipv4;
}

const PACKET_BYTES = 28;
const ZERO_MAC = "00:00:00:00:00:00" as Mac;

/** Offsets in the frame. */
const AT = {
  hardwareType: 14,
  protocolType: 16,
  hardwareLength: 18,
  protocolLength: 19,
  operation: 20,
  senderMac: 22,
  senderAddress: 28,
  targetMac: 32,
  targetAddress: 38,
} as const;

/** 42 bytes; the driver pads to the 60 that Ethernet demands. */
export function emitArp(arp: ArpFrame): Uint8Array {
  const frame = newFrame(arp, ETHERTYPE.arp, PACKET_BYTES);
  setWord(frame, AT.hardwareType, 1);
  setWord(frame, AT.protocolType, ETHERTYPE.ipv4);
  frame[AT.hardwareLength] = 6;
  frame[AT.protocolLength] = 4;
  setWord(frame, AT.operation, arp.operation === "request" ? 1 : 2);
  frame.set(macBytes(arp.senderMac), AT.senderMac);
  frame.set(ipBytes(arp.senderAddress), AT.senderAddress);
  frame.set(macBytes(arp.targetMac), AT.targetMac);
  frame.set(ipBytes(arp.targetAddress), AT.targetAddress);
  return frame;
}

/** An ARP announcement (RFC 5227 section 2.3): a broadcast request whose sender and target are the address itself. */
export function gratuitousRequest(mac: Mac, address: Ipv4): Uint8Array {
  return gratuitousRequestTo(BROADCAST, mac, address);
}

/** The same for one neighbour alone: a gateway or a recent client, should the broadcast be lost. */
export function gratuitousRequestTo(neighbour: Mac, mac: Mac, address: Ipv4): Uint8Array {
  return emitArp({
    destinationMac: neighbour,
    sourceMac: mac,
    operation: "request",
    senderMac: mac,
    senderAddress: address,
    targetMac: ZERO_MAC,
    targetAddress: address,
  });
}

/**
 * A broadcast reply whose target is the sender, with the sender's own MAC as the target's: with a zero or broadcast target
 * MAC a Linux neighbour ignores it while its entry is younger than a second.
 */
export function gratuitousReply(mac: Mac, address: Ipv4): Uint8Array {
  return emitArp({
    destinationMac: BROADCAST,
    sourceMac: mac,
    operation: "reply",
    senderMac: mac,
    senderAddress: address,
    targetMac: mac,
    targetAddress: address,
  });
}

/** Asks who has `target`; `destination` is broadcast, or the one station that is asked. */
export function arpRequest(mac: Mac, address: Ipv4, target: Ipv4, destination: Mac = BROADCAST): Uint8Array {
  return emitArp({
    destinationMac: destination,
    sourceMac: mac,
    operation: "request",
    senderMac: mac,
    senderAddress: address,
    targetMac: ZERO_MAC,
    targetAddress: target,
  });
}

/** The ARP packet in an Ethernet frame (padding behind it is allowed), or why there is none. */
export function parseArpFrame(frame: Uint8Array): Result<ArpFrame, ParseError> {
  if (frame.length < ETHERNET_BYTES) return failure({ kind: "short", at: frame.length, what: "ethernet" });
  if (word(frame, 12) !== ETHERTYPE.arp) return failure({ kind: "other", at: 12, what: "etherType" });
  if (frame.length < ETHERNET_BYTES + PACKET_BYTES) return failure({ kind: "short", at: frame.length, what: "arp" });
  if (word(frame, AT.hardwareType) !== 1) return failure({ kind: "other", at: AT.hardwareType, what: "hardwareType" });
  if (word(frame, AT.protocolType) !== ETHERTYPE.ipv4)
    return failure({ kind: "other", at: AT.protocolType, what: "protocolType" });
  if (frame[AT.hardwareLength] !== 6) return failure({ kind: "value", at: AT.hardwareLength, what: "hardwareLength" });
  if (frame[AT.protocolLength] !== 4) return failure({ kind: "value", at: AT.protocolLength, what: "protocolLength" });
  const operation = word(frame, AT.operation);
  if (operation !== 1 && operation !== 2) return failure({ kind: "other", at: AT.operation, what: "operation" });
  const address = (at: number): Ipv4 => ipFromBytes(frame.subarray(at, at + 4)) as Ipv4;
  return success({
    ...ethernetAddresses(frame),
    operation: operation === 1 ? "request" : "reply",
    senderMac: macFromBytes(frame, AT.senderMac),
    senderAddress: address(AT.senderAddress),
    targetMac: macFromBytes(frame, AT.targetMac),
    targetAddress: address(AT.targetAddress),
  });
}
