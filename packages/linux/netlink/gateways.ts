/** The gateways of default routes by one interface. */
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { DUMP, REQUEST } from "./message.ts";
import type { MessageWriter } from "./message.ts";
import { AF_INET, AF_INET6, type Family, NEW_ROUTE, parseRoute } from "./routes.ts";
import type { RequestSocket } from "./socket.ts";

const GET_ROUTE = 26;
/** Datagrams of some hundred routes that are read at most: the kernel tells a table's default route first. */
const PARTS_MAX = 16;

/** In any table, each once; none when they cannot be had. */
export function defaultGateways(
  socket: RequestSocket,
  writer: MessageWriter,
  index: number,
  family: Family,
): readonly IpAddress[] {
  const found = new Set<IpAddress>();
  writer.reset();
  writer.begin(GET_ROUTE, REQUEST | DUMP);
  writer.u8(family === 4 ? AF_INET : AF_INET6).u8(0);
  writer.u8(0).u8(0).u32(0).u32(0);
  writer.end();
  if (!socket.startDump(writer.bytes).ok) return [];
  for (let part = 0; part < PARTS_MAX; part++) {
    const read = socket.dumpPart((message) => {
      const route = message.type === NEW_ROUTE ? parseRoute(message) : undefined;
      if (route?.destination !== ANYWHERE[family]) return;
      for (const hop of route.hops) if (hop.index === index && hop.gateway !== undefined) found.add(hop.gateway);
    });
    if (!read.ok || read.value === "done") break;
  }
  return [...found];
}

const ANYWHERE: Readonly<Record<Family, string>> = { 4: "0.0.0.0/0", 6: "::/0" };
