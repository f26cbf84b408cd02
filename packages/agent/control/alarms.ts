/**
 * What was tried against the cluster: such an alarm stays in the status until an operator has acknowledged it, on whatever
 * node. The acknowledgement is an event too, and clears on each node what that node had learnt before it.
 */
import type { Alarm, Event } from "@holdfast/api/schema.ts";

/** Events that are over by themselves, and that somebody shall have seen all the same. */
const KEPT: ReadonlySet<string> = new Set([
  "heartbeat-rejected",
  "heartbeats-filtered",
  "node-cloned",
  "peer-nonsense",
]);
const ACKNOWLEDGED = "alarms-acknowledged";
/** An attacker has many addresses. */
const ALARMS_MAX = 50;

export class Alarms {
  /** The one told last is the last. */
  readonly #alarms = new Map<string, Alarm>();

  /** In the order in which this node learnt of them. */
  take({ code, node, text, time }: Event): void {
    if (code === ACKNOWLEDGED) return this.#alarms.clear();
    if (!KEPT.has(code)) return;
    // The same, but for how many there were.
    const key = `${node} ${code} ${text.replaceAll(/\b\d+ (?=heartbeats)/g, "")}`;
    const count = (this.#alarms.get(key)?.count ?? 0) + 1;
    this.#alarms.delete(key);
    this.#alarms.set(key, { time, node, code, text, count });
    const [oldest] = this.#alarms.keys();
    if (this.#alarms.size > ALARMS_MAX && oldest !== undefined) this.#alarms.delete(oldest);
  }

  /** The last first. */
  list(): readonly Alarm[] {
    return [...this.#alarms.values()].toReversed();
  }
}
