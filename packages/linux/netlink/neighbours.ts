/** The kernel's neighbour table of one interface by rtnetlink (rtnetlink(7)): who was there lately, with which MAC address. */
import { ipFromBytes } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { macFromBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { attributes, DUMP, readU16, readU32, REQUEST } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { RequestSocket } from "./socket.ts";

const NEW_NEIGHBOUR = 28;
const GET_NEIGHBOUR = 30;
const AF_INET = 2;
const AF_INET6 = 10;
/** `struct ndmsg`. */
const HEADER_BYTES = 12;
const ATTRIBUTE_DESTINATION = 1;
const ATTRIBUTE_LINK_ADDRESS = 2;
const ATTRIBUTE_CACHE_INFO = 3;
const ATTRIBUTE_INTERFACE = 8;
/** INCOMPLETE, FAILED, NOARP: nobody is known to be there. */
const STATE_UNKNOWN = 0x01 | 0x20 | 0x40;
/** Ages in `struct nda_cacheinfo` are in ticks of USER_HZ. */
const TICK_MS = 10;
/** Datagrams of some hundred entries that are read of one table: a network may have tens of thousands of stations. */
const PARTS_MAX = 16;

export interface Neighbour {
  readonly index: number;
  readonly address: IpAddress;
  readonly mac: Mac;
  /** Milliseconds since the kernel last had a sign that it is there. */
  readonly confirmedAge_ms: number;
}

/** Of one family and one interface; what does not fit into the bounds, or cannot be had, is left out. */
export function listNeighbours(
  socket: RequestSocket,
  writer: MessageWriter,
  index: number,
  version: 4 | 6,
): readonly Neighbour[] {
  const found: Neighbour[] = [];
  writer.reset();
  writer.begin(GET_NEIGHBOUR, REQUEST | DUMP);
  writer
    .u8(version === 4 ? AF_INET : AF_INET6)
    .u8(0)
    .u16(0);
  writer.u32(0).u16(0).u8(0).u8(0);
  // Kernels before 4.4 do not look at it: the interface is compared here too.
  writer.attributeU32(ATTRIBUTE_INTERFACE, index);
  writer.end();
  if (!socket.startDump(writer.bytes).ok) return [];
  for (let part = 0; part < PARTS_MAX; part++) {
    const read = socket.dumpPart((message) => {
      const neighbour = message.type === NEW_NEIGHBOUR ? parseNeighbour(message) : undefined;
      if (neighbour?.index === index) found.push(neighbour);
    });
    if (!read.ok || read.value === "done") break;
  }
  return found;
}

/** `struct ndmsg` and attributes of NEW_NEIGHBOUR; undefined when cut, of another kind, or when nobody is known to be there. */
export function parseNeighbour({ payload }: Message): Neighbour | undefined {
  const index = readU32(payload, 4);
  const state = readU16(payload, 8);
  if (payload.length < HEADER_BYTES || index === undefined || state === undefined) return undefined;
  if (state === 0 || (state & STATE_UNKNOWN) !== 0) return undefined;
  const length = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 16 : 0;
  const at = attributes(payload, HEADER_BYTES);
  const address = at.get(ATTRIBUTE_DESTINATION);
  const mac = at.get(ATTRIBUTE_LINK_ADDRESS);
  if (address === undefined || length === 0 || address.length !== length || mac?.length !== 6) return undefined;
  const ticks = readU32(at.get(ATTRIBUTE_CACHE_INFO));
  return {
    index,
    address: ipFromBytes(address),
    mac: macFromBytes(mac),
    confirmedAge_ms: ticks === undefined ? Number.POSITIVE_INFINITY : ticks * TICK_MS,
  };
}
