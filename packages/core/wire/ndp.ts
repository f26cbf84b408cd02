/** Neighbour solicitations and advertisements (RFC 4861 section 4.3, 4.4) as Ethernet frames. Parsing never throws. */
import { ipBytes, ipFromBytes } from "../units/ip.ts";
import { macBytes, macFromBytes } from "../units/mac.ts";
import { failure, success } from "../units/result.ts";
import { addWords, checksum, pseudoHeaderSum } from "./checksum.ts";
import { ethernetAddresses, setWord } from "./ethernet.ts";
import { addressAt, newIpFrame, parseIpFrame } from "./ip-packet.ts";
import type { Ipv6 } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { Result } from "../units/result.ts";
import type { EthernetAddresses } from "./ethernet.ts";
import type { IpLayout } from "./ip-packet.ts";
import type { ParseError } from "./parse-error.ts";

const ICMPV6 = 58;
const TYPE = { solicitation: 135, advertisement: 136 } as const;
const FLAG = { router: 0x80, solicited: 0x40, override: 0x20 } as const;
const OPTION = { sourceMac: 1, targetMac: 2 } as const;
const MESSAGE_BYTES = 24;
const OPTION_BYTES = 8;
/** RFC 4861 section 7.1: anything less came through a router, and is not from this link. */
const HOPS = 255;

const ALL_NODES = "ff02::1" as Ipv6;
const ALL_NODES_MAC = "33:33:00:00:00:01" as Mac;

interface NdpFields extends EthernetAddresses {
  readonly source: Ipv6;
  readonly destination: Ipv6;
  /** The address that is asked for or announced. */
  readonly target: Ipv6;
  /** The source link-layer option of a solicitation, the target one of an advertisement. */
  readonly linkLayer: Mac | undefined;
}

export type NdpFrame =
  | (NdpFields & { readonly kind: "solicitation" })
  | (NdpFields & {
      readonly kind: "advertisement";
      readonly router: boolean;
      readonly solicited: boolean;
      readonly override: boolean;
    });

/** The whole frame with its checksum (RFC 4443 section 2.3). */
export function emitNdp(ndp: NdpFrame): Uint8Array {
  const length = MESSAGE_BYTES + (ndp.linkLayer === undefined ? 0 : OPTION_BYTES);
  const { frame, payloadAt: at } = newIpFrame({ ...ndp, protocol: ICMPV6, hops: HOPS }, length);
  frame[at] = TYPE[ndp.kind];
  if (ndp.kind === "advertisement") {
    frame[at + 4] =
      (ndp.router ? FLAG.router : 0) | (ndp.solicited ? FLAG.solicited : 0) | (ndp.override ? FLAG.override : 0);
  }
  frame.set(ipBytes(ndp.target), at + 8);
  if (ndp.linkLayer !== undefined) {
    frame[at + MESSAGE_BYTES] = ndp.kind === "solicitation" ? OPTION.sourceMac : OPTION.targetMac;
    frame[at + MESSAGE_BYTES + 1] = 1;
    frame.set(macBytes(ndp.linkLayer), at + MESSAGE_BYTES + 2);
  }
  setWord(frame, at + 2, checksum(messageSum(frame, at - 32, at, frame.length)));
  return frame;
}

/** RFC 4861 section 7.2.6: the address is here now. To all nodes, override set, with the MAC it moved to. */
export function unsolicitedAdvertisement(mac: Mac, address: Ipv6): Uint8Array {
  return emitNdp({
    kind: "advertisement",
    destinationMac: ALL_NODES_MAC,
    sourceMac: mac,
    source: address,
    destination: ALL_NODES,
    target: address,
    linkLayer: mac,
    router: false,
    solicited: false,
    override: true,
  });
}

/** Asks the station with this MAC alone whether it has `target`. */
export function neighbourSolicitation(mac: Mac, address: Ipv6, target: Ipv6, destinationMac: Mac): Uint8Array {
  return emitNdp({
    kind: "solicitation",
    destinationMac,
    sourceMac: mac,
    source: address,
    destination: target,
    target,
    linkLayer: mac,
  });
}

