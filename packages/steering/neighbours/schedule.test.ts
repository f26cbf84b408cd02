/** The schedule of announcements, as a table of what happens when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, NEVER } from "@holdfast/core/units/time.ts";
import { announced, isDue, retry, startAgain, startSchedule } from "./schedule.ts";
import type { Schedule } from "./schedule.ts";

/** Runs at each given time; returns those at which an announcement was due. */
function dueTimes(schedule: Schedule, times: readonly number[]): number[] {
  let current = schedule;
  return times.filter((time) => {
    if (!isDue(current, instant(time))) return false;
    current = announced(current, instant(time));
    return true;
  });
}

test("announcements are due at 0, 50, 200 ms, 1, 2 and 5 s after the start, and then no more", () => {
  const every10ms = Array.from({ length: 1000 }, (_, i) => 7000 + 10 * i);
  const due = dueTimes(startSchedule(instant(7000)), every10ms);
  assert.deepEqual(
    due.map((time) => time - 7000),
    [0, 50, 200, 1000, 2000, 5000],
  );
});

test("the deadline is exactly when the next one is due", () => {
  let schedule = startSchedule(instant(100));
  const deadlines: number[] = [];
  while (schedule.dueAt !== NEVER) {
    deadlines.push(schedule.dueAt);
    schedule = announced(schedule, schedule.dueAt);
  }
  assert.deepEqual(deadlines, [100, 150, 300, 1100, 2100, 5100]);
});

test("rounds that were slept through are announced once, not one after the other", () => {
  assert.deepEqual(dueTimes(startSchedule(instant(0)), [700, 701, 999, 1000, 6000, 6001]), [700, 1000, 6000]);
});

test("starting again is limited to once a second, and then begins at 0", () => {
  const first = startSchedule(instant(0));
  for (const [now, again] of [
    [0, false],
    [999, false],
    [1000, true],
    [90_000, true],
  ] as const) {
    const schedule = startAgain(first, instant(now));
    assert.equal(schedule !== first, again, `after ${now} ms`);
    if (again) assert.deepEqual(schedule, startSchedule(instant(now)));
  }
});

test("a round that failed comes again after 200 ms, then further and further apart up to 5 s", () => {
  let schedule = startSchedule(instant(0));
  const tried: number[] = [];
  for (let i = 0; i < 9; i++) {
    tried.push(schedule.dueAt);
    schedule = retry(schedule, schedule.dueAt);
  }
  assert.deepEqual(tried, [0, 200, 400, 800, 1600, 3200, 6400, 11_400, 16_400]);
});

test("a failure does not shift the rounds after it", () => {
  const failed = retry(startSchedule(instant(0)), instant(0));
  assert.deepEqual(dueTimes(failed, [0, 50, 199, 200, 201, 1000]), [200, 1000]);
});
