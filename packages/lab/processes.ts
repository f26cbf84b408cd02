/** The processes of one node: whoever lives in its network namespace, however it was started. From /proc. */
import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";

/** Clock ticks a second of /proc/PID/stat: USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface Usage {
  readonly processes: number;
  /** Seconds of processor time used so far, user and system. */
  readonly cpu_s: number;
  /** Resident megabytes (10^6 bytes) as the sum over the processes; shared pages count in each. */
  readonly resident_mb: number;
}

/** Process ids in the network namespace /run/netns/`node`, oldest first; zombies are none. */
export function processesOf(node: string): readonly number[] {
  const namespace = `net:[${statSync(`/run/netns/${node}`).ino}]`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === namespace)
    .map(Number)
    .sort((a, b) => a - b);
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    // Gone meanwhile, or a zombie.
    return undefined;
  }
}

/** Sends a signal to all of them; the number reached. Repeats until no new one has appeared (a child started meanwhile). */
export function signalNode(node: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): number {
  const reached = new Set<number>();
  for (;;) {
    const fresh = processesOf(node).filter((pid) => !reached.has(pid));
    if (fresh.length === 0) return reached.size;
    for (const pid of fresh) {
      reached.add(pid);
      try {
        process.kill(pid, signal);
      } catch {
        // It ended by itself between the two looks.
      }
    }
  }
}

export function usageOf(node: string): Usage {
  let cpu_s = 0;
  let bytes = 0;
  let processes = 0;
  for (const pid of processesOf(node)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name in parentheses may hold anything: fields are counted from the last one.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      cpu_s += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      bytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
      processes++;
    } catch {
      // Gone meanwhile.
    }
  }
  return { processes, cpu_s, resident_mb: bytes / 1e6 };
}
