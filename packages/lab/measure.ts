/** Measures faults against the limits this product promises: every fault several times, the median of each. */
import { setTimeout as delay } from "node:timers/promises";
import { EXIT } from "@holdfast/api/schema.ts";
import { readAction } from "./actions.ts";
import type { ActionName } from "./actions.ts";
import { LabError } from "./directory.ts";
import type { Lab, Say } from "./lab.ts";
import { describeObservation, observe, steadyOwner } from "./observe.ts";
import type { Observation } from "./observe.ts";
import { median } from "./outage.ts";
import { usageOf } from "./processes.ts";

/** Milliseconds the client may be without answers, by fault of the owner. */
export const OUTAGE_LIMITS_MS = {
  kill: 250,
  freeze: 250,
  isolate: 250,
  poweroff: 400,
  unplug: 50,
  stop: 10,
  move: 10,
} as const;
export const HEALING_LIMIT_MS = 5;
export const CPU_LIMIT_PERCENT = 1.5;
export const RESIDENT_LIMIT_MB = 110;

export type MeasuredFault = keyof typeof OUTAGE_LIMITS_MS;
export const MEASURED_FAULTS = Object.keys(OUTAGE_LIMITS_MS) as readonly MeasuredFault[];

const REST_MS = 30_000;
const IDLE_MS = 5000;

export interface Row {
  readonly what: string;
  readonly unit: "ms" | "%" | "MB" | "times";
  readonly median: number;
  readonly worst: number;
  readonly limit: number;
  readonly met: boolean;
}

export interface Measurement {
  readonly schema: "holdfast.lab-measure/1";
  readonly runs: number;
  readonly rows: readonly Row[];
  readonly met: boolean;
}

interface Run {
  readonly fault: Observation;
  readonly healing: Observation;
}

export async function measure(
  lab: Lab,
  faults: readonly MeasuredFault[],
  runs: number,
  say: Say,
): Promise<{ code: number; result: Measurement }> {
  await lab.rest(REST_MS);
  await steadyOwner(lab);
  const rows: Row[] = [];
  if (lab.options.daemons) rows.push(...(await idle(lab)));
  let violations = 0;
  for (const fault of faults) {
    const all: Run[] = [];
    for (let run = 1; run <= runs; run++) {
      const one = await measureOnce(lab, fault);
      all.push(one);
      say(`${fault} ${run}/${runs}: ${describeObservation(one.fault).join("\n  ")}`);
      say(`${fault} ${run}/${runs}, healed: ${describeObservation(one.healing).join("\n  ")}`);
    }
    violations += all.reduce((sum, one) => sum + one.fault.violations.length + one.healing.violations.length, 0);
    rows.push(
      row(
        `outage: ${fault}`,
        "ms",
        OUTAGE_LIMITS_MS[fault],
        all.map((one) => outageOf(one.fault)),
      ),
    );
    rows.push(
      row(
        `outage: healing after ${fault}`,
        "ms",
        HEALING_LIMIT_MS,
        all.map((one) => outageOf(one.healing)),
      ),
    );
  }
  rows.push(row("two nodes answering", "times", 0, [violations]));
  const met = rows.every((each) => each.met);
  return {
    code: met ? EXIT.done : EXIT.failed,
    result: { schema: "holdfast.lab-measure/1", runs, rows, met },
  };
}

/** A client that never got answers again is worse than any limit. */
function outageOf(seen: Observation): number {
  return seen.after === undefined ? Number.MAX_SAFE_INTEGER : seen.outage.outage_ms;
}

async function measureOnce(lab: Lab, name: MeasuredFault): Promise<Run> {
  await lab.rest(REST_MS);
  const owner = await steadyOwner(lab);
  const action = readAction(lab, name, argumentsOf(lab, name, owner), owner);
  const fault = await observe(lab, owner, true, action.perform);
  if (fault.captured === 0) throw new LabError("the watcher captured no answer: it would not see two owners either");
  const healing = await observe(lab, fault.after, false, async () => {
    await lab.heal();
    await lab.rest(REST_MS);
  });
  return { fault, healing };
}

function argumentsOf(lab: Lab, name: ActionName, owner: string): readonly string[] {
  if (name !== "move") return [owner];
  return [lab.topology.service.group];
}

/** A daemon runs for months: what its first seconds take for compiling is not what it takes idle. */
const WARM_UP_MS = 20_000;

async function idle(lab: Lab): Promise<readonly Row[]> {
  await delay(WARM_UP_MS);
  const before = lab.nodeNames.map((node) => usageOf(node));
  const start = performance.now();
  await delay(IDLE_MS);
  const elapsed_s = (performance.now() - start) / 1000;
  const after = lab.nodeNames.map((node) => usageOf(node));
  const cpu = after.map((usage, i) => ((usage.cpu_s - (before[i]?.cpu_s ?? 0)) / elapsed_s) * 100);
  return [
    row("idle CPU of a node", "%", CPU_LIMIT_PERCENT, cpu),
    row(
      "resident memory of a node",
      "MB",
      RESIDENT_LIMIT_MB,
      after.map((usage) => usage.resident_mb),
    ),
  ];
}

function row(what: string, unit: Row["unit"], limit: number, values: readonly number[]): Row {
  const middle = round(median(values));
  return {
    what,
    unit,
    median: middle,
    worst: round(Math.max(...values)),
    limit,
    met: middle <= limit,
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A table of 80 columns at most. */
export function measurementTable(measurement: Measurement): readonly string[] {
  const cell = (value: number, unit: string) =>
    (value === Number.MAX_SAFE_INTEGER ? "for ever" : `${value} ${unit}`).padStart(12);
  const lines = measurement.rows.map(
    (each) =>
      `${each.what.padEnd(32)}${cell(each.median, each.unit)}${cell(each.worst, each.unit)}${cell(each.limit, each.unit)}  ${each.met ? "ok" : "MISSED"}`,
  );
  return [
    `${`${measurement.runs} runs each`.toUpperCase().padEnd(32)}${"MEDIAN".padStart(12)}${"WORST".padStart(12)}${"LIMIT".padStart(12)}`,
    ...lines,
  ];
}
