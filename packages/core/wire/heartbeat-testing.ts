/** For the tests of the heartbeat's bytes: the smallest message, and what must or must not be read. */
import { EVERY_LEASE_ENTRY, FULL } from "./heartbeat-samples.ts";
import { parseHeartbeat } from "./heartbeat.ts";
import type { ClusterEvent, Heartbeat, LeaseEntry } from "./messages.ts";
import type { ParseErrorKind } from "./parse-error.ts";

export const EMPTY: Heartbeat = {
  ...FULL,
  toBoot: undefined,
  extra: false,
  drainReason: "",
  stopping: false,
  abstaining: false,
  echo: undefined,
  about: undefined,
  adapters: [],
  heard: [],
  groups: [],
  lease: [],
  events: [],
  requests: [],
  outcomes: [],
};

export function parsed(bytes: Uint8Array): Heartbeat {
  const result = parseHeartbeat(bytes);
  if (!result.ok) throw new Error(`was refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

export function refused(bytes: Uint8Array): { kind: ParseErrorKind; what: string } {
  const result = parseHeartbeat(bytes);
  if (result.ok) throw new Error("was accepted");
  return { kind: result.error.kind, what: result.error.what };
}

export function bytesOf(hex: string): Uint8Array {
  const pairs = hex.replaceAll(/\s/g, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

export function refuse(): LeaseEntry & { kind: "refuse" } {
  const entry = EVERY_LEASE_ENTRY.find((each) => each.kind === "refuse");
  if (entry?.kind !== "refuse") throw new Error("the samples have no refusal");
  return entry;
}

export function event(text: string): ClusterEvent {
  const [first] = FULL.events;
  if (first === undefined) throw new Error("the samples have no event");
  return { ...first, text };
}
