/** The last events of the cluster in memory: read back from disk at start, told to followers, written down when possible. */
import type { Alarm, Event } from "@holdfast/api/schema.ts";
import type { RecordedEvent } from "../channel.ts";
import { Alarms } from "./alarms.ts";
import type { HistoryFile } from "./history-file.ts";

const EVENTS_MAX = 2000;
/** The last instant that Date can write down. */
const WALL_MS_MAX = 8.64e15;

export interface History {
  /** Oldest first, in the order in which this node learnt of them. */
  readonly events: () => readonly Event[];
  /** Not acknowledged, the last first. */
  readonly alarms: () => readonly Alarm[];
  readonly record: (event: RecordedEvent) => void;
  /** Calls back for each new event until the returned function is called. */
  readonly follow: (listener: (event: Event) => void) => () => void;
  /** Why the disk is behind; undefined when all is recorded. */
  readonly trouble: () => string | undefined;
}

export function history(file: HistoryFile): History {
  const events: Event[] = [...file.read(EVENTS_MAX)];
  const known = new Set(events.map(identity));
  const alarms = new Alarms();
  for (const event of events) alarms.take(event);
  const listeners = new Set<(event: Event) => void>();
  return {
    events: () => events,
    alarms: () => alarms.list(),
    record(recorded) {
      const event = toEvent(recorded);
      // Gossip may bring again what the control process before this one wrote down.
      if (known.has(identity(event))) return;
      known.add(identity(event));
      events.push(event);
      while (events.length > EVENTS_MAX) {
        const oldest = events.shift();
        if (oldest) known.delete(identity(oldest));
      }
      alarms.take(event);
      file.append(event);
      for (const listener of listeners) listener(event);
    },
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    trouble: file.trouble,
  };
}

function identity(event: Event): string {
  return `${event.node} ${event.number} ${event.time}`;
}

export function toEvent(event: RecordedEvent): Event {
  const wall_ms = Number.isFinite(event.wall_ms) ? Math.min(Math.max(event.wall_ms, 0), WALL_MS_MAX) : 0;
  return {
    schema: "holdfast.event/1",
    time: new Date(wall_ms).toISOString(),
    node: event.node,
    number: event.number,
    level: event.level,
    code: event.code,
    group: event.group ?? null,
    text: event.text,
    phases: event.phases ?? null,
  };
}
