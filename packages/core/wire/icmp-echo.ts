/**
 * Echo requests and replies (RFC 792, RFC 4443 section 4) as a raw socket takes and gives them: the message alone, but
 * behind its IP header when IPv4 is received. Parsing never throws.
 */
import { failure, success } from "../units/result.ts";
import { addWords, checksum } from "./checksum.ts";
import { setWord, word } from "./ethernet.ts";
import type { Result } from "../units/result.ts";
import type { ParseError } from "./parse-error.ts";

const HEADER_BYTES = 8;
const IPV4_BYTES = 20;
const ICMP = 1;
const TYPE = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

export interface Echo {
  readonly version: 4 | 6;
  readonly kind: "request" | "reply";
  /** Unsigned 16 bits, as the sequence. */
  readonly identifier: number;
  readonly sequence: number;
  /** A reply has that of its request. */
  readonly payload: Uint8Array;
}

/** The message; the checksum of IPv6 needs the addresses and is left to the kernel (RFC 3542 section 3.1). */
export function emitEcho(echo: Echo): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + echo.payload.length);
  message[0] = TYPE[echo.version][echo.kind];
  setWord(message, 4, echo.identifier);
  setWord(message, 6, echo.sequence);
  message.set(echo.payload, HEADER_BYTES);
  if (echo.version === 4) setWord(message, 2, checksum(addWords(0, message)));
  return message;
}

/** What a raw IPv4 socket received: a packet with its header, which the kernel has checked. The payload is a view into it. */
export function parseEchoPacket(packet: Uint8Array): Result<Echo, ParseError> {
  if (packet.length < IPV4_BYTES) return failure({ kind: "short", at: packet.length, what: "ipv4" });
  const first = packet[0] ?? 0;
  if (first >> 4 !== 4) return failure({ kind: "version", at: 0, what: "ipv4.version" });
  const at = 4 * (first & 0x0f);
  if (at < IPV4_BYTES) return failure({ kind: "value", at: 0, what: "ipv4.headerLength" });
  if (packet[9] !== ICMP) return failure({ kind: "other", at: 9, what: "protocol" });
  if (packet.length < at + HEADER_BYTES) return failure({ kind: "short", at: packet.length, what: "icmp" });
  if (checksum(addWords(0, packet, at, packet.length)) !== 0)
    return failure({ kind: "checksum", at: at + 2, what: "icmp" });
  return parseMessage(4, packet, at);
}

/** What a raw IPv6 socket received: the message alone, whose checksum the kernel has checked. */
export function parseEchoMessage(message: Uint8Array): Result<Echo, ParseError> {
  if (message.length < HEADER_BYTES) return failure({ kind: "short", at: message.length, what: "icmp" });
  return parseMessage(6, message, 0);
}

function parseMessage(version: 4 | 6, bytes: Uint8Array, at: number): Result<Echo, ParseError> {
  const { request, reply } = TYPE[version];
  const type = bytes[at];
  if (type !== request && type !== reply) return failure({ kind: "other", at, what: "icmp.type" });
  if (bytes[at + 1] !== 0) return failure({ kind: "value", at: at + 1, what: "icmp.code" });
  return success({
    version,
    kind: type === request ? "request" : "reply",
    identifier: word(bytes, at + 4),
    sequence: word(bytes, at + 6),
    payload: bytes.subarray(at + HEADER_BYTES),
  });
}
