/** The memory that processes take together: distinct physical pages, as /proc/PID/pagemap names them. Needs root. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;
/** Bits 0 to 54 of an entry are the page's number, bit 63 says that it is in memory (Documentation/admin-guide/mm/pagemap). */
const NUMBER_MASK = (1n << 55n) - 1n;
const PRESENT = 1n << 63n;

/** Megabytes (10^6 bytes); each page counts once, however many of the processes and how often they map it. */
export function togetherMegabytes(pids: readonly number[]): number {
  const pages = new Set<bigint>();
  for (const pid of pids) addPages(pages, pid);
  return (pages.size * PAGE_BYTES) / 1e6;
}

function addPages(into: Set<bigint>, pid: number): void {
  let smaps: string;
  let fd: number;
  try {
    smaps = readFileSync(`/proc/${pid}/smaps`, "utf8");
    fd = openSync(`/proc/${pid}/pagemap`, "r");
  } catch {
    // It ended meanwhile.
    return;
  }
  try {
    for (const { start, end } of residentRanges(smaps)) addRange(into, fd, start, end);
  } finally {
    closeSync(fd);
  }
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/** The ranges of /proc/PID/smaps of which anything is in memory: reserved ones can be huge. */
export function residentRanges(smaps: string): readonly Range[] {
  const ranges: Range[] = [];
  let range: Range | undefined;
  for (const line of smaps.split("\n")) {
    const header = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (header) range = { start: BigInt(`0x${header[1]}`), end: BigInt(`0x${header[2]}`) };
    const resident = /^Rss:\s+(\d+) kB/.exec(line)?.[1];
    if (resident !== undefined && resident !== "0" && range) ranges.push(range);
  }
  return ranges;
}

function addRange(into: Set<bigint>, fd: number, start: bigint, end: bigint): void {
  const entries = Number(end - start) / PAGE_BYTES;
  const data = Buffer.alloc(entries * ENTRY_BYTES);
  const length = readSync(fd, data, 0, data.length, Number(start / BigInt(PAGE_BYTES)) * ENTRY_BYTES);
  for (let at = 0; at + ENTRY_BYTES <= length; at += ENTRY_BYTES) {
    const entry = data.readBigUInt64LE(at);
    if ((entry & PRESENT) !== 0n) into.add(entry & NUMBER_MASK);
  }
}
