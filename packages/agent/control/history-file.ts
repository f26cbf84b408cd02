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
  const file = new RotatedFile(join(directory, "history.ndjson"), join(directory, "history.1.ndjson"));
  let unwritten: string[] = [];
  let trouble: string | undefined;
  let retry: NodeJS.Timeout | undefined;

  const flush = (): void => {
    retry = undefined;
    try {
      while (unwritten[0] !== undefined) {
        file.write(unwritten[0]);
        unwritten.shift();
      }
      if (trouble === undefined) return;
      trouble = undefined;
      report(undefined);
    } catch (error) {
      file.close();
      retry = setTimeout(flush, retry_ms);
      retry.unref();
      const first = trouble === undefined;
      trouble = `${file.path}: ${error instanceof Error ? error.message : String(error)}`;
      if (first) report(trouble);
    }
  };

  return {
    read(max) {
      const lines = [...linesOf(file.older), ...linesOf(file.path)].slice(-max);
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

/** Lines appended to a file; when it is full it becomes the older one, whose lines are lost. Methods throw the system's error. */
class RotatedFile {
  readonly path: string;
  readonly older: string;
  #descriptor: number | undefined;
  #size = 0;

  constructor(path: string, older: string) {
    this.path = path;
    this.older = older;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    let descriptor = this.#descriptor ?? this.#open();
    if (this.#size > 0 && this.#size + bytes.length > FILE_BYTES_MAX) {
      this.close();
      renameSync(this.path, this.older);
      descriptor = this.#open();
    }
    const written = writeSync(descriptor, bytes);
    if (written < bytes.length) {
      // Half a line would join the next one.
      ftruncateSync(descriptor, this.#size);
      throw new Error("ENOSPC: no space left on device");
    }
    this.#size += written;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    const descriptor = openSync(this.path, "a+", 0o640);
    this.#descriptor = descriptor;
    this.#size = fstatSync(descriptor).size;
    if (this.#size > 0 && lastByte(descriptor, this.#size) !== 10) this.#size += writeSync(descriptor, "\n");
    return descriptor;
  }
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
