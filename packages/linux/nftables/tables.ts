/** What the kernel holds of our tables: digests, rules per chain, elements per set; and whom an event of the rule set came from. */
import { attributeList, attributes, DUMP, readBe32, readBe64, readText, REQUEST } from "../netlink/message.ts";
import type { Message, MessageWriter } from "../netlink/message.ts";
import type { NetlinkError, RequestSocket } from "../netlink/socket.ts";
import { success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { GET_CHAIN, GET_ELEMENT, GET_RULE, GET_TABLE, messageType, NEW_ELEMENT, writeFamily } from "./batch.ts";
import type { Table } from "./batch.ts";

/** Behind `struct nfgenmsg`. */
const ATTRIBUTES = 4;

export interface FoundTable {
  readonly family: number;
  readonly name: string;
  readonly flags: number;
  readonly digest: Uint8Array;
  /** Netlink port of the owner; 0: none, or gone. */
  readonly owner: number;
}

export interface FoundElement {
  readonly key: Uint8Array;
  /** What is left of the element's timeout; 0 without one. */
  readonly expires_ms: number;
  /** Of an element of a map, if it is no verdict; else empty. */
  readonly value: Uint8Array;
  /** What the element's own counter has seen; 0 without one. */
  readonly packets: number;
}

export function listTables(socket: RequestSocket, writer: MessageWriter): Result<FoundTable[], NetlinkError> {
  const found: FoundTable[] = [];
  const result = dump(socket, writer, GET_TABLE, 0, undefined, (message) => {
    const table = parseTable(message);
    if (table !== undefined) found.push(table);
  });
  return result.ok ? success(found) : result;
}

/** One message of a dump of tables; undefined without a name. */
export function parseTable(message: Message): FoundTable | undefined {
  const family = message.payload[0];
  const at = attributes(message.payload, ATTRIBUTES);
  const name = readText(at.get(1));
  if (family === undefined || name === undefined) return undefined;
  return {
    family,
    name,
    flags: readBe32(at.get(2)) ?? 0,
    digest: Uint8Array.from(at.get(6) ?? []),
    owner: readBe32(at.get(7)) ?? 0,
  };
}

/** The names of a table's chains. */
export function listChains(socket: RequestSocket, writer: MessageWriter, table: Table): Result<string[], NetlinkError> {
  const found: string[] = [];
  const result = dump(socket, writer, GET_CHAIN, table.family, undefined, (message) => {
    const at = attributes(message.payload, ATTRIBUTES);
    const name = readText(at.get(3));
    if (readText(at.get(1)) === table.name && name !== undefined) found.push(name);
  });
  return result.ok ? success(found) : result;
}

/** How many rules each chain of a table has; chains without rules are absent. */
export function countRules(
  socket: RequestSocket,
  writer: MessageWriter,
  table: Table,
): Result<Map<string, number>, NetlinkError> {
  const found = new Map<string, number>();
  const result = dump(
    socket,
    writer,
    GET_RULE,
    table.family,
    (request) => request.attributeText(1, table.name),
    (message) => {
      const at = attributes(message.payload, ATTRIBUTES);
      const chain = readText(at.get(2));
      if (readText(at.get(1)) === table.name && chain !== undefined) found.set(chain, (found.get(chain) ?? 0) + 1);
    },
  );
  return result.ok ? success(found) : result;
}

export function listElements(
  socket: RequestSocket,
  writer: MessageWriter,
  table: Table,
  set: string,
): Result<FoundElement[], NetlinkError> {
  const found: FoundElement[] = [];
  writer.reset();
  writer.begin(messageType(GET_ELEMENT), REQUEST | DUMP);
  writeFamily(writer, table.family);
  writer.attributeText(1, table.name).attributeText(2, set);
  writer.end();
  const result = socket.dump(writer.bytes, (message) => {
    if (message.type !== messageType(NEW_ELEMENT)) return;
    for (const element of parseElements(message)) found.push(element);
  });
  return result.ok ? success(found) : result;
}

/** The elements of one message of a dump of a set; those without a key are left out. */
export function parseElements(message: Message): FoundElement[] {
  const found: FoundElement[] = [];
  for (const [, element] of attributeList(attributes(message.payload, ATTRIBUTES).get(3) ?? new Uint8Array(), 0)) {
    const at = attributes(element, 0);
    const key = attributes(at.get(1) ?? new Uint8Array(), 0).get(1);
    const value = attributes(at.get(2) ?? new Uint8Array(), 0).get(1) ?? [];
    if (key !== undefined)
      found.push({
        key: Uint8Array.from(key),
        expires_ms: readBe64(at.get(5)) ?? 0,
        value: Uint8Array.from(value),
        packets: counted(at.get(7)),
      });
  }
  return found;
}

/** Of the expression of an element: its name, and the data of a counter. */
function counted(expression: Uint8Array | undefined): number {
  if (expression === undefined) return 0;
  const at = attributes(expression, 0);
  if (readText(at.get(1)) !== "counter") return 0;
  return readBe64(attributes(at.get(2) ?? new Uint8Array(), 0).get(2)) ?? 0;
}

/** The table an event of the rule set is about; undefined for other events. */
export function eventTable(message: Message): Table | undefined {
  const name = readText(attributes(message.payload, ATTRIBUTES).get(1));
  const family = message.payload[0];
  return name === undefined || family === undefined ? undefined : { family, name };
}

/** Who made a transaction, of the event that ends it: "nft (pid 4711)". */
export function eventAuthor(message: Message): string {
  const at = attributes(message.payload, ATTRIBUTES);
  const pid = readBe32(at.get(2));
  const name = readText(at.get(3));
  if (pid === undefined) return "an unknown process";
  return `${name ?? "a process"} (pid ${pid})`;
}

function dump(
  socket: RequestSocket,
  writer: MessageWriter,
  kind: number,
  family: number,
  extra: ((writer: MessageWriter) => void) | undefined,
  take: (message: Message) => void,
): Result<void, NetlinkError> {
  writer.reset();
  writer.begin(messageType(kind), REQUEST | DUMP);
  writeFamily(writer, family);
  extra?.(writer);
  writer.end();
  return socket.dump(writer.bytes, take);
}
