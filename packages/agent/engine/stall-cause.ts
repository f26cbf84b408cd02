/**
 * Why the loop was not run (requirement E5), from what the kernel counts: read after a stall, against a reading some seconds
 * before it. It names what it can see, and nothing where it sees nothing.
 */
import { readFileSync } from "node:fs";

/** What grew meanwhile; times in milliseconds. */
export interface Counters {
  /** Of the main thread: on a processor, and waiting for one. */
  readonly run_ms: number;
  readonly wait_ms: number;
  /** Pages that had to come from a disk. */
  readonly majorFaults: number;
  /** All processors together: time that the hypervisor gave to others. */
  readonly steal_ms: number;
  /** Of this process's control group. */
  readonly throttled_ms: number;
  /** Some task of the machine waited for it. */
  readonly memoryPressure_ms: number;
  readonly ioPressure_ms: number;
  readonly cpuPressure_ms: number;
}

const SHARE = 0.3;
const MOST = 0.5;
const FAULTS = 5;
/** A loop that is as idle as it should be runs no more than this of the time between two readings. */
const IDLE_SHARE = 0.05;

/** Words that go on after "it was"; "" when nothing tells. `since_ms`: between the two readings. */
export function causeOf(grown: Counters, late_ms: number, since_ms: number): string {
  const share = (value_ms: number): boolean => value_ms >= SHARE * late_ms;
  const text = (value_ms: number): string => `${Math.round(value_ms)} ms`;
  const work_ms = Math.max(0, grown.run_ms - IDLE_SHARE * since_ms);
  if (share(grown.throttled_ms))
    return `held back by the CPU limit of its control group (throttled for ${text(grown.throttled_ms)})`;
  if (share(grown.steal_ms))
    return `without a processor, which the hypervisor had given to others (steal time ${text(grown.steal_ms)})`;
  if (grown.majorFaults >= FAULTS && (share(grown.memoryPressure_ms) || share(grown.ioPressure_ms)))
    return `waiting for its memory to come back from the disk (${grown.majorFaults} major faults; the machine swaps or is out of memory)`;
  if (grown.wait_ms >= MOST * late_ms)
    return `waiting for a processor that others had (${text(grown.wait_ms)} in the run queue, CPU pressure ${text(grown.cpuPressure_ms)})`;
  if (work_ms >= MOST * late_ms) return `busy itself (${text(grown.run_ms)} of work at once)`;
  if (share(grown.memoryPressure_ms))
    return `waiting for memory (the machine is short of it: pressure ${text(grown.memoryPressure_ms)})`;
  if (share(grown.ioPressure_ms)) return `waiting for a disk (pressure ${text(grown.ioPressure_ms)})`;
  const neither = grown.wait_ms + work_ms < SHARE * late_ms;
  // It neither ran nor wanted to, though its timer was due.
  return neither ? "stopped or frozen (SIGSTOP, a debugger, or a frozen container)" : "";
}

interface Reading {
  readonly counters: Counters;
  readonly at: number;
}

export class StallCauses {
  readonly #now: () => number;
  readonly #group = controlGroup();
  #before: Reading;

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#before = this.#read();
  }

  /** Every few seconds: what a stall is measured from. A fifth of a millisecond. */
  sample(): void {
    this.#before = this.#read();
  }

  /** Right after a stall. */
  cause(late_ms: number): string {
    const before = this.#before;
    const after = this.#read();
    this.#before = after;
    const since = after.at - before.at;
    const grown = Object.fromEntries(
      Object.entries(after.counters).map(([name, value]) => [name, value - before.counters[name as keyof Counters]]),
    ) as unknown as Counters;
    // Without the scheduler's figures "neither ran nor waited" would be said of everything.
    if (after.counters.run_ms === 0) return "";
    return causeOf(grown, late_ms, since);
  }

  #read(): Reading {
    const [run = 0, wait = 0] = numbers(text("/proc/self/schedstat"));
    // proc_pid_stat(5), from the third field on; the second may hold anything.
    const stat = text("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const cpu = numbers(text("/proc/stat").split("\n", 1)[0]?.slice(4) ?? "");
    return {
      at: this.#now(),
      counters: {
        run_ms: run / 1e6,
        wait_ms: wait / 1e6,
        majorFaults: Number(fields[9] ?? 0),
        // In hundredths of a second.
        steal_ms: 10 * (cpu[7] ?? 0),
        throttled_ms: Number(/^throttled_usec (\d+)$/m.exec(text(`${this.#group}/cpu.stat`))?.[1] ?? 0) / 1000,
        memoryPressure_ms: pressure("memory"),
        ioPressure_ms: pressure("io"),
        cpuPressure_ms: pressure("cpu"),
      },
    };
  }
}

/** The folder of the control group that this process is in; one that does not exist where there is none of version 2. */
export function controlGroup(): string {
  const path = /^0::(.*)$/m.exec(text("/proc/self/cgroup"))?.[1] ?? "/nowhere";
  return `/sys/fs/cgroup${path === "/" ? "" : path}`;
}

function pressure(of: string): number {
  return Number(/^some .*total=(\d+)$/m.exec(text(`/proc/pressure/${of}`))?.[1] ?? 0) / 1000;
}

function numbers(line: string): number[] {
  return line.trim().split(/\s+/).map(Number);
}

/** "" for what this kernel does not have. */
function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
