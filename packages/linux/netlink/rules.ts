/** Rules of routing (ip-rule(8)) by rtnetlink: only those that send packets from one address to a table. */
import { ipBytes, ipFromBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { ACK, attributes, CREATE, DUMP, EXCLUSIVE, readU32, REQUEST } from "./message.ts";
import type { MessageWriter } from "./message.ts";
import { AF_INET, AF_INET6, type Family } from "./routes.ts";
import type { NetlinkError, RequestSocket } from "./socket.ts";

export const GROUP_IPV4_RULE = 8;
export const GROUP_IPV6_RULE = 19;

const NEW_RULE = 32;
const DELETE_RULE = 33;
const GET_RULE = 34;
const HEADER_BYTES = 12;
const SOURCE = 2;
const PRIORITY = 6;
const TABLE = 15;
const PROTOCOL = 21;
const TO_TABLE = 1;

/** `from ADDRESS lookup TABLE priority PRIORITY`. */
export interface SourceRule {
  readonly address: IpAddress;
  readonly table: number;
  readonly priority: number;
}

export interface RuleChange {
  readonly kind: "put" | "delete";
  readonly rule: SourceRule;
}

/** Those that `protocol` made (RTPROT_, rtnetlink(7)). */
export function listSourceRules(
  socket: RequestSocket,
  writer: MessageWriter,
  family: Family,
  protocol: number,
): Result<SourceRule[], NetlinkError> {
  const found: SourceRule[] = [];
  writer.reset();
  writer.begin(GET_RULE, REQUEST | DUMP);
  writer
    .u8(family === 4 ? AF_INET : AF_INET6)
    .u8(0)
    .u8(0)
    .u8(0)
    .u32(0)
    .u32(0);
  writer.end();
  const asked = socket.dump(writer.bytes, ({ type, payload }) => {
    if (type !== NEW_RULE || payload.length < HEADER_BYTES) return;
    const at = attributes(payload, HEADER_BYTES);
    const [source, table, priority] = [at.get(SOURCE), readU32(at.get(TABLE)), readU32(at.get(PRIORITY))];
    if (at.get(PROTOCOL)?.[0] !== protocol || table === undefined || priority === undefined) return;
    if (source?.length === (family === 4 ? 4 : 16)) found.push({ address: ipFromBytes(source), table, priority });
  });
  return asked.ok ? success(found) : asked;
}

/** Does all changes in one send; the errors, each with the change it is of. Putting one that is there is an error (EEXIST). */
export function changeRules(
  socket: RequestSocket,
  writer: MessageWriter,
  protocol: number,
  changes: readonly RuleChange[],
): { readonly change: RuleChange; readonly error: NetlinkError }[] {
  if (changes.length === 0) return [];
  writer.reset();
  const bySequence = new Map<number, RuleChange>();
  for (const change of changes) bySequence.set(writeChange(writer, protocol, change), change);
  return socket.acknowledge(writer.bytes, changes.length).flatMap((error) => {
    const change = bySequence.get(error.sequence);
    return change === undefined ? changes.map((each) => ({ change: each, error })) : [{ change, error }];
  });
}

function writeChange(writer: MessageWriter, protocol: number, { kind, rule }: RuleChange): number {
  const bytes = ipBytes(rule.address);
  const type = kind === "put" ? NEW_RULE : DELETE_RULE;
  const sequence = writer.begin(type, kind === "put" ? REQUEST | ACK | CREATE | EXCLUSIVE : REQUEST | ACK);
  writer
    .u8(isIpv4(rule.address) ? AF_INET : AF_INET6)
    .u8(0)
    .u8(8 * bytes.length)
    .u8(0);
  writer.u8(0).u8(0).u8(0).u8(TO_TABLE).u32(0);
  writer.attribute(SOURCE, bytes);
  writer.attributeU32(PRIORITY, rule.priority).attributeU32(TABLE, rule.table);
  writer.attribute(PROTOCOL, Uint8Array.of(protocol));
  writer.end();
  return sequence;
}
