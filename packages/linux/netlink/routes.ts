/** Routes by rtnetlink (rtnetlink(7)): a dump, batches of changes, and whether the kernel delivers an address to itself. */
import { constants } from "node:os";
import { ipBytes, ipFromBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { ACK, attributes, CREATE, DUMP, readU16, readU32, REPLACE, REQUEST } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { NetlinkError, RequestSocket } from "./socket.ts";

export const GROUP_IPV4_ROUTE = 7;
export const GROUP_IPV6_ROUTE = 11;

export const NEW_ROUTE = 24;
export const DELETE_ROUTE = 25;
const GET_ROUTE = 26;
export const AF_INET = 2;
export const AF_INET6 = 10;

const HEADER_BYTES = 12;
const DESTINATION = 1;
const OUTGOING = 4;
const GATEWAY = 5;
const PRIORITY = 6;
const METRICS = 8;
const MULTIPATH = 9;
const TABLE = 15;
const VIA = 18;

/** Offset of the type in `struct rtmsg`. */
const TYPE_AT = 7;
const UNICAST = 1;
const LOCAL = 2;
/** The lookup goes on with the next rule, as if this table had no route. */
const THROW = 9;

const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
/** RT_SCOPE_NOWHERE and RTN_UNSPEC of what is deleted: whichever it is of. */
const SCOPE_ANY = 255;
const TYPE_ANY = 0;
/** RTNH_F_ONLINK: the gateway is a neighbour on the interface, whatever other routes say. */
const ONLINK = 4;
/** RTM_F_CLONED: the memory of a lookup, not a route. */
const CLONED = 0x200;

export const MAIN_TABLE = 254;

export type Family = 4 | 6;

/** One way of a route. */
export interface NextHop {
  readonly index: number;
  readonly gateway: IpAddress | undefined;
}

export interface Route {
  readonly family: Family;
  readonly table: number;
  /** Who made it: 2 the kernel, 3 at boot, 4 an administrator (rtnetlink(7)). */
  readonly protocol: number;
  /** "10.0.0.0/24". */
  readonly destination: string;
  /** Lower is better. */
  readonly metric: number;
  /** `none`: nothing is sent by it (blackhole, unreachable, prohibit, throw). */
  readonly kind: "unicast" | "throw" | "none";
  readonly hops: readonly NextHop[];
  /** `RTAX_` attributes, such as a path's MTU, as the kernel writes them. */
  readonly metrics: Uint8Array | undefined;
}

/** All routes of a family but those to this machine itself; fails with E2BIG as soon as there are more than `most`. */
export function listRoutes(
  socket: RequestSocket,
  writer: MessageWriter,
  family: Family,
  most: number,
): Result<Route[], NetlinkError> {
  writer.reset();
  writer.begin(GET_ROUTE, REQUEST | DUMP);
  writer.u8(afOf(family)).u8(0).u8(0).u8(0).u32(0).u32(0);
  writer.end();
  const found: Route[] = [];
  let seen = 0;
  const started = socket.startDump(writer.bytes);
  if (!started.ok) return started;
  for (;;) {
    const part = socket.dumpPart((message) => {
      const route = message.type === NEW_ROUTE ? parseRoute(message) : undefined;
      if (route === undefined) return;
      seen++;
      if (seen <= most) found.push(route);
    });
    if (!part.ok) return part;
    if (seen > most) return failure({ errno: constants.errno.E2BIG, sequence: 0, detail: `more than ${most} routes` });
    if (part.value === "done") return success(found);
  }
}

/** `struct rtmsg` and attributes; undefined when they are cut, of another family, or of a route to this machine itself. */
export function parseRoute({ payload }: Message): Route | undefined {
  const family = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 6 : undefined;
  const [length, type, flags] = [payload[1], payload[TYPE_AT], readU32(payload, 8)];
  if (family === undefined || length === undefined || type === undefined || flags === undefined) return undefined;
  if ((flags & CLONED) !== 0 || !isToOthers(type)) return undefined;
  const at = attributes(payload, HEADER_BYTES);
  const bytes = at.get(DESTINATION) ?? new Uint8Array(family === 4 ? 4 : 16);
  if (bytes.length !== (family === 4 ? 4 : 16)) return undefined;
  return {
    family,
    table: readU32(at.get(TABLE)) ?? payload[4] ?? 0,
    protocol: payload[5] ?? 0,
    destination: `${ipFromBytes(bytes)}/${length}`,
    metric: readU32(at.get(PRIORITY)) ?? 0,
    kind: type === UNICAST ? "unicast" : type === THROW ? "throw" : "none",
    hops: type === UNICAST ? hopsOf(at) : [],
    metrics: at.get(METRICS)?.slice(),
  };
}

/** RTN_UNICAST, and RTN_BLACKHOLE to RTN_THROW. */
function isToOthers(type: number): boolean {
  return type === UNICAST || (type >= 6 && type <= THROW);
}

function hopsOf(at: ReadonlyMap<number, Uint8Array>): NextHop[] {
  const several = at.get(MULTIPATH);
  if (several !== undefined) return multipathHops(several);
  const index = readU32(at.get(OUTGOING));
  return index === undefined ? [] : [{ index, gateway: gatewayOf(at) }];
}

/** `struct rtnexthop`: length, flags, hops, interface; attributes behind each. */
function multipathHops(bytes: Uint8Array): NextHop[] {
  const hops: NextHop[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = readU16(bytes, at) ?? 0;
    const index = readU32(bytes, at + 4);
    if (length < 8 || length > bytes.length - at || index === undefined) break;
    hops.push({ index, gateway: gatewayOf(attributes(bytes.subarray(at, at + length), 8)) });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** Undefined for neighbours themselves, and for a gateway of the other family (RFC 5549). */
function gatewayOf(at: ReadonlyMap<number, Uint8Array>): IpAddress | undefined {
  const bytes = at.get(GATEWAY);
  if (at.has(VIA) || (bytes?.length !== 4 && bytes?.length !== 16)) return undefined;
  return ipFromBytes(bytes);
}

/** A route of our own: by `hop`, or, without one, on with the next rule. */
export interface OwnRoute {
  readonly table: number;
  readonly destination: string;
  readonly hop: NextHop | undefined;
  readonly metrics: Uint8Array | undefined;
}

export interface RouteChange {
  readonly kind: "put" | "delete";
  readonly route: OwnRoute;
}

/** Does all changes in one send; the errors, each with the change it is of. */
export function changeRoutes(
  socket: RequestSocket,
  writer: MessageWriter,
  protocol: number,
  changes: readonly RouteChange[],
): { readonly change: RouteChange; readonly error: NetlinkError }[] {
  if (changes.length === 0) return [];
  writer.reset();
  const bySequence = new Map<number, RouteChange>();
  for (const change of changes) bySequence.set(writeChange(writer, protocol, change), change);
  return socket.acknowledge(writer.bytes, changes.length).flatMap((error) => {
    const change = bySequence.get(error.sequence);
    return change === undefined ? changes.map((each) => ({ change: each, error })) : [{ change, error }];
  });
}

function writeChange(writer: MessageWriter, protocol: number, { kind, route }: RouteChange): number {
  const [address = "", length = "0"] = route.destination.split("/");
  const { hop } = route;
  const v4 = isIpv4(address as IpAddress);
  const type = kind === "put" ? NEW_ROUTE : DELETE_ROUTE;
  const sequence = writer.begin(type, kind === "put" ? REQUEST | ACK | CREATE | REPLACE : REQUEST | ACK);
  writer.u8(v4 ? AF_INET : AF_INET6).u8(Number(length));
  writer.u8(0).u8(0).u8(0).u8(protocol);
  if (kind === "delete") writer.u8(SCOPE_ANY).u8(TYPE_ANY);
  else
    writer
      .u8(v4 && hop !== undefined && hop.gateway === undefined ? SCOPE_LINK : SCOPE_UNIVERSE)
      .u8(hop === undefined ? THROW : UNICAST);
  // The other adapter's connected route comes first, or our own network is not on this one at all.
  writer.u32(v4 && hop?.gateway !== undefined ? ONLINK : 0);
  if (length !== "0") writer.attribute(DESTINATION, ipBytes(address as IpAddress));
  writer.attributeU32(TABLE, route.table);
  if (hop !== undefined) writer.attributeU32(OUTGOING, hop.index);
  if (hop?.gateway !== undefined) writer.attribute(GATEWAY, ipBytes(hop.gateway));
  if (route.metrics !== undefined && kind === "put") writer.attribute(METRICS, route.metrics);
  writer.end();
  return sequence;
}

/** True when a packet to the address is taken in by this machine; with `index`, because that interface has the address. */
export function isLocal(socket: RequestSocket, writer: MessageWriter, address: IpAddress, index?: number): boolean {
  const bytes = ipBytes(address);
  writer.reset();
  writer.begin(GET_ROUTE, REQUEST | ACK);
  writer.u8(isIpv4(address) ? AF_INET : AF_INET6).u8(bytes.length * 8);
  writer.u8(0).u8(0).u32(0).u32(0);
  writer.attribute(DESTINATION, bytes);
  if (index !== undefined) writer.attributeU32(OUTGOING, index);
  writer.end();
  let local = false;
  const asked = socket.dump(writer.bytes, ({ type, payload }) => {
    local ||= type === NEW_ROUTE && payload[TYPE_AT] === LOCAL;
  });
  return asked.ok && local;
}

function afOf(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}
