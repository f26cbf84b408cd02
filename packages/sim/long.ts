/**
 * A long run of the simulator over several processes; its result goes to docs/simulation.md.
 *   npm run sim:long -- [--minutes 60] [--workers N] [--seed FIRST] [--no-write]
 * Exit code 1 when a rule was broken: then the seed, the commit and the command that replays it are printed.
 */
import { fork } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commit } from "./commit.ts";
import type { Progress, Task, Totals } from "./long-worker.ts";

const REPORT = join(import.meta.dirname, "../../docs/simulation.md");
/** Everything from here on in the report is written by this program. */
const MARK = "<!-- The last long run; written by npm run sim:long -->";
const FIRST_SEED = 1_000_000;

interface Options {
  readonly minutes: number;
  readonly workers: number;
  readonly seed: number;
  readonly write: boolean;
}

interface Result {
  /** The commit that was begun with: the tree may change while it runs. */
  readonly commit: string;
  readonly totals: Totals;
  readonly broken: readonly NonNullable<Progress["broken"]>[];
  readonly took_s: number;
}

function optionsOf(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      workers: { type: "string", default: String(availableParallelism()) },
      seed: { type: "string", default: String(FIRST_SEED) },
      "no-write": { type: "boolean", default: false },
    },
  });
  const [minutes, workers, seed] = [Number(values.minutes), Number(values.workers), Number(values.seed)];
  if (!(minutes > 0) || !Number.isSafeInteger(workers) || workers < 1 || !Number.isSafeInteger(seed) || seed < 1)
    throw new Error("sim:long: --minutes, --workers and --seed take numbers above 0");
  return { minutes, workers, seed, write: !values["no-write"] };
}

async function runAll({ minutes, workers, seed }: Options): Promise<Result> {
  const begunWith = commit();
  const totals: Totals = {};
  const broken: NonNullable<Progress["broken"]>[] = [];
  const begun = performance.now();
  const until_ms = Date.now() + minutes * 60_000;
  const run = (index: number): Promise<void> =>
    new Promise((done, failed) => {
      const worker = fork(join(import.meta.dirname, "long-worker.ts"));
      worker.on("message", (progress: Progress) => {
        for (const [name, count] of Object.entries(progress.totals)) totals[name] = (totals[name] ?? 0) + count;
        if (progress.broken !== undefined) broken.push(progress.broken);
      });
      worker.once("error", failed);
      worker.once("exit", (code) => (code === 0 ? done() : failed(new Error(`worker ${index} ended with ${code}`))));
      worker.send({ firstSeed: seed + index, step: workers, until_ms } satisfies Task);
    });
  const told = setInterval(() => console.log(lineOf(totals, (performance.now() - begun) / 1000)), 60_000);
  await Promise.all(Array.from({ length: workers }, (_, index) => run(index)));
  clearInterval(told);
  return { commit: begunWith, totals, broken, took_s: (performance.now() - begun) / 1000 };
}

function count(totals: Totals, name: string): string {
  return spaced(totals[name] ?? 0);
}

function spaced(value: number): string {
  return Math.round(value).toLocaleString("en-GB").replaceAll(",", " ");
}

function lineOf(totals: Totals, took_s: number): string {
  const rate = Math.round((totals["steps"] ?? 0) / took_s);
  return `${Math.round(took_s)} s: ${count(totals, "worlds")} worlds, ${count(totals, "steps")} steps (${rate}/s)`;
}

const ROWS: readonly (readonly [name: string, about: string])[] = [
  ["worlds", "worlds, each with a seed of its own"],
  ["steps", "steps: inputs taken by a core"],
  ["events", "events of the world (datagrams, wake-ups, faults)"],
  ["messages", "datagrams carried"],
  ["replays", "old datagrams sent again by the attacker"],
  ["junk", "datagrams of the attacker that never were one"],
  ["commits", "commits that the fence took"],
  ["refusedCommits", "commits that it refused"],
  ["moves", "changes of owner"],
  ["gaps", "times a fence had shut before it was opened again"],
  ["freezes", "freezes between two effects"],
  ["crashes", "kills between two effects"],
  ["reboots", "power losses"],
  ["lostRecords", "voter records lost"],
  ["failedEffects", "effects that failed"],
];

function report({ workers, seed }: Options, { commit: begunWith, totals, broken, took_s }: Result): string {
  const [cpu] = cpus();
  const machine = `${workers} of ${availableParallelism()} cores ${cpu?.model ?? ""}, Linux ${release()}, Node ${process.version}`;
  const events = totals["events"] ?? 0;
  const rows = ROWS.map(([name, about]) => `| ${about} | ${count(totals, name)} |`);
  const faults = Object.keys(totals)
    .filter((name) => name.startsWith("fault: "))
    .toSorted()
    .map((name) => `| ${name} | ${count(totals, name)} |`);
  return [
    MARK,
    "",
    `Commit ${begunWith}, ${new Date().toISOString().slice(0, 10)}, ${machine}; ${Math.round(took_s / 60)} minutes, seeds from ${seed}.`,
    "",
    "| what | how many |",
    "| --- | --- |",
    ...rows,
    ...faults,
    `| events a second of processor time, of a worker | ${spaced(events / ((totals["cpu_us"] ?? 1) / 1e6))} |`,
    `| events a second, all workers, on a machine that others use too | ${spaced(events / took_s)} |`,
    `| **rules broken** | **${broken.length}** |`,
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const options = optionsOf();
  const result = await runAll(options);
  const text = report(options, result);
  console.log(text);
  for (const { scenario, seed, text: what } of result.broken) {
    console.log(`RULE BROKEN in scenario ${scenario}, seed ${seed}, commit ${result.commit}\n  ${what}`);
    console.log(`  replay: npm run sim -- --scenario ${scenario} --seed ${seed} --trace`);
    process.exitCode = 1;
  }
  if (!options.write) return;
  const before = readFileSync(REPORT, "utf8");
  const at = before.indexOf(MARK);
  writeFileSync(REPORT, (at < 0 ? `${before}\n` : before.slice(0, at)) + text);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
