/** Reads the history backwards: which events belong to a group's last change of owner, what caused it and what it cost. */
import type { Event, GroupStatus } from "@holdfast/api/schema.ts";

const CHANGES = new Set(["group-owned", "group-lost", "group-released"]);

/** Events that can be the reason of a change, and the word `status` shows for each; the first found in this order counts. */
const CAUSES: readonly (readonly [code: string, word: string])[] = [
  ["drained", "drain"],
  ["node-stopping", "stop"],
  ["node-unfit", "unfit"],
  ["reluctant", "reluctant"],
  ["group-moved", "manual"],
  ["interface-down", "interface"],
  ["adapter-failed", "adapter"],
  ["address-failed", "address"],
  ["node-dead", "failover"],
  ["group-yielded", "conflict"],
  ["group-lost", "no-quorum"],
  ["no-quorum", "no-quorum"],
  ["quorum", "quorum"],
  ["node-started", "start"],
];
const REASONS = new Set([
  "request",
  "swap-adapter",
  "stalled",
  "undrained",
  "fence-failed",
  ...CAUSES.map(([code]) => code),
]);

const BEFORE_MS = 15_000;
const AFTER_MS = 5_000;
const EVIDENCE_MAX = 12;

/**
 * The events of the last change, oldest first: what led to it (up to 15 s before, but not past the change before it),
 * the change, and what the group did in the 5 s after. `taken`: only a change that gave it an owner.
 */
export function ownershipChange(events: readonly Event[], group: string, taken: boolean): readonly Event[] {
  const isChange = (event: Event): boolean =>
    event.group === group && (taken ? event.code === "group-owned" : CHANGES.has(event.code));
  const at = events.findLastIndex(isChange);
  const change = events[at];
  if (!change) return [];
  const time = Date.parse(change.time);
  const previous = events.slice(0, at).findLast((event) => event.group === group && event.code === "group-owned");
  const from = Math.max(time - BEFORE_MS, previous ? Date.parse(previous.time) + 1 : 0);
  const related = events.filter((event) => {
    const when = Date.parse(event.time);
    if (event.group !== null && event.group !== group) return false;
    if (event.group === null && (!REASONS.has(event.code) || when > time)) return false;
    return event === change || (when >= from && when <= time + AFTER_MS);
  });
  const ordered = related.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
  const position = ordered.indexOf(change);
  const start = Math.max(0, Math.min(position, position + 4 - EVIDENCE_MAX));
  return ordered.slice(start, start + EVIDENCE_MAX);
}

/** Null when the history holds no taking of the group. */
export function lastMove(events: readonly Event[], group: string): GroupStatus["last_move"] {
  const evidence = ownershipChange(events, group, true);
  const taken = evidence.findLast((event) => event.code === "group-owned" && event.group === group);
  if (!taken) return null;
  const before = evidence.slice(0, evidence.indexOf(taken));
  const cause = CAUSES.find(([code]) => before.some((event) => event.code === code));
  const confirmed = confirmation(evidence, taken);
  return {
    cause: cause?.[1] ?? "unknown",
    outage_ms: outage(taken),
    confirm_ms: confirmed?.phases?.["confirm"] ?? null,
  };
}

/** What was told of the check of this taking; undefined: nothing yet. */
export function confirmation(events: readonly Event[], taken: Event): Event | undefined {
  const later = events.slice(events.indexOf(taken) + 1);
  return later.find(
    ({ code, node, group }) => code.startsWith("takeover-") && node === taken.node && group === taken.group,
  );
}

/** The sum of the phases, in milliseconds: an estimate made by the node that took over. */
export function outage(event: Event): number | null {
  if (!event.phases) return null;
  const sum = Object.values(event.phases).reduce((total, phase) => total + phase, 0);
  return Math.round(sum * 10) / 10;
}
