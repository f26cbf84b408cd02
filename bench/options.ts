/** The command line of the bench. */
import { parseArgs } from "node:util";
import { FAULT_NAMES, PRODUCTS, TIMINGS } from "./plan.ts";
import type { FaultName, ProductName, TimingName } from "./plan.ts";

export const USAGE = `npm run bench -- [OPTION...]
  --rounds N          rounds of each fault (5)
  --only PRODUCT      holdfast or keepalived; both otherwise
  --fault NAME        one fault, "idle", or "fleet" (idle, of many nodes); may be repeated
                      ${FAULT_NAMES.join(" ")}
  --timing T          1s, 100ms or 10ms; may be repeated
  --quick             one round at 100ms and 10ms, ten seconds of busy loops
  --write FILE        writes the tables there; a whole run writes docs/benchmarks.md
  --check             exit code 1 when a limit was missed
Needs root: keepalived has no lab without it.`;

export interface BenchOptions {
  readonly rounds: number;
  readonly products: readonly ProductName[];
  readonly faults: readonly FaultName[];
  readonly idle: boolean;
  /** Idle usage of a large cluster. */
  readonly fleet: boolean;
  readonly timings: readonly TimingName[];
  readonly load_ms: number;
  readonly check: boolean;
  readonly write: string | undefined;
  /** Everything, as the documentation shows it. */
  readonly whole: boolean;
}

export class UsageError extends Error {}

/** Undefined: help was asked for. Throws UsageError. */
export function readOptions(args: string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      only: { type: "string" },
      fault: { type: "string", multiple: true },
      timing: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      write: { type: "string" },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const rounds = values.rounds ?? (values.quick ? "1" : "5");
  if (!/^[1-9]\d{0,2}$/.test(rounds)) throw new UsageError(`--rounds takes a number from 1 to 999, not "${rounds}"`);
  const names = TIMINGS.map((each) => each.name);
  const asked = values.fault ?? [...FAULT_NAMES, "idle", "fleet"];
  const timings = values.timing ?? (values.quick ? ["100ms", "10ms"] : names);
  const faults = chosen("--fault", asked, [...FAULT_NAMES, "idle", "fleet"] as const);
  return {
    rounds: Number(rounds),
    products: values.only === undefined ? PRODUCTS : chosen("--only", [values.only], PRODUCTS),
    faults: faults.filter((each) => each !== "idle" && each !== "fleet"),
    idle: faults.includes("idle"),
    fleet: faults.includes("fleet"),
    timings: chosen("--timing", timings, names),
    load_ms: values.quick ? 10_000 : 60_000,
    check: values.check,
    write: values.write,
    whole: !values.only && !values.fault && !values.timing && !values.quick,
  };
}

/** Those of `known` that were asked for, in the order of `known`. */
function chosen<Name extends string>(
  option: string,
  asked: readonly string[],
  known: readonly Name[],
): readonly Name[] {
  const strange = asked.find((each) => !(known as readonly string[]).includes(each));
  if (strange !== undefined) throw new UsageError(`${option} takes ${known.join(", ")}, not "${strange}"`);
  return known.filter((each) => asked.includes(each));
}
