/**
 * Resident memory: what only the start of a process needed is unmapped again.
 *
 * Node's binary is mapped from its file, and its start touches some 40 MB of it (the snapshot, the built-in library, the
 * code that sets it up), of which a running daemon uses a fraction. Clean pages of a file can always be let go: the page
 * cache keeps them, and what is used again is mapped again by a minor fault.
 */
import { readFileSync } from "node:fs";
import { native } from "./load.ts";

const MADV_DONTNEED = 4;

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly permissions: string;
  readonly file: string;
  /** Pages changed since they were mapped, in KiB: those exist nowhere else. */
  readonly anonymous_kib: number;
}

/** Unmaps the clean pages of read-only file mappings. Returns the bytes that were advised; 0 where /proc cannot be read. */
export function releaseStartPages(): number {
  let released = 0;
  for (const mapping of readMappings()) {
    const fromFile = mapping.file.startsWith("/");
    if (!fromFile || mapping.permissions.includes("w") || mapping.anonymous_kib > 0) continue;
    const length = mapping.end - mapping.start;
    if (native.adviseMemory(mapping.start, length, MADV_DONTNEED) >= 0) released += length;
  }
  return released;
}

function readMappings(): Mapping[] {
  let text: string;
  try {
    text = readFileSync("/proc/self/smaps", "utf8");
  } catch {
    return [];
  }
  const mappings: Mapping[] = [];
  let head: Omit<Mapping, "anonymous_kib"> | undefined;
  for (const line of text.split("\n")) {
    const start = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)$/.exec(line);
    if (start !== null) {
      const [, from = "0", to = "0", permissions = "", file = ""] = start;
      head = { start: Number.parseInt(from, 16), end: Number.parseInt(to, 16), permissions, file };
      continue;
    }
    const anonymous = /^Anonymous:\s+(\d+) kB/.exec(line);
    if (anonymous === null || head === undefined) continue;
    mappings.push({ ...head, anonymous_kib: Number(anonymous[1]) });
    head = undefined;
  }
  return mappings;
}
