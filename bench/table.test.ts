/** From reports to rows, limits and tables. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS, judgeIdle, judgeRow, ratio } from "./limits.ts";
import { FAULT_NAMES } from "./plan.ts";
import type { FaultName, ProductName, TimingName } from "./plan.ts";
import type { IdleUsage, Report, SessionResult, Watched } from "./results.ts";
import { rowsOf } from "./rows.ts";
import { tablesOf } from "./table.ts";

const CALM: Watched = { outage_ms: 0, lost: 0, overlap_ms: 0, changes: 0, steady: true };

function round(fault: FaultName, during: Partial<Watched>, healing: Partial<Watched> = {}): Report {
  return { kind: "round", fault, round: 1, during: { ...CALM, ...during }, healing: { ...CALM, ...healing } };
}

function session(product: ProductName, timing: TimingName, ...reports: readonly Report[]): SessionResult {
  return { product, timing, reports };
}

/** What is missed when holdfast does this and keepalived that. */
function missed(
  own: readonly Report[],
  theirs: readonly Report[] = [],
  timing: TimingName = "10ms",
): readonly string[] {
  return tablesOf([session("holdfast", timing, ...own), session("keepalived", timing, ...theirs)]).missed;
}

test("a median at the limit is met and one above it is missed", () => {
  const at = (outage_ms: number) => round("kill", { outage_ms });
  assert.deepEqual(missed([at(60), at(10), at(500)]), []);
  assert.deepEqual(missed([at(60.1), at(10), at(500)]), ["kill at 10ms: outage 60.1 > 60"]);
});

test("two answering nodes in a single round are a miss in every row and at every timing", () => {
  for (const fault of FAULT_NAMES) {
    for (const timing of ["1s", "100ms", "10ms"] as const) {
      assert.ok(
        missed([round(fault, { overlap_ms: 1 }), round(fault, {}), round(fault, {})], [], timing).length > 0,
        fault,
      );
      assert.ok(missed([round(fault, {}, { overlap_ms: 1 })], [], timing).length > 0, `${fault} healed`);
    }
  }
});

test("what keepalived does is shown and never judged", () => {
  assert.deepEqual(missed([], [round("kill", { outage_ms: 9000, overlap_ms: 1500, steady: false })]), []);
});

test("a failed round and one after which nobody served are misses, and the failed one is listed", () => {
  const failed: Report = { kind: "failed", fault: "stop", round: 2, reason: "n1 sees n3 down\nand more" };
  const tables = tablesOf([session("holdfast", "100ms", round("stop", { steady: false }), failed)]);
  assert.deepEqual(tables.missed, ["stop at 100ms: 1 rounds failed", "stop at 100ms: not served again in 1 rounds"]);
  assert.deepEqual(tables.failed, ["holdfast, stop at 100ms: n1 sees n3 down"]);
  assert.match(tables.faults.join("\n"), /1 FAILED/);
});

test("a fault of which every round failed still has its row", () => {
  const failed: Report = { kind: "failed", fault: "stop", round: 1, reason: "no" };
  const [row] = rowsOf([session("holdfast", "100ms", failed)]);
  assert.equal(row?.during, undefined);
  assert.equal(row?.failed.length, 1);
});

test("what the product cannot do is a row that says so", () => {
  const tables = tablesOf([
    session("holdfast", "100ms", { kind: "absent", fault: "reload", reason: "no such command" }),
  ]);
  assert.match(tables.faults[2] ?? "", /not built/);
  assert.deepEqual(tables.missed, ["reload at 100ms: no such command"]);
});

test("power off is held against keepalived in the same run", () => {
  const rows = rowsOf([
    session("holdfast", "10ms", round("poweroff", { outage_ms: 60 })),
    session("keepalived", "10ms", round("poweroff", { outage_ms: 30 })),
  ]);
  const [own, theirs] = rows;
  assert.ok(own && theirs);
  assert.equal(ratio(own, theirs), 2);
  assert.deepEqual(
    judgeRow(own, theirs).filter((each) => !each.met),
    [{ text: "times keepalived 2 > 1.8", met: false }],
  );
});

test("an outage of nobody, or beside two owners, has no ratio", () => {
  const ratioBeside = (theirs: Partial<Watched>) => {
    const rows = rowsOf([
      session("holdfast", "10ms", round("kill", { outage_ms: 60 })),
      session("keepalived", "10ms", round("kill", theirs)),
    ]);
    return rows[0] && ratio(rows[0], rows[1]);
  };
  assert.equal(ratioBeside({ outage_ms: 0 }), undefined);
  assert.equal(ratioBeside({ outage_ms: 3, overlap_ms: 1400 }), undefined);
  assert.equal(ratioBeside({ outage_ms: 30 }), 2);
});

test("a planned move is held to losing nothing on the way back too", () => {
  assert.deepEqual(missed([round("move", { lost: 0 }, { lost: 2 })]), ["move at 10ms: lost 2 > 0"]);
});

test("idle: processor, resident and proportional memory each have a limit, for owner and standby", () => {
  const usage = { cpu_percent: 1.1, resident_mb: 111, proportional_mb: 71, together_mb: 80, processes: 2 };
  const texts = judgeIdle(session("holdfast", "100ms"), usage, 3).map((each) => each.text);
  assert.deepEqual(texts, ["CPU 1.1 > 1", "resident 111 > 110", "proportional 71 > 70"]);
  const idle: Report = { kind: "idle", nodes: 3, owner: usage, standby: usage, scheduling: "SCHED_OTHER" };
  assert.equal(tablesOf([session("holdfast", "100ms", idle)]).missed.length, 6);
  assert.equal(tablesOf([session("keepalived", "100ms", idle)]).missed.length, 0);
});

test("idle: holdfast's figures stand beside their multiples of keepalived's", () => {
  const usage = { cpu_percent: 0.5, resident_mb: 80, proportional_mb: 40, together_mb: 60, processes: 2 };
  const small = { cpu_percent: 0, resident_mb: 10, proportional_mb: 3, together_mb: 8, processes: 2 };
  const idle = (of: IdleUsage): Report => ({
    kind: "idle",
    nodes: 3,
    owner: of,
    standby: of,
    scheduling: "SCHED_OTHER",
  });
  const lines = tablesOf([session("holdfast", "1s", idle(usage)), session("keepalived", "1s", idle(small))]).idle;
  assert.match(lines[2] ?? "", /\| 0\.5 +\| 80 \(8\.0x\) +\| 40 \(13x\) +\| 60 \(7\.5x\) +\| 2 /);
  assert.match(lines[4] ?? "", /keepalived.*\| 0 +\| 10 +\| 3 +\| 8 +\|/);
});

test("every limit speaks of a fault at a timing at most once a figure", () => {
  const names = LIMITS.map((each) => `${each.fault} ${each.timing} ${each.figure}`);
  assert.equal(new Set(names).size, names.length);
});

test("the columns of a table line up", () => {
  const { faults } = tablesOf([
    session("holdfast", "1s", round("kill", { outage_ms: 1 })),
    session("keepalived", "1s", round("stop", {})),
  ]);
  assert.equal(new Set(faults.map((line) => line.length)).size, 1);
  assert.equal(faults.length, 4);
});
