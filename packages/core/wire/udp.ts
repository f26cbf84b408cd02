/** UDP (RFC 768) in Ethernet frames over IPv4 and IPv6: for probes that must not pass through a machine's own stack. */
import { failure, success } from "../units/result.ts";
import { addWords, checksum, pseudoHeaderSum } from "./checksum.ts";
import { ethernetAddresses, setWord, word } from "./ethernet.ts";
import { addressAt, newIpFrame, parseIpFrame } from "./ip-packet.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Result } from "../units/result.ts";
import type { EthernetAddresses } from "./ethernet.ts";
import type { ParseError } from "./parse-error.ts";

const UDP = 17;
const UDP_BYTES = 8;
const HOPS = 64;

export interface UdpFrame extends EthernetAddresses {
  /** Of the same family. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** The whole frame, with checksums. The payload must fit into one packet (65507 bytes over IPv4). */
export function emitUdp(udp: UdpFrame): Uint8Array {
  const length = UDP_BYTES + udp.payload.length;
  const { frame, payloadAt: at } = newIpFrame({ ...udp, protocol: UDP, hops: HOPS }, length);
  setWord(frame, at, udp.sourcePort);
  setWord(frame, at + 2, udp.destinationPort);
  setWord(frame, at + 4, length);
  frame.set(udp.payload, at + UDP_BYTES);
  const addressBytes = frame[14] === 0x45 ? 4 : 16;
  const sum = datagramSum(frame, at - 2 * addressBytes, addressBytes, at, frame.length);
  // RFC 768: a computed zero is sent as all ones, for zero means that there is none.
  setWord(frame, at + 6, checksum(sum) === 0 ? 0xffff : checksum(sum));
  return frame;
}

export interface ReceivedUdp extends UdpFrame {
  /**
   * `wrong` is no error here: a packet captured on the machine that sent it, or at the far end of a veth pair, often has
   * its checksum left to hardware that never came.
   */
  readonly checksum: "right" | "wrong" | "none";
}

/** The datagram in an Ethernet frame, or why there is none. The payload is a view into the frame. */
export function parseUdpFrame(frame: Uint8Array): Result<ReceivedUdp, ParseError> {
  const ip = parseIpFrame(frame);
  if (!ip.ok) return ip;
  const { protocol, sourceAt, destinationAt, addressBytes, payloadAt: at, end } = ip.value;
  if (protocol !== UDP) return failure({ kind: "other", at: 14, what: "protocol" });
  if (end - at < UDP_BYTES) return failure({ kind: "short", at: end, what: "udp" });
  const length = word(frame, at + 4);
  if (length < UDP_BYTES) return failure({ kind: "value", at: at + 4, what: "udp.length" });
  if (length > end - at) return failure({ kind: "short", at: end, what: "udp" });
  const given = word(frame, at + 6);
  const right = checksum(datagramSum(frame, sourceAt, addressBytes, at, at + length)) === 0;
  return success({
    ...ethernetAddresses(frame),
    source: addressAt(frame, sourceAt, addressBytes),
    destination: addressAt(frame, destinationAt, addressBytes),
    sourcePort: word(frame, at),
    destinationPort: word(frame, at + 2),
    payload: frame.subarray(at + UDP_BYTES, at + length),
    checksum: given === 0 ? "none" : right ? "right" : "wrong",
  });
}

function datagramSum(frame: Uint8Array, sourceAt: number, addressBytes: number, start: number, end: number): number {
  const source = frame.subarray(sourceAt, sourceAt + addressBytes);
  const destination = frame.subarray(sourceAt + addressBytes, sourceAt + 2 * addressBytes);
  return addWords(pseudoHeaderSum(source, destination, UDP, end - start), frame, start, end);
}
