/**
 * The codec of version 1 as it was, from the history of this repository: it reads what is written for it now, and what it
 * wrote is read now, in the same way as the simulator's nodes of version 1 (packages/sim/versions.ts) do.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Chance } from "./chance.ts";
import { ANY_WORLD, RandomHeartbeats } from "./random-heartbeat.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { FULL } from "@holdfast/core/wire/heartbeat-samples.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import { emitVersion1, parseVersion1 } from "@holdfast/sim/versions.ts";

/** The last commit whose heartbeats were of version 1. */
const LAST_OF_VERSION_1 = "f8c7fa1";
const ROOT = join(import.meta.dirname, "../..");
const RUNS = 10_000;

/** What the old codec makes of a message: its value, and that emitted again. */
interface Reading {
  readonly ok: boolean;
  readonly value?: unknown;
  readonly again?: string;
}

/** Runs in the folder of the old codec: a message in hex a line in, a Reading a line out. */
const READER = `
import { readFileSync } from "node:fs";
import { emitHeartbeat, parseHeartbeat } from "./packages/core/wire/heartbeat.ts";
const lines = readFileSync(0, "utf8").split("\\n").filter((line) => line !== "");
const readings = lines.map((line) => {
  const parsed = parseHeartbeat(Uint8Array.from(Buffer.from(line, "hex")));
  if (!parsed.ok) return parsed;
  return { ...parsed, again: Buffer.from(emitHeartbeat(parsed.value)).toString("hex") };
});
process.stdout.write(readings.map((each) => JSON.stringify(each)).join("\\n"));
`;

function git(...args: string[]): string {
  return execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function readByVersion1(folder: string, messages: readonly Uint8Array[]): Reading[] {
  const files = git(
    "ls-tree",
    "-r",
    "--name-only",
    LAST_OF_VERSION_1,
    "--",
    "packages/core/wire",
    "packages/core/units",
  )
    .split("\n")
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  for (const name of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, git("show", `${LAST_OF_VERSION_1}:${name}`));
  }
  const reader = join(folder, "reader.ts");
  writeFileSync(reader, READER);
  const input = messages.map((message) => hexOf(message)).join("\n");
  const options = { input, encoding: "utf8", maxBuffer: 1e9 } as const;
  return execFileSync(process.execPath, [reader], options)
    .split("\n")
    .map((line) => JSON.parse(line) as Reading);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** What the old codec's heartbeats do not have is left out, as JSON has it. */
function known(h: Heartbeat): unknown {
  const { version: _version, speaks: _speaks, reluctant: _reluctant, about: _about, adapters: _adapters, ...rest } = h;
  return JSON.parse(
    JSON.stringify({
      ...rest,
      heard: h.heard.map(({ jitter_us: _jitter, ...each }) => each),
      groups: h.groups.map(({ adapter: _adapter, pause: _pause, ...each }) => each),
    }),
  );
}

test("what is written for version 1 is what version 1 reads, and the other way round", (t) => {
  try {
    git("cat-file", "-e", `${LAST_OF_VERSION_1}^{commit}`);
  } catch {
    t.diagnostic(`NOT RUN: the history of this checkout does not reach back to ${LAST_OF_VERSION_1}`);
    return t.skip("no history");
  }
  const folder = mkdtempSync(join(tmpdir(), "holdfast-version-1-"));
  try {
    const heartbeats = Array.from({ length: RUNS }, (_, run) =>
      run === 0 ? FULL : new RandomHeartbeats(new Chance(run), ANY_WORLD).heartbeat(4),
    );
    // From a node of version 2 to one of version 1; among themselves; of version 1.
    const forOld = heartbeats.map((h) => emitHeartbeat({ ...h, version: 1 }));
    const forNew = heartbeats.map((h) => emitHeartbeat(h));
    const byOld = heartbeats.map(emitVersion1);
    const readings = readByVersion1(folder, [...forOld, ...forNew, ...byOld]);
    assert.equal(readings.length, 3 * RUNS);
    for (let run = 0; run < RUNS; run++) {
      const [first, second, third] = [readings[run], readings[run + RUNS], readings[run + 2 * RUNS]];
      const ours = parseVersion1(forOld[run] ?? new Uint8Array(0));
      assert.ok(first?.ok === true && ours.ok, `run ${run}: ${JSON.stringify([first, ours])}`);
      assert.deepEqual(first.value, known(ours.value), `run ${run}`);
      assert.equal(second?.ok, false);
      const said = byOld[run] ?? new Uint8Array(0);
      assert.ok(third?.ok === true && third.again === hexOf(said), `run ${run}`);
      const parsed = parseHeartbeat(said);
      assert.ok(parsed.ok);
      assert.deepEqual([parsed.value.speaks, parsed.value.reluctant], [1, false]);
      assert.deepEqual(known(parsed.value), third.value);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
