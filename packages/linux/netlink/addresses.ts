/** Addresses of interfaces by rtnetlink (rtnetlink(7)): a dump, changes, and batches of changes in one send. */
import { ipBytes, ipFromBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { ACK, attributes, CREATE, DUMP, readU32, REPLACE, REQUEST } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { NetlinkError, RequestSocket } from "./socket.ts";

export const GROUP_IPV4_ADDRESS = 5;
export const GROUP_IPV6_ADDRESS = 9;

export const NEW_ADDRESS = 20;
export const DELETE_ADDRESS = 21;
const GET_ADDRESS = 22;

const AF_INET = 2;
const AF_INET6 = 10;
const FLAG_NODAD = 0x2;
const HEADER_BYTES = 8;
const ATTRIBUTE_ADDRESS = 1;
const ATTRIBUTE_LOCAL = 2;
const ATTRIBUTE_LIFETIMES = 6;
const FOREVER = 0xffffffff;

export interface InterfaceAddress {
  readonly index: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

export interface FoundAddress extends InterfaceAddress {
  /** Infinity: permanent. */
  readonly valid_s: number;
}

/** One change of a batch; `valid_s` (whole seconds) the lifetime after which the kernel removes the address by itself. */
export type AddressChange =
  | ({ readonly kind: "put"; readonly valid_s: number } & InterfaceAddress)
  | ({ readonly kind: "delete" } & InterfaceAddress);

export function listAddresses(socket: RequestSocket, writer: MessageWriter): Result<FoundAddress[], NetlinkError> {
  const found: FoundAddress[] = [];
  writer.reset();
  writer.begin(GET_ADDRESS, REQUEST | DUMP);
  writer.u32(0).u32(0);
  writer.end();
  const result = socket.dump(writer.bytes, (message) => {
    const address = message.type === NEW_ADDRESS ? parseAddress(message) : undefined;
    if (address !== undefined) found.push(address);
  });
  return result.ok ? success(found) : result;
}

/** `struct ifaddrmsg` and attributes of NEW_ADDRESS and DELETE_ADDRESS; undefined when cut or of another family. */
export function parseAddress(message: Message): FoundAddress | undefined {
  const { payload } = message;
  const prefixLength = payload[1];
  const index = readU32(payload, 4);
  if (payload.length < HEADER_BYTES || prefixLength === undefined || index === undefined) return undefined;
  const length = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 16 : 0;
  const at = attributes(payload, HEADER_BYTES);
  // On a point-to-point interface ADDRESS is the other end; LOCAL, where it is given, is ours.
  const bytes = at.get(ATTRIBUTE_LOCAL) ?? at.get(ATTRIBUTE_ADDRESS);
  if (bytes === undefined || length === 0 || bytes.length !== length) return undefined;
  const valid = readU32(at.get(ATTRIBUTE_LIFETIMES), 4) ?? FOREVER;
  return {
    index,
    address: ipFromBytes(bytes),
    prefixLength,
    valid_s: valid === FOREVER ? Number.POSITIVE_INFINITY : valid,
  };
}

/**
 * Does all changes in one send; the errors, each with the change it is of. Putting an address that is there renews its
 * lifetime.
 */
export function changeAddresses(
  socket: RequestSocket,
  writer: MessageWriter,
  changes: readonly AddressChange[],
): { readonly change: AddressChange; readonly error: NetlinkError }[] {
  if (changes.length === 0) return [];
  writer.reset();
  const bySequence = new Map<number, AddressChange>();
  for (const change of changes) bySequence.set(writeChange(writer, change), change);
  return socket.acknowledge(writer.bytes, changes.length).flatMap((error) => {
    const change = bySequence.get(error.sequence);
    // An error without a message of its own (the send failed) is of all of them.
    return change === undefined ? changes.map((each) => ({ change: each, error })) : [{ change, error }];
  });
}

function writeChange(writer: MessageWriter, change: AddressChange): number {
  const bytes = ipBytes(change.address);
  const v4 = isIpv4(change.address);
  const sequence =
    change.kind === "put"
      ? writer.begin(NEW_ADDRESS, REQUEST | ACK | CREATE | REPLACE)
      : writer.begin(DELETE_ADDRESS, REQUEST | ACK);
  writer.u8(v4 ? AF_INET : AF_INET6).u8(change.prefixLength);
  // Duplicate address detection would keep an IPv6 address tentative, that is mute, for more than a second.
  writer.u8(v4 ? 0 : FLAG_NODAD).u8(0);
  writer.u32(change.index);
  writer.attribute(ATTRIBUTE_LOCAL, bytes).attribute(ATTRIBUTE_ADDRESS, bytes);
  if (change.kind === "put") {
    const preferred_s = v4 ? change.valid_s : 0;
    // RFC 4862 section 5.5.4: a deprecated address is not chosen as a source by those who did not ask for it.
    const lifetimes = Uint32Array.of(preferred_s, change.valid_s, 0, 0);
    writer.attribute(ATTRIBUTE_LIFETIMES, new Uint8Array(lifetimes.buffer));
  }
  writer.end();
  return sequence;
}