/** Asks everybody who may have `target`; from `::` it is the question of duplicate address detection (RFC 4862 section 5.4.2). */
export function multicastSolicitation(mac: Mac, address: Ipv6, target: Ipv6): Uint8Array {
  const low = ipBytes(target).subarray(13);
  // RFC 4291 section 2.7.1; RFC 2464 section 7.
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...low);
  return emitNdp({
    kind: "solicitation",
    destinationMac: macFromBytes(Uint8Array.of(0x33, 0x33, 0xff, ...low), 0),
    sourceMac: mac,
    source: address,
    destination: ipFromBytes(group) as Ipv6,
    target,
    linkLayer: address === "::" ? undefined : mac,
  });
}

/** The message in an Ethernet frame, checked as RFC 4861 sections 7.1.1 and 7.1.2 demand, or why there is none. */
export function parseNdpFrame(frame: Uint8Array): Result<NdpFrame, ParseError> {
  const ip = parseIpFrame(frame);
  if (!ip.ok) return ip;
  const { version, protocol, hops, sourceAt, payloadAt: at, end } = ip.value;
  if (version !== 6 || protocol !== ICMPV6) return failure({ kind: "other", at: 12, what: "protocol" });
  if (end - at < 4) return failure({ kind: "short", at: end, what: "icmpv6" });
  const type = frame[at] ?? 0;
  if (type !== TYPE.solicitation && type !== TYPE.advertisement)
    return failure({ kind: "other", at, what: "icmpv6.type" });
  if (end - at < MESSAGE_BYTES) return failure({ kind: "short", at: end, what: "ndp" });
  if (hops !== HOPS) return failure({ kind: "value", at: 21, what: "ndp.hops" });
  if (frame[at + 1] !== 0) return failure({ kind: "value", at: at + 1, what: "ndp.code" });
  if (checksum(messageSum(frame, sourceAt, at, end)) !== 0)
    return failure({ kind: "checksum", at: at + 2, what: "ndp" });
  if (frame[at + 8] === 0xff) return failure({ kind: "value", at: at + 8, what: "ndp.target" });
  const linkLayer = readLinkLayer(
    frame,
    at + MESSAGE_BYTES,
    end,
    type === TYPE.solicitation ? OPTION.sourceMac : OPTION.targetMac,
  );
  if (!linkLayer.ok) return linkLayer;
  return success(fieldsOf(frame, ip.value, type, linkLayer.value));
}

function fieldsOf(frame: Uint8Array, ip: IpLayout, type: number, linkLayer: Mac | undefined): NdpFrame {
  const address = (at: number): Ipv6 => addressAt(frame, at, 16) as Ipv6;
  const fields = {
    ...ethernetAddresses(frame),
    source: address(ip.sourceAt),
    destination: address(ip.destinationAt),
    target: address(ip.payloadAt + 8),
    linkLayer,
  };
  if (type === TYPE.solicitation) return { kind: "solicitation", ...fields };
  const flags = frame[ip.payloadAt + 4] ?? 0;
  return {
    kind: "advertisement",
    ...fields,
    router: (flags & FLAG.router) !== 0,
    solicited: (flags & FLAG.solicited) !== 0,
    override: (flags & FLAG.override) !== 0,
  };
}

/** The first option of the wanted type; unknown ones are skipped, one of length 0 is refused (RFC 4861 section 4.6). */
function readLinkLayer(
  frame: Uint8Array,
  start: number,
  end: number,
  wanted: number,
): Result<Mac | undefined, ParseError> {
  let at = start;
  let mac: Mac | undefined;
  while (at < end) {
    const length = OPTION_BYTES * (frame[at + 1] ?? 0);
    if (length === 0) return failure({ kind: "value", at: at + 1, what: "ndp.option" });
    if (at + length > end) return failure({ kind: "short", at: end, what: "ndp.option" });
    if (frame[at] === wanted) mac ??= macFromBytes(frame, at + 2);
    at += length;
  }
  return success(mac);
}

function messageSum(frame: Uint8Array, sourceAt: number, start: number, end: number): number {
  const source = frame.subarray(sourceAt, sourceAt + 16);
  const destination = frame.subarray(sourceAt + 16, sourceAt + 32);
  return addWords(pseudoHeaderSum(source, destination, ICMPV6, end - start), frame, start, end);
}
