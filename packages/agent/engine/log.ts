/**
 * The daemon's own log: one line an event on standard error, for the journal. A reader that stops reading (a hung journal,
 * a terminal held by Ctrl-S) costs lines and never a heartbeat: nothing here waits.
 */
import { constants, openSync, writeSync } from "node:fs";
import type { LocalEvent } from "@holdfast/core/effects.ts";
import { native } from "@holdfast/linux/load.ts";

/** Priorities as systemd reads them from a line's head (sd-daemon(3)). */
const PRIORITY = { info: 6, warning: 4, alarm: 2 } as const;

const STDERR = 2;
const underSystemd = process.env["JOURNAL_STREAM"] !== undefined;
const write = writer();

export function logEvent(event: LocalEvent): void {
  const where = event.group === undefined ? event.node : `${event.node} ${event.group}`;
  logLine(event.level, `${where}: ${event.text} [${event.code}]`, event.wall_ms);
}

export function logLine(level: keyof typeof PRIORITY, text: string, wall_ms: number = Date.now()): void {
  const line = underSystemd ? `<${PRIORITY[level]}>${text}\n` : `${new Date(wall_ms).toISOString()} ${level} ${text}\n`;
  write(Buffer.from(line));
}

/** Under systemd standard error is a socket; a pipe or terminal is opened once more, so that only we do not wait for it. */
function writer(): (line: Uint8Array) => void {
  if (native.send(STDERR, new Uint8Array(), null) >= 0) return (line) => void native.send(STDERR, line, null);
  let descriptor = STDERR;
  try {
    descriptor = openSync(`/proc/self/fd/${STDERR}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    // Not ours to open anew: written to as it is.
  }
  return (line) => {
    try {
      writeSync(descriptor, line);
    } catch {
      // Full, or closed: control's history has it.
    }
  };
}
