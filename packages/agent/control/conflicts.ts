/** Reads from the history which groups have an address that a stranger claims now, as far as any node hears. */
import type { Event } from "@holdfast/api/schema.ts";

/** A node that still hears the stranger says so again each minute. */
const LASTS_MS = 150_000;

/** The last word of each node that hears one, oldest first; with `group` those of that group alone. */
export function conflictsNow(events: readonly Event[], wall_ms: number, group?: string): readonly Event[] {
  const last = new Map<string, Event>();
  for (const event of events) {
    const key = `${event.node} ${event.group}`;
    if (event.code === "address-conflict" && (group === undefined || event.group === group)) {
      last.delete(key);
      last.set(key, event);
    } else if (event.code === "address-conflict-over") last.delete(key);
    else if (event.code === "node-started") {
      for (const [each, { node }] of last) if (node === event.node) last.delete(each);
    }
  }
  return [...last.values()].filter(({ time }) => wall_ms - Date.parse(time) <= LASTS_MS);
}
