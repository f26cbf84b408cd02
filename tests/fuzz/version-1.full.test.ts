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
const RUNS = 20_000;

interface Codec {
  readonly emitHeartbeat: typeof emitHeartbeat;
  readonly parseHeartbeat: typeof parseHeartbeat;
}

function git(...args: string[]): string {
  return execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

async function oldCodec(folder: string): Promise<Codec> {
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
  return (await import(join(folder, "packages/core/wire/heartbeat.ts"))) as Codec;
}

/** What the old codec's heartbeats do not have. */
function known(h: Heartbeat): unknown {
  const { version: _v, speaks: _s, reluctant: _r, about: _a, adapters: _d, ...rest } = h;
  return {
    ...rest,
    heard: h.heard.map(({ jitter_us: _, ...each }) => each),
    groups: h.groups.map(({ adapter: _, pause: _p, ...each }) => each),
  };
}

test("what is written for version 1 is what version 1 reads, and the other way round", async (t) => {
  try {
    git("cat-file", "-e", `${LAST_OF_VERSION_1}^{commit}`);
  } catch {
    t.diagnostic(`NOT RUN: the history of this checkout does not reach back to ${LAST_OF_VERSION_1}`);
    return t.skip("no history");
  }
  const folder = mkdtempSync(join(tmpdir(), "holdfast-version-1-"));
  try {
    const old = await oldCodec(folder);
    for (let run = -1; run < RUNS; run++) {
      const h = run < 0 ? FULL : new RandomHeartbeats(new Chance(run), ANY_WORLD).heartbeat(4);
      // A node of version 2 to one of version 1.
      const forOld = emitHeartbeat({ ...h, version: 1 });
      const theirs = old.parseHeartbeat(forOld);
      const ours = parseVersion1(forOld);
      assert.ok(theirs.ok && ours.ok, `run ${run}: ${JSON.stringify([theirs, ours])}`);
      assert.deepEqual(theirs.value, known(ours.value), `run ${run}`);
      assert.equal(old.parseHeartbeat(emitHeartbeat(h)).ok, false);
      // One of version 1 to one of version 2.
      const said = emitVersion1(h);
      const parsed = parseHeartbeat(said);
      assert.ok(parsed.ok);
      assert.deepEqual([parsed.value.speaks, parsed.value.reluctant], [1, false]);
      const again = old.parseHeartbeat(said);
      assert.ok(again.ok);
      assert.deepEqual(old.emitHeartbeat(again.value), said, `run ${run}`);
      assert.deepEqual(known(parsed.value), again.value);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
