/**
 * history.ndjson in the state directory: one Event a line, at most two files of 1 MiB. A disk that takes nothing (full,
 * read-only) costs no event that still fits in memory: they are written when it works again.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "@holdfast/api/schema.ts";

const FILE_BYTES_MAX = 1024 * 1024;
const RETRY_MS = 10_000;
const UNWRITTEN_MAX = 2000;

export interface HistoryFile {
  /** The last events on disk, oldest first. Lines that do not parse (torn by a crash) are left out. */
  readonly read: (max: number) => readonly Event[];
  readonly append: (event: Event) => void;
  readonly trouble: () => string | undefined;
}

/** `report` is told once when writing begins to fail (a reason) and once when it works again (undefined). */
export function historyFile(
  directory: string,
  report: (trouble: string | undefined) => void,
  retry_ms = RETRY_MS,
): HistoryFile {
  const current = join(directory, "history.ndjson");
  const older = join(directory, "history.1.ndjson");
  let fd: number | undefined;
  let size = 0;
  let unwritten: string[] = [];
  let trouble: string | undefined;
  let retry: NodeJS.Timeout | undefined;

  const open = (): number => {
    fd = openSync(current, "a+", 0o640);
    size = fstatSync(fd).size;
    if (size > 0 && lastByte(fd, size) !== 10) size += writeSync(fd, "\n");
    return fd;
  };
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const write = (line: string): void => {
    const bytes = Buffer.from(line);
    let open_fd = fd ?? open();
    if (size > 0 && size + bytes.length > FILE_BYTES_MAX) {
      close();
      renameSync(current, older);
      open_fd = open();
    }
    const written = writeSync(open_fd, bytes);
    if (written < bytes.length) {
      // Half a line would join the next one.
      ftruncateSync(open_fd, size);
      throw new Error("ENOSPC: no space left on device");
    }
    size += written;
  };
  const flush = (): void => {
    retry = undefined;
    try {
      while (unwritten[0] !== undefined) {
        write(unwritten[0]);
        unwritten.shift();
      }
      if (trouble === undefined) return;
      trouble = undefined;
      report(undefined);
    } catch (error) {
      close();
      retry = setTimeout(flush, retry_ms);
      retry.unref();
      const first = trouble === undefined;
      trouble = `${current}: ${error instanceof Error ? error.message : String(error)}`;
      if (first) report(trouble);
    }
  };

  return {
    read(max) {
      const lines = [...linesOf(older), ...linesOf(current)].slice(-max);
      return lines.flatMap((line) => parseEvent(line) ?? []);
    },
    append(event) {
      unwritten.push(`${JSON.stringify(event)}\n`);
      if (unwritten.length > UNWRITTEN_MAX) unwritten = unwritten.slice(-UNWRITTEN_MAX);
      if (retry === undefined) flush();
    },
    trouble: () => trouble,
  };
}

function lastByte(fd: number, size: number): number {
  const byte = Buffer.alloc(1);
  // The descriptor appends; reading at a position is not affected by that.
  return readSync(fd, byte, 0, 1, size - 1) === 1 ? (byte[0] ?? 10) : 10;
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    // Absent at the first start; unreadable for another reason is found again, and told, when writing.
    return [];
  }
}

function parseEvent(line: string): Event | undefined {
  try {
    const value = JSON.parse(line) as Partial<Event> | null;
    const whole =
      value?.schema === "holdfast.event/1" && typeof value.time === "string" && typeof value.code === "string";
    return whole && typeof value.node === "string" && typeof value.text === "string" ? (value as Event) : undefined;
  } catch {
    return undefined;
  }
}
