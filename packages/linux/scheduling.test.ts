/** Real-time scheduling: every thread of the process has it, what the process starts has not, and refusals are told. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { native } from "./load.ts";
import { jiffy_ms, scheduleAll } from "./scheduling.ts";

/** Field 41 of proc_pid_stat(5): 0 SCHED_OTHER, 1 SCHED_FIFO. */
function policyIn(stat: string): string {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38] ?? "";
}

function policies(): string[] {
  return readdirSync("/proc/self/task").map((thread) =>
    policyIn(readFileSync(`/proc/self/task/${thread}/stat`, "utf8")),
  );
}

const asked = scheduleAll(native, "fifo", 1);
const skip = asked.refused === undefined ? false : `real-time scheduling is refused here: ${asked.refused}`;
scheduleAll(native, "other");

test("every thread gets SCHED_FIFO, children do not, and all can be given back", { skip }, () => {
  const done = scheduleAll(native, "fifo", 1);
  try {
    assert.deepEqual(done, { done: done.threads, threads: done.threads, refused: undefined });
    assert.ok(done.threads > 1, "V8's helpers are among them");
    assert.deepEqual(new Set(policies()), new Set(["1"]));
    assert.equal(policyIn(execFileSync("cat", ["/proc/self/stat"], { encoding: "utf8" })), "0");
  } finally {
    scheduleAll(native, "other");
  }
  assert.deepEqual(new Set(policies()), new Set(["0"]));
});

test("a priority out of range is refused for every thread, by name", () => {
  const { done, threads, refused } = scheduleAll(native, "fifo", 100);
  assert.deepEqual([done, refused], [0, "EINVAL"]);
  assert.ok(threads > 0);
});

test("a tick is that of a kernel: 1 to 10 ms", () => {
  assert.ok(jiffy_ms(native) >= 1 && jiffy_ms(native) <= 10);
});
