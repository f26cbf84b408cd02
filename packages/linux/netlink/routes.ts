/** Routes by rtnetlink (rtnetlink(7)): whether the kernel delivers an address to itself, and an interface's gateways. */
import { ipBytes, ipFromBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { ACK, attributes, DUMP, readU16, readU32, REQUEST } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { RequestSocket } from "./socket.ts";

const NEW_ROUTE = 24;
const GET_ROUTE = 26;
const AF_INET = 2;
const AF_INET6 = 10;
const ATTRIBUTE_DESTINATION = 1;
const ATTRIBUTE_INTERFACE = 4;
const ATTRIBUTE_GATEWAY = 5;
const ATTRIBUTE_MULTIPATH = 9;
/** `struct rtmsg`, `struct rtnexthop`. */
const HEADER_BYTES = 12;
const HOP_BYTES = 8;
const PREFIX_AT = 1;
/** Offset of the type in `struct rtmsg`. */
const TYPE_AT = 7;
const UNICAST = 1;
const LOCAL = 2;
/** Datagrams of some hundred routes that are read at most: the kernel tells the default route first. */
const PARTS_MAX = 16;

/** True when a packet to the address is taken in by this machine. */
export function isLocal(socket: RequestSocket, writer: MessageWriter, address: IpAddress): boolean {
  const bytes = ipBytes(address);
  writer.reset();
  writer.begin(GET_ROUTE, REQUEST | ACK);
  writer.u8(isIpv4(address) ? AF_INET : AF_INET6).u8(bytes.length * 8);
  writer.u8(0).u8(0).u32(0).u32(0);
  writer.attribute(ATTRIBUTE_DESTINATION, bytes);
  writer.end();
  let local = false;
  const asked = socket.dump(writer.bytes, ({ type, payload }) => {
    local ||= type === NEW_ROUTE && payload[TYPE_AT] === LOCAL;
  });
  return asked.ok && local;
}

/** The gateways of default routes by this interface, in any table, each once; none when they cannot be had. */
export function defaultGateways(
  socket: RequestSocket,
  writer: MessageWriter,
  index: number,
  version: 4 | 6,
): readonly IpAddress[] {
  const found = new Set<IpAddress>();
  writer.reset();
  writer.begin(GET_ROUTE, REQUEST | DUMP);
  writer.u8(version === 4 ? AF_INET : AF_INET6).u8(0);
  writer.u8(0).u8(0).u32(0).u32(0);
  writer.end();
  if (!socket.startDump(writer.bytes).ok) return [];
  for (let part = 0; part < PARTS_MAX; part++) {
    const read = socket.dumpPart((message) => {
      if (message.type !== NEW_ROUTE) return;
      for (const hop of defaultRoute(message)) if (hop.index === index) found.add(hop.gateway);
    });
    if (!read.ok || read.value === "done") break;
  }
  return [...found];
}

export interface Hop {
  readonly index: number;
  readonly gateway: IpAddress;
}

/** The next hops of a default route; none of any other message. */
export function defaultRoute({ payload }: Message): readonly Hop[] {
  if (payload.length < HEADER_BYTES || payload[PREFIX_AT] !== 0 || payload[TYPE_AT] !== UNICAST) return [];
  const at = attributes(payload, HEADER_BYTES);
  const paths = at.get(ATTRIBUTE_MULTIPATH);
  if (paths === undefined) {
    const index = readU32(at.get(ATTRIBUTE_INTERFACE));
    return index === undefined ? [] : hopOf(index, at.get(ATTRIBUTE_GATEWAY));
  }
  const hops: Hop[] = [];
  for (let start = 0; start + HOP_BYTES <= paths.length;) {
    const length = readU16(paths, start) ?? 0;
    const index = readU32(paths, start + 4);
    if (length < HOP_BYTES || start + length > paths.length || index === undefined) break;
    const gateway = attributes(paths.subarray(start, start + length), HOP_BYTES).get(ATTRIBUTE_GATEWAY);
    hops.push(...hopOf(index, gateway));
    start += (length + 3) & ~3;
  }
  return hops;
}

function hopOf(index: number, gateway: Uint8Array | undefined): readonly Hop[] {
  if (gateway === undefined || (gateway.length !== 4 && gateway.length !== 16)) return [];
  return [{ index, gateway: ipFromBytes(gateway) }];
}
