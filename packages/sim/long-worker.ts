/** One process of a long run: world after world, seeds of its own, until the time is over or a rule is broken. */
import { generations } from "./scenarios/generations.ts";
import { handOver } from "./scenarios/hand-over.ts";
import { hostile } from "./scenarios/hostile.ts";
import type { Outcome, Scenario } from "./scenarios/scenario.ts";
import { loss, oneLink, quiet } from "./scenarios/steady.ts";

/** What a parent tells its worker. */
export interface Task {
  readonly firstSeed: number;
  readonly step: number;
  readonly until_ms: number;
}

export type Totals = Record<string, number>;

/** What a worker tells its parent: what was done since the last report, and a broken rule at the end. */
export interface Progress {
  readonly totals: Totals;
  readonly lastSeed: number;
  readonly broken: { readonly scenario: string; readonly seed: number; readonly text: string } | undefined;
}

/** Of so many worlds in a row, which scenario each is; the others are hostile. */
const OTHERS: ReadonlyMap<number, Scenario> = new Map([
  [3, handOver],
  [5, generations],
  [7, handOver],
  [11, handOver],
  [13, oneLink],
  [17, loss],
  [19, quiet],
]);
const ROUND = 20;
const REPORT_EVERY_MS = 2000;

function run({ firstSeed, step, until_ms }: Task): void {
  let totals: Totals = {};
  let reported = Date.now();
  let cpu = process.cpuUsage();
  for (let seed = firstSeed; Date.now() < until_ms; seed += step) {
    const scenario = OTHERS.get(Math.floor(seed / step) % ROUND) ?? hostile;
    const outcome = scenario.run(seed);
    add(totals, outcome);
    totals["cpu_us"] = process.cpuUsage(cpu).user;
    const [violation] = outcome.violations;
    if (violation !== undefined) {
      tell({ totals, lastSeed: seed, broken: { scenario: scenario.name, seed, text: violation } });
      return;
    }
    if (Date.now() - reported < REPORT_EVERY_MS) continue;
    tell({ totals, lastSeed: seed, broken: undefined });
    totals = {};
    cpu = process.cpuUsage();
    reported = Date.now();
  }
  tell({ totals, lastSeed: 0, broken: undefined });
}

function add(totals: Totals, { world, abstained }: Outcome): void {
  const { moves, gaps } = world.checkers.owners.counts;
  const counts: Totals = {
    worlds: 1,
    events: world.events,
    steps: world.steps,
    messages: world.network.messages,
    ...world.counts,
    moves,
    gaps,
    replays: world.attacker?.replays ?? 0,
    junk: world.attacker?.junk ?? 0,
    ...Object.fromEntries([...world.disturbances].map(([called, count]) => [`fault: ${called}`, count])),
    abstained: abstained ? 1 : 0,
  };
  for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
}

function tell(progress: Progress): void {
  process.send?.(progress);
}

process.once("message", (task: Task) => {
  run(task);
  process.disconnect?.();
});
