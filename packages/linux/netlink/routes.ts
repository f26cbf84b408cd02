/** Routes by rtnetlink (rtnetlink(7)): only what is asked of them here, whether the kernel delivers an address to itself. */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { ACK, REQUEST } from "./message.ts";
import type { MessageWriter } from "./message.ts";
import type { RequestSocket } from "./socket.ts";

const NEW_ROUTE = 24;
const GET_ROUTE = 26;
const AF_INET = 2;
const AF_INET6 = 10;
const ATTRIBUTE_DESTINATION = 1;
/** Offset of the type in `struct rtmsg`. */
const TYPE_AT = 7;
const LOCAL = 2;

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
