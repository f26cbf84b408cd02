/** Lateness of the loop: what is counted, and for how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lateness } from "./lateness.ts";

test("count, maximum and late ones since the start; what is older than a minute leaves the minute's figures", () => {
  const lateness = new Lateness(50);
  for (let i = 0; i < 1000; i++) lateness.record(i === 500 ? 70 : 0.1, 1000 + i);
  const early = lateness.view(2000);
  assert.deepEqual([early.wakeups, early.late, early.max_ms], [1000, 1, 70]);
  assert.deepEqual([early.minute.wakeups, early.minute.max_ms], [1000, 70]);
  assert.ok(early.minute.p99_ms >= 0.1 && early.minute.p99_ms < 0.13, `p99 ${early.minute.p99_ms}`);
  lateness.record(3, 65_000);
  const later = lateness.view(65_000);
  assert.deepEqual([later.wakeups, later.max_ms], [1001, 70]);
  assert.deepEqual(later.minute, { wakeups: 1, p99_ms: 3, max_ms: 3 });
  assert.deepEqual(lateness.view(200_000).minute, { wakeups: 0, p99_ms: 0, max_ms: 0 });
});

test("two late wake-ups of a hundred are the 99th percentile, one is not", () => {
  for (const [late, p99] of [
    [1, 0.12],
    [2, 40],
  ] as const) {
    const lateness = new Lateness(50);
    for (let i = 0; i < 100; i++) lateness.record(i < late ? 40 : 0.1, 1000);
    const { p99_ms } = lateness.view(1000).minute;
    assert.ok(p99_ms <= p99 * 1.2 && p99_ms >= p99 / 1.2, `${late} late: ${p99_ms}`);
  }
});
