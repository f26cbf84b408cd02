/** Memory that processes take together, on real processes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { residentRanges, togetherMegabytes } from "./pages.ts";
import { kilobytes } from "./usage.ts";

const skip = process.getuid?.() === 0 ? false : "the kernel hides page numbers from users other than root";
const sleepers: number[] = [];
after(() => sleepers.forEach((pid) => process.kill(pid)));

/** A process that does nothing, once it has loaded all that it needs. */
async function sleeper(): Promise<number> {
  const { pid } = spawn("sleep", ["60"], { stdio: "ignore" });
  assert.ok(pid !== undefined);
  sleepers.push(pid);
  while (!readFileSync(`/proc/${pid}/wchan`, "utf8").includes("nanosleep")) await delay(5);
  return pid;
}

test("one process takes what is resident of it; a second one adds only what they do not share", { skip }, async () => {
  const [first, second] = [await sleeper(), await sleeper()];
  const resident_mb = (kilobytes(readFileSync(`/proc/${first}/smaps_rollup`, "utf8"), "Rss") * 1024) / 1e6;
  const alone_mb = togetherMegabytes([first]);
  assert.ok(Math.abs(alone_mb - resident_mb) < 0.05, `${alone_mb} MB of ${resident_mb} MB`);
  assert.equal(togetherMegabytes([first, first]), alone_mb);
  const both_mb = togetherMegabytes([first, second]);
  assert.ok(both_mb > alone_mb && both_mb < 1.5 * alone_mb, `${both_mb} MB for two of ${alone_mb} MB`);
});

test("ranges of which nothing is in memory are left out", () => {
  const smaps =
    "1000-3000 r--p 00000000 00:00 0\nRss:                   4 kB\nffff0000-ffff2000 ---p 0 00:00 0\nRss:                   0 kB\n";
  assert.deepEqual(residentRanges(smaps), [{ start: 0x1000n, end: 0x3000n }]);
});
