/** Sixty seconds beside four busy loops, and a C program under the same scheduling that says what the machine could keep. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setPriority } from "node:os";
import { onLines } from "@holdfast/lab/lines.ts";
import type { OwnerChange } from "@holdfast/lab/outage.ts";
import type { BenchTiming } from "./plan.ts";
import type { LoadWatched } from "./results.ts";
import { PREFERRED, runRound } from "./rounds.ts";
import type { Round } from "./rounds.ts";
import type { Bench, Scenario } from "./scenarios.ts";
import { tenth } from "./statistics.ts";
import { schedulingOf } from "./usage.ts";

const LOOPS = 4;
const PERIOD_MS = 10;

export interface Gap {
  readonly end_ms: number;
  readonly length_ms: number;
}

/** Runs the round; `sleeper` is the compiled control. */
export async function runLoad(
  bench: Bench,
  sleeper: string,
  duration_ms: number,
): Promise<{ readonly round: Round; readonly load: LoadWatched }> {
  const { lab, product, timing } = bench;
  // Client and watcher are the measure: they must not starve.
  setPriority(lab.traffic.pid, -10);
  await product.rest(PREFERRED);
  const { policy, priority } = schedulingOf(PREFERRED);
  const threshold_ms = timing.dead_ms / 2;
  const command = [sleeper, String(PERIOD_MS), String(threshold_ms)];
  // One above the product: what the machine could not keep excuses it, what it did to the machine does not.
  const scheduled = policy === "fifo" ? ["chrt", "-f", String(Math.min(priority + 1, 99)), ...command] : command;
  const children: ChildProcess[] = [];
  const gaps: Gap[] = [];
  let worst_ms = Number.NaN;
  let ended: Promise<unknown> | undefined;
  const scenario: Scenario = {
    moves: false,
    failback: [],
    perform: () => {
      for (let i = 0; i < LOOPS; i++) children.push(spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
      const control = spawn(scheduled[0] ?? "", scheduled.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
      children.push(control);
      ended = once(control, "close");
      onLines(control.stdout, (line) => {
        const [word, first, second] = line.split(" ");
        if (word === "gap") gaps.push({ end_ms: Number(first), length_ms: Number(second) });
        if (word === "worst") worst_ms = Number(first);
      });
      return Promise.resolve();
    },
    hold_ms: () => duration_ms,
  };
  let round: Round | string;
  try {
    round = await runRound(bench, scenario);
  } finally {
    children.forEach((child, i) => child.kill(i < LOOPS ? "SIGKILL" : "SIGTERM"));
    await ended;
    setPriority(lab.traffic.pid, 0);
  }
  if (typeof round === "string") throw new Error(round);
  const counted = countedMoves(round.changes, gaps, timing).length;
  const controlClass = policy === "fifo" ? `SCHED_FIFO ${priority + 1}` : "SCHED_OTHER";
  return { round, load: { controlWorst_ms: tenth(worst_ms), controlClass, counted } };
}

/** A move counts unless the control slept over half of `dead` at some time in the three dead times before it. */
export function countedMoves(
  changes: readonly OwnerChange[],
  gaps: readonly Gap[],
  { dead_ms }: BenchTiming,
): readonly OwnerChange[] {
  return changes.filter(
    ({ at_ms }) =>
      !gaps.some(
        ({ end_ms, length_ms }) =>
          length_ms > dead_ms / 2 && end_ms >= at_ms - 3 * dead_ms && end_ms - length_ms <= at_ms,
      ),
  );
}
