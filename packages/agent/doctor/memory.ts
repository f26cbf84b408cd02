/** Doctor: memory of the daemon that may be swapped out or taken away: a heartbeat must not wait for a disk. */
import { readFileSync } from "node:fs";
import { type Finding, ok, reasonOf, skip, warn } from "./finding.ts";

const CHECK = "memory";
const LITTLE_KB = 64 * 1024;

export interface MemoryFacts {
  readonly swapTotal_kb: number;
  readonly available_kb: number;
  /** Of the engine; undefined: no daemon. */
  readonly engine: { readonly swapped_kb: number; readonly oomScore: number } | undefined;
}

export function judgeMemory(facts: MemoryFacts | string): readonly Finding[] {
  if (typeof facts === "string") return [skip(CHECK, `not looked at: ${facts}`)];
  const { swapTotal_kb, available_kb, engine } = facts;
  const findings: Finding[] = [];
  if (engine !== undefined && engine.swapped_kb > 0)
    findings.push(
      warn(
        CHECK,
        `${engine.swapped_kb} KiB of the engine are swapped out`,
        "MemorySwapMax=0 in its unit, then holdfast restart",
      ),
    );
  if (engine !== undefined && engine.oomScore > 0)
    findings.push(
      warn(
        CHECK,
        `the engine is among the first to be killed when memory is short (${engine.oomScore})`,
        "OOMScoreAdjust=-900 in its unit",
      ),
    );
  if (available_kb < LITTLE_KB)
    findings.push(
      warn(CHECK, `${available_kb} KiB of memory are left`, "find what takes it: ps -eo rss,comm --sort -rss"),
    );
  if (findings.length > 0) return findings;
  const swap = swapTotal_kb === 0 ? "no swap" : "swap, none of it the engine's";
  return [ok(CHECK, `${swap}; ${Math.round(available_kb / 1024)} MiB available`)];
}

export function memoryFacts(enginePid: number | undefined): MemoryFacts | string {
  try {
    const meminfo = readFileSync("/proc/meminfo", "utf8");
    return {
      swapTotal_kb: kilobytes(meminfo, "SwapTotal") ?? 0,
      available_kb: kilobytes(meminfo, "MemAvailable") ?? Number.MAX_SAFE_INTEGER,
      engine: enginePid === undefined ? undefined : engineMemory(enginePid),
    };
  } catch (error) {
    return reasonOf(error);
  }
}

/** Undefined in another process-id namespace than the daemon's. */
function engineMemory(pid: number): MemoryFacts["engine"] {
  try {
    const swapped_kb = kilobytes(readFileSync(`/proc/${pid}/status`, "utf8"), "VmSwap") ?? 0;
    return { swapped_kb, oomScore: Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")) };
  } catch {
    return undefined;
  }
}

function kilobytes(text: string, field: string): number | undefined {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text);
  return match === null ? undefined : Number(match[1]);
}
