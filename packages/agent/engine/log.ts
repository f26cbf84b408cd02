/** The daemon's own log: one line an event on standard error, for the journal. Losing a line never hurts the daemon. */
import { writeSync } from "node:fs";
import type { LocalEvent } from "@holdfast/core/effects.ts";

/** Priorities as systemd reads them from a line's head (sd-daemon(3)). */
const PRIORITY = { info: 6, warning: 4, alarm: 2 } as const;

const underSystemd = process.env["JOURNAL_STREAM"] !== undefined;

export function logEvent(event: LocalEvent): void {
  const where = event.group === undefined ? event.node : `${event.node} ${event.group}`;
  logLine(event.level, `${where}: ${event.text} [${event.code}]`, event.wall_ms);
}

export function logLine(level: keyof typeof PRIORITY, text: string, wall_ms: number = Date.now()): void {
  const line = underSystemd ? `<${PRIORITY[level]}>${text}\n` : `${new Date(wall_ms).toISOString()} ${level} ${text}\n`;
  try {
    writeSync(2, line);
  } catch {
    // A full pipe or a closed terminal: the history has it.
  }
}
