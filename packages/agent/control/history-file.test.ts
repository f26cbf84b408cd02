/** The history on disk stays bounded and readable. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toEvent } from "./history.ts";
import { historyFile } from "./history-file.ts";

const MIB = 1024 * 1024;

function event(number: number, text = "x".repeat(200)) {
  return toEvent({
    node: "lb1",
    boot: "b1",
    number,
    wall_ms: number,
    level: "info",
    code: "link-up",
    group: undefined,
    text,
    phases: undefined,
  } as never);
}

function inDirectory(body: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-history-"));
  try {
    body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("two files of at most 1 MiB, and the last events are read back in order across both", () => {
  inDirectory((directory) => {
    const file = historyFile(directory, assert.fail);
    for (let i = 1; i <= 9000; i++) file.append(event(i));
    assert.deepEqual(readdirSync(directory).toSorted(), ["history.1.ndjson", "history.ndjson"]);
    for (const name of readdirSync(directory)) assert.ok(statSync(join(directory, name)).size <= MIB);
    const numbers = historyFile(directory, assert.fail)
      .read(2000)
      .map(({ number }) => number);
    assert.deepEqual(
      numbers,
      Array.from({ length: 2000 }, (_, i) => 7001 + i),
    );
  });
});

test("lines that are no events are left out, wherever they are", () => {
  inDirectory((directory) => {
    const good = JSON.stringify(event(1));
    writeFileSync(
      join(directory, "history.ndjson"),
      `garbage\n${good}\nnull\n{"schema":"other/1"}\n\u0000\u0000\n${good.slice(0, 40)}`,
    );
    assert.deepEqual(
      historyFile(directory, assert.fail)
        .read(10)
        .map(({ number }) => number),
      [1],
    );
  });
});

test("a directory that is not there: told once, kept in memory", () => {
  const told: (string | undefined)[] = [];
  const file = historyFile("/nonexistent/holdfast", (trouble) => told.push(trouble));
  file.append(event(1));
  file.append(event(2));
  assert.equal(told.length, 1);
  assert.match(file.trouble() ?? "", /ENOENT/);
});

test("a wall clock beyond all dates does not stop the history", () => {
  for (const wall_ms of [Number.NaN, Infinity, -1, 1e300])
    assert.match(toEvent({ ...event(1), wall_ms } as never).time, /^[+\d]/);
});
