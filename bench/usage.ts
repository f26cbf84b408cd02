/** What a node's processes use while nothing happens: processor time and memory, from /proc. */
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { processesOf } from "@holdfast/lab/processes.ts";
import { togetherMegabytes } from "./pages.ts";
import type { IdleUsage } from "./results.ts";
import { tenth } from "./statistics.ts";

const IDLE_MS = 10_000;

type Memory = Pick<IdleUsage, "resident_mb" | "proportional_mb" | "together_mb">;

/** One after the other: the usage of each node over ten seconds, all in the same ten. */
export async function idleUsage(nodes: readonly string[]): Promise<ReadonlyMap<string, IdleUsage>> {
  const start_ms = performance.now();
  const before = nodes.map(cpuTimes);
  await delay(IDLE_MS);
  const after = nodes.map(cpuTimes);
  const elapsed_ms = performance.now() - start_ms;
  return new Map(
    nodes.map((node, i) => {
      const used_ms = usedSince(before[i] ?? new Map(), after[i] ?? new Map());
      const percent = Math.round((used_ms / elapsed_ms) * 10_000) / 100;
      return [node, { cpu_percent: percent, processes: processesOf(node).length, ...memoryOf(node) }];
    }),
  );
}

/** Nanosecond-exact, unlike the ticks of /proc/PID/stat: milliseconds on a processor by thread. */
function cpuTimes(node: string): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const pid of processesOf(node)) {
    for (const thread of list(`/proc/${pid}/task`)) {
      const ran = Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
      if (!Number.isNaN(ran)) times.set(thread, ran / 1e6);
    }
  }
  return times;
}

function usedSince(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  let used_ms = 0;
  for (const [thread, ran_ms] of after) used_ms += ran_ms - (before.get(thread) ?? 0);
  return used_ms;
}

function memoryOf(node: string): Memory {
  let resident = 0;
  let proportional = 0;
  for (const pid of processesOf(node)) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    resident += kilobytes(rollup, "Rss");
    proportional += kilobytes(rollup, "Pss");
  }
  return {
    resident_mb: tenth((resident * 1024) / 1e6),
    proportional_mb: tenth((proportional * 1024) / 1e6),
    together_mb: tenth(togetherMegabytes(processesOf(node))),
  };
}

export function kilobytes(rollup: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0);
}

/** How the process that does the work is scheduled: the one with the highest class and priority of the node. */
export interface Scheduling {
  readonly policy: "fifo" | "other";
  readonly priority: number;
}

export function schedulingOf(node: string): Scheduling {
  let best: Scheduling = { policy: "other", priority: 0 };
  for (const pid of processesOf(node)) {
    const stat = read(`/proc/${pid}/stat`);
    // The name in parentheses may hold anything: fields are counted from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [priority, policy] = [Number(fields[37]), Number(fields[38])];
    if (policy === 1 && priority > best.priority) best = { policy: "fifo", priority };
  }
  return best;
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Empty when the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
