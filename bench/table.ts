/** The results as Markdown tables, and the list of limits that were missed. Pure. */
import { judgeIdle, judgeRow, ratio } from "./limits.ts";
import type { Verdict } from "./limits.ts";
import { FAULTS } from "./plan.ts";
import type { IdleUsage, SessionResult } from "./results.ts";
import type { Figures, Row } from "./rows.ts";
import { rowsOf } from "./rows.ts";
import type { Spread } from "./statistics.ts";

export interface Tables {
  readonly faults: readonly string[];
  readonly idle: readonly string[];
  readonly load: readonly string[];
  /** One line for each limit that was missed, with its row. */
  readonly missed: readonly string[];
  /** One line for each round that gave no figures. */
  readonly failed: readonly string[];
}

const FAULT_HEADER = [
  "fault of the owner",
  "timing",
  "product",
  "outage ms: median (min-max)",
  "lost",
  "two nodes ms",
  "changes",
  "healing: outage ms",
  "two nodes ms",
  "changes",
  "x keepalived",
  "limits",
];

export function tablesOf(sessions: readonly SessionResult[]): Tables {
  const rows = rowsOf(sessions);
  const judged = rows.map((row) => ({ row, verdicts: judgeRow(row, besideOf(rows, row)) }));
  const idle = sessions.flatMap((session) => idleLines(session, sessions));
  return {
    faults: table(
      FAULT_HEADER,
      judged.map(({ row, verdicts }) => cellsOf(row, verdicts, besideOf(rows, row))),
    ),
    idle: table(
      [
        "product",
        "timing",
        "node",
        "CPU of one core %",
        "resident MB",
        "proportional MB",
        "alone MB",
        "processes",
        "scheduling",
        "limits",
      ],
      idle.map((each) => each.cells),
    ),
    load: table(
      ["product", "timing", "changes", "of these counted", "control: class", "control: longest sleep of 10 ms, ms"],
      rows.flatMap((row) => (row.load ? [loadCells(row)] : [])),
    ),
    missed: [
      ...judged.flatMap(({ row, verdicts }) => missedOf(`${row.fault} at ${row.timing}`, verdicts)),
      ...idle.flatMap((each) => missedOf(each.name, each.verdicts)),
    ],
    failed: rows.flatMap((row) =>
      row.failed.map((reason) => `${row.product}, ${row.fault} at ${row.timing}: ${reason.split("\n")[0] ?? ""}`),
    ),
  };
}

/** The same fault and timing with keepalived. */
function besideOf(rows: readonly Row[], row: Row): Row | undefined {
  return rows.find((each) => each.product === "keepalived" && each.fault === row.fault && each.timing === row.timing);
}

function cellsOf(row: Row, verdicts: readonly Verdict[], keepalived: Row | undefined): readonly string[] {
  const head = [FAULTS[row.fault], row.timing, row.product];
  if (row.absent !== undefined) return [...head, "not built", "", "", "", "", "", "", "", limitsCell(verdicts)];
  const times = row.product === "holdfast" ? ratio(row, keepalived) : undefined;
  return [
    ...head,
    ...figureCells(row.during, row.failed.length),
    ...(row.healing ? healingCells(row.healing) : ["", "", ""]),
    times === undefined ? "" : String(times),
    limitsCell(verdicts),
  ];
}

function figureCells(figures: Figures | undefined, failed: number): readonly string[] {
  const lack = failed > 0 ? ` ${failed} FAILED` : "";
  if (!figures) return [lack.trim(), "", "", ""];
  const stuck = figures.unsteady > 0 ? `, not served again ${figures.unsteady}x` : "";
  return [
    `${full(figures.outage_ms)}${stuck}${lack}`,
    short(figures.lost),
    short(figures.overlap_ms),
    short(figures.changes),
  ];
}

function healingCells(figures: Figures): readonly string[] {
  const stuck = figures.unsteady > 0 ? `, not served again ${figures.unsteady}x` : "";
  return [`${short(figures.outage_ms)}${stuck}`, short(figures.overlap_ms), short(figures.changes)];
}

function full({ median, min, max }: Spread): string {
  return `${median} (${min}-${max})`;
}

/** The spread only where there is one. */
function short(figure: Spread): string {
  return figure.min === figure.max ? String(figure.median) : full(figure);
}

function limitsCell(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "";
  const missed = verdicts.filter((each) => !each.met);
  return missed.length === 0 ? "met" : `MISSED: ${missed.map((each) => each.text).join(", ")}`;
}

function missedOf(name: string, verdicts: readonly Verdict[]): readonly string[] {
  return verdicts.filter((each) => !each.met).map((each) => `${name}: ${each.text}`);
}

const USUAL_NODES = 3;

interface IdleLine {
  readonly name: string;
  readonly cells: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** holdfast's figures also as multiples of keepalived's. */
function idleLines(session: SessionResult, all: readonly SessionResult[]): readonly IdleLine[] {
  const found = session.reports.find((each) => each.kind === "idle");
  if (!found) return [];
  const beside = all
    .filter((each) => each.product === "keepalived" && each.timing === session.timing)
    .flatMap((each) => each.reports)
    .filter((each) => each.kind === "idle")
    .find((each) => each.nodes === found.nodes);
  const line = (node: "owner" | "standby", usage: IdleUsage): IdleLine => {
    const theirs = session.product === "holdfast" ? beside?.[node] : undefined;
    const verdicts = judgeIdle(session, usage, found.nodes);
    const figures = [
      multiple(usage.cpu_percent, theirs?.cpu_percent),
      multiple(usage.resident_mb, theirs?.resident_mb),
      multiple(usage.proportional_mb, theirs?.proportional_mb),
      multiple(usage.together_mb, theirs?.together_mb),
      String(usage.processes),
    ];
    const who = found.nodes > USUAL_NODES ? `${node} of ${found.nodes}` : node;
    const cells = [session.product, session.timing, who, ...figures, found.scheduling, limitsCell(verdicts)];
    return { name: `idle ${who} at ${session.timing}`, cells, verdicts };
  };
  return [line("owner", found.owner), line("standby", found.standby)];
}

function multiple(value: number, theirs: number | undefined): string {
  if (theirs === undefined || theirs === 0) return String(value);
  const times = value / theirs;
  return `${value} (${times < 10 ? times.toFixed(1) : times.toFixed(0)}x)`;
}

function loadCells({ product, timing, during, load }: Row): readonly string[] {
  const changes = during ? String(during.changes.median) : "";
  return [product, timing, changes, String(load?.counted), load?.controlClass ?? "", String(load?.controlWorst_ms)];
}

/** Padded, so that it reads well in a terminal too. Empty without rows. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(header), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)];
}
