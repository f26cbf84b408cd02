/** From the rounds of all sessions to one row for each fault, timing and product. Pure. */
import { FAULT_NAMES, PRODUCTS, TIMINGS } from "./plan.ts";
import type { FaultName, ProductName, TimingName } from "./plan.ts";
import type { LoadWatched, Report, SessionResult, Watched } from "./results.ts";
import { spread } from "./statistics.ts";
import type { Spread } from "./statistics.ts";

export interface Figures {
  readonly outage_ms: Spread;
  readonly lost: Spread;
  readonly overlap_ms: Spread;
  readonly changes: Spread;
  /** Rounds after which the client was still without steady answers. */
  readonly unsteady: number;
}

export interface Row {
  readonly fault: FaultName;
  readonly timing: TimingName;
  readonly product: ProductName;
  readonly rounds: number;
  /** Reasons of the rounds that gave no figures. */
  readonly failed: readonly string[];
  /** Why the product cannot do it; then there are no figures. */
  readonly absent: string | undefined;
  readonly during: Figures | undefined;
  readonly healing: Figures | undefined;
  readonly load: LoadWatched | undefined;
}

/** Fault by fault, in each from the slowest timing to the fastest, in each product by product. */
export function rowsOf(sessions: readonly SessionResult[]): readonly Row[] {
  return FAULT_NAMES.flatMap((fault) =>
    TIMINGS.flatMap(({ name: timing }) =>
      PRODUCTS.flatMap((product) => {
        const reports = sessions
          .filter((session) => session.product === product && session.timing === timing)
          .flatMap((session) => session.reports);
        const row = rowOf(reports, fault, timing, product);
        return row ? [row] : [];
      }),
    ),
  );
}

function rowOf(
  reports: readonly Report[],
  fault: FaultName,
  timing: TimingName,
  product: ProductName,
): Row | undefined {
  const rounds = reports.filter((each) => each.kind === "round").filter((each) => each.fault === fault);
  const failed = reports.filter((each) => each.kind === "failed").filter((each) => each.fault === fault);
  const absent = reports.filter((each) => each.kind === "absent").find((each) => each.fault === fault);
  if (rounds.length + failed.length === 0 && !absent) return undefined;
  return {
    fault,
    timing,
    product,
    rounds: rounds.length,
    failed: failed.map((each) => each.reason),
    absent: absent?.reason,
    during: figures(rounds.map((each) => each.during)),
    healing: figures(rounds.flatMap((each) => each.healing ?? [])),
    load: rounds.find((each) => each.load !== undefined)?.load,
  };
}

function figures(watched: readonly Watched[]): Figures | undefined {
  const of = (pick: (each: Watched) => number) => spread(watched.map(pick));
  const [outage_ms, lost] = [of((each) => each.outage_ms), of((each) => each.lost)];
  const [overlap_ms, changes] = [of((each) => each.overlap_ms), of((each) => each.changes)];
  if (!outage_ms || !lost || !overlap_ms || !changes) return undefined;
  return { outage_ms, lost, overlap_ms, changes, unsteady: watched.filter((each) => !each.steady).length };
}
