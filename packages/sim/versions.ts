/**
 * Nodes of two versions on one wire: what a node that knows version 1 of the heartbeat alone says, and what it makes of what
 * it hears. That this is the codec it had is compared in tests/fuzz/version-1.full.test.ts.
 */
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { ParseError } from "@holdfast/core/wire/parse-error.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { Heartbeat, OperatorAction } from "@holdfast/core/wire/messages.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";

/** The flags of version 1: it leaves the others 0, and ignores them. */
const FLAGS = 0x3f;
const ACTIONS: ReadonlySet<OperatorAction["kind"]> = new Set(["move", "drain", "undrain"]);

export function emitVersion1(heartbeat: Heartbeat): Uint8Array {
  const requests = heartbeat.requests.filter(({ action }) => ACTIONS.has(action.kind));
  const bytes = Uint8Array.from(emitHeartbeat({ ...heartbeat, version: 1, requests }));
  bytes[1] = (bytes[1] ?? 0) & FLAGS;
  return bytes;
}

export function parseVersion1(bytes: Uint8Array): Result<Heartbeat, ParseError> {
  if (bytes[0] !== 1) return failure({ kind: "version", at: 0, what: "version" });
  const parsed = parseHeartbeat(bytes.with(1, (bytes[1] ?? 0) & FLAGS));
  if (!parsed.ok) return parsed;
  return success({ ...parsed.value, requests: parsed.value.requests.filter(({ action }) => ACTIONS.has(action.kind)) });
}

/** What a datagram becomes at its receiver. Between two nodes of this version: the heartbeat itself, for speed. */
export function overTheWire(link: LinkName, heartbeat: Heartbeat, from1: boolean, to1: boolean): Input {
  if (!from1 && !to1) return { kind: "heartbeat", link, heartbeat };
  const bytes = from1 ? emitVersion1(heartbeat) : emitHeartbeat(heartbeat);
  const parsed = to1 ? parseVersion1(bytes) : parseHeartbeat(bytes);
  if (parsed.ok) return { kind: "heartbeat", link, heartbeat: parsed.value };
  return { kind: "rejected", link, source: "10.0.0.66:7400", reason: "parse", count: 1 };
}
