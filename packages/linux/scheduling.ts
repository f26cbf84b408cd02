/** Real-time scheduling of the whole process: one thread alone is not enough, since it waits for V8's helper threads. */
import { readdirSync } from "node:fs";
import { errnoName } from "./load.ts";
import type { Native } from "./native.ts";

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RESET_ON_FORK = 0x40000000;

export interface Scheduled {
  /** Threads that have the policy asked for. */
  readonly done: number;
  /** All threads of the process. */
  readonly threads: number;
  /** Why the others have not ("EPERM"); undefined when all have. */
  readonly refused: string | undefined;
}

/**
 * Gives every thread SCHED_FIFO with `priority` (1 to 99), or SCHED_OTHER. What is started from here afterwards is
 * scheduled normally; call again after threads were added.
 */
export function scheduleAll(native: Native, policy: "fifo" | "other", priority = 10): Scheduled {
  const threads = readdirSync("/proc/self/task").map(Number);
  let done = 0;
  let refused: string | undefined;
  for (const thread of threads) {
    const result =
      policy === "fifo"
        ? native.schedule(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, priority)
        : native.schedule(thread, SCHED_OTHER, 0);
    if (result >= 0) done++;
    else refused ??= errnoName(result);
  }
  return { done, threads: threads.length, refused };
}

/** One tick of the kernel in milliseconds (HZ 250: 4): what timeouts of the fence are rounded to. */
export function jiffy_ms(native: Native): number {
  return native.tick() / 1e6;
}
