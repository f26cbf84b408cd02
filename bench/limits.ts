/** What holdfast must reach on two shared cores, as data, and whether it did. Pure. */
import { type FaultName, FLEET_NODES, type TimingName } from "./plan.ts";
import type { IdleUsage, SessionResult } from "./results.ts";
import type { Row } from "./rows.ts";

type FigureName = "outage" | "lost" | "changes" | "healing outage" | "counted moves" | "times keepalived";

export interface Limit {
  readonly fault: FaultName;
  readonly timing: TimingName;
  readonly figure: FigureName;
  /** Milliseconds, packets, moves or times, as the figure is; the median of the rounds. */
  readonly most: number;
}

const BOTH: readonly TimingName[] = ["100ms", "10ms"];
const ALL: readonly TimingName[] = ["1s", "100ms", "10ms"];

function outage(fault: FaultName, at100ms: number, at10ms: number): readonly Limit[] {
  return [
    { fault, timing: "100ms", figure: "outage", most: at100ms },
    { fault, timing: "10ms", figure: "outage", most: at10ms },
  ];
}

function none(fault: FaultName, figure: FigureName, timings: readonly TimingName[]): readonly Limit[] {
  return timings.map((timing) => ({ fault, timing, figure, most: 0 }));
}

export const LIMITS: readonly Limit[] = [
  ...outage("kill", 200, 60),
  ...outage("freeze", 200, 60),
  ...none("freeze", "healing outage", BOTH),
  ...outage("poweroff", 350, 75),
  { fault: "poweroff", timing: "10ms", figure: "times keepalived", most: 1.8 },
  ...outage("unplug", 20, 20),
  ...outage("swap", 15, 15),
  ...none("swap", "changes", BOTH),
  ...outage("silent", 350, 100),
  ...none("silent", "changes", BOTH),
  ...none("link", "changes", BOTH),
  ...none("link", "lost", BOTH),
  ...outage("cut", 350, 75),
  ...none("cut", "healing outage", BOTH),
  ...outage("isolate", 200, 60),
  ...none("isolate", "healing outage", BOTH),
  ...none("crash", "lost", ["100ms"]),
  ...(["stop", "move", "failback", "reload"] as const).flatMap((fault) => none(fault, "lost", ALL)),
  ...none("loss", "changes", ["100ms"]),
  ...none("loss", "lost", ["100ms"]),
  { fault: "loss", timing: "10ms", figure: "changes", most: 2 },
  ...none("flood", "changes", ["100ms"]),
  ...none("flood", "lost", ["100ms"]),
  ...none("forged", "changes", ["100ms"]),
  ...none("load", "changes", ["100ms"]),
  ...none("load", "counted moves", ["10ms"]),
];

export interface Verdict {
  /** "outage 73 <= 200". */
  readonly text: string;
  readonly met: boolean;
}

/** Every limit on this row of holdfast; two answering nodes are never allowed, in no round, and a failed round is a miss. */
export function judgeRow(row: Row, keepalived: Row | undefined): readonly Verdict[] {
  if (row.product !== "holdfast") return [];
  const verdicts: Verdict[] = [];
  if (row.failed.length > 0) verdicts.push({ text: `${row.failed.length} rounds failed`, met: false });
  if (row.absent !== undefined) verdicts.push({ text: row.absent, met: false });
  if (!row.during) return verdicts;
  for (const limit of LIMITS.filter((each) => each.fault === row.fault && each.timing === row.timing)) {
    const value = figureOf(row, limit.figure, keepalived);
    if (value !== undefined) verdicts.push(compare(limit.figure, value, limit.most));
  }
  const overlap = Math.max(row.during.overlap_ms.max, row.healing?.overlap_ms.max ?? 0);
  verdicts.push(compare("two nodes", overlap, 0));
  const unsteady = row.during.unsteady + (row.healing?.unsteady ?? 0);
  if (unsteady > 0) verdicts.push({ text: `not served again in ${unsteady} rounds`, met: false });
  return verdicts;
}

function figureOf(row: Row, figure: FigureName, keepalived: Row | undefined): number | undefined {
  switch (figure) {
    case "outage":
      return row.during?.outage_ms.median;
    case "lost":
      // Both ways of a planned move are planned moves.
      return Math.max(row.during?.lost.median ?? 0, row.fault === "move" ? (row.healing?.lost.median ?? 0) : 0);
    case "changes":
      return row.during?.changes.median;
    case "healing outage":
      return row.healing?.outage_ms.median;
    case "counted moves":
      return row.load?.counted;
    case "times keepalived":
      return ratio(row, keepalived);
  }
}

/** Two answering nodes for longer than this are two owners, not a move that overlaps: their "outage" says nothing. */
const TWO_OWNERS_MS = 100;

/** Outage of the row as a multiple of keepalived's; undefined without both, where keepalived has none or two owners. */
export function ratio(row: Row, keepalived: Row | undefined): number | undefined {
  if ((keepalived?.during?.overlap_ms.median ?? 0) > TWO_OWNERS_MS) return undefined;
  const [own, theirs] = [row.during?.outage_ms.median, keepalived?.during?.outage_ms.median];
  if (own === undefined || theirs === undefined || theirs === 0) return undefined;
  return Math.round((own / theirs) * 100) / 100;
}

const CPU_PERCENT: Partial<Record<TimingName, number>> = { "1s": 1, "100ms": 1, "10ms": 5 };
const RESIDENT_MB = 110;
const PROPORTIONAL_MB = 70;

/** Of a node among so many, of which five vote. */
const FLEET_CPU_PERCENT = 4;

export function judgeIdle({ product, timing }: SessionResult, usage: IdleUsage, nodes: number): readonly Verdict[] {
  if (product !== "holdfast") return [];
  if (nodes >= FLEET_NODES) return [compare("CPU", usage.cpu_percent, FLEET_CPU_PERCENT)];
  return [
    compare("CPU", usage.cpu_percent, CPU_PERCENT[timing] ?? 5),
    compare("resident", usage.resident_mb, RESIDENT_MB),
    compare("proportional", usage.proportional_mb, PROPORTIONAL_MB),
  ];
}

function compare(what: string, value: number, most: number): Verdict {
  const met = value <= most;
  return { text: `${what} ${value} ${met ? "<=" : ">"} ${most}`, met };
}
