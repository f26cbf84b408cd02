/** Network interfaces by rtnetlink (rtnetlink(7)): a dump, changes, and bringing one up. */
import { macFromBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { ACK, attributes, DUMP, readI32, readText, readU32, REQUEST } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { NetlinkError, RequestSocket } from "./socket.ts";

export const NETLINK_ROUTE = 0;
export const GROUP_LINK = 1;

export const NEW_LINK = 16;
export const DELETE_LINK = 17;
const GET_LINK = 18;

const FLAG_UP = 0x1;
const FLAG_LOOPBACK = 0x8;
const FLAG_RUNNING = 0x40;
const FLAG_LOWER_UP = 0x10000;

const LINK_HEADER_BYTES = 16;
const ATTRIBUTE_ADDRESS = 1;
const ATTRIBUTE_NAME = 3;
const ATTRIBUTE_KIND = 18;
const KIND_OF_PORT = 4;

/** Why an interface that is there does not work. */
export type DownReason = "administratively" | "no-carrier";

export interface Link {
  readonly index: number;
  readonly name: string;
  /** Undefined for interfaces without an Ethernet address. */
  readonly mac: Mac | undefined;
  /** Administratively up, with carrier and in operation. */
  readonly up: boolean;
  /** Undefined when it is up. */
  readonly down: DownReason | undefined;
  readonly loopback: boolean;
  /** Of a bridge, bond or team: what it receives goes up to that interface. */
  readonly port: boolean;
  /** IFF_ flags of netdevice(7). */
  readonly flags: number;
}

export function listLinks(socket: RequestSocket, writer: MessageWriter): Result<Link[], NetlinkError> {
  const found: Link[] = [];
  writer.reset();
  writer.begin(GET_LINK, REQUEST | DUMP);
  writer.u32(0).u32(0).u32(0).u32(0);
  writer.end();
  const result = socket.dump(writer.bytes, (message) => {
    const link = message.type === NEW_LINK ? parseLink(message) : undefined;
    if (link !== undefined) found.push(link);
  });
  return result.ok ? success(found) : result;
}

/** `struct ifinfomsg` and attributes of NEW_LINK and DELETE_LINK; undefined when they are cut or not of the device itself. */
export function parseLink(message: Message): Link | undefined {
  const { payload } = message;
  if (payload.length < LINK_HEADER_BYTES) return undefined;
  // A bridge tells of its ports in its own family; a deleted port is not a deleted interface.
  if (payload[0] !== 0) return undefined;
  const index = readI32(payload, 4);
  const flags = readU32(payload, 8);
  const at = attributes(payload, LINK_HEADER_BYTES);
  const name = readText(at.get(ATTRIBUTE_NAME));
  if (index === undefined || flags === undefined || name === undefined) return undefined;
  const address = at.get(ATTRIBUTE_ADDRESS);
  const portKind = readText(attributes(at.get(ATTRIBUTE_KIND) ?? new Uint8Array(), 0).get(KIND_OF_PORT));
  const down = whyDown(flags);
  return {
    index,
    name,
    mac: address?.length === 6 ? macFromBytes(address) : undefined,
    up: down === undefined,
    down,
    loopback: (flags & FLAG_LOOPBACK) !== 0,
    // A member of a VRF receives for itself.
    port: portKind !== undefined && portKind !== "vrf",
    flags,
  };
}

function whyDown(flags: number): DownReason | undefined {
  if ((flags & FLAG_UP) === 0) return "administratively";
  // RUNNING lacks too while something below is not in operation (RFC 2863): nothing passes then.
  const working = FLAG_RUNNING | FLAG_LOWER_UP;
  return (flags & working) === working ? undefined : "no-carrier";
}

/** Administratively up; what `ip link set up` does. */
export function setLinkUp(socket: RequestSocket, writer: MessageWriter, index: number): NetlinkError | undefined {
  writer.reset();
  writer.begin(NEW_LINK, REQUEST | ACK);
  writer.u32(0).u32(index).u32(FLAG_UP).u32(FLAG_UP);
  writer.end();
  return socket.acknowledge(writer.bytes, 1)[0];
}
