/** The simulated fence passes the table of cases that the kernel's fence passes, on clocks of any rate and with late ticks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedFence } from "./fence.ts";
import { KernelClock } from "./kernel-clock.ts";
import { CASE_KEEP_MS, CASE_WINDOW_MS, FENCE_CASES, type FenceStep } from "@holdfast/linux/fence-cases.ts";
import { nextRandom, type RandomState, seededRandom } from "@holdfast/core/random.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

const OTHER = ["02:00:00:00:00:02" as Mac];
const RUNS = 200;
/** Cases at the edge of a timeout are done this promptly. */
const EDGE_MS = 1;

function act(fence: SimulatedFence, step: FenceStep, now: number): string {
  const group = `g${step.group}` as GroupName;
  const told = (done: boolean): string => (done ? "done" : "refused");
  switch (step.act) {
    case "arm":
      fence.arm(group, step.number);
      return "done";
    case "commit":
      return told(fence.commit(group, step.number));
    case "close":
      fence.close(group, step.armed);
      return "done";
    case "forward":
      return told(fence.forward(group, step.armed, OTHER));
    case "relay":
      return told(fence.relay(group, OTHER, step.for_ms));
    case "look":
      return fence.state(group, now);
  }
}

/** The table's time is the kernel's own, so the rate is 1; where its ticks fall is different each time. */
function newFence(time: { now: number }, random: RandomState, lateTicks: boolean): SimulatedFence {
  const late = lateTicks ? random : undefined;
  const options = { rate: 1, offset: 1000 * nextRandom(random), jiffy_ms: 4, random: late };
  return new SimulatedFence(new KernelClock(time, options), { window_ms: CASE_WINDOW_MS, keep_ms: CASE_KEEP_MS });
}

assert.ok(FENCE_CASES.length > 30);

for (const { title, late_ms, steps } of FENCE_CASES) {
  test(`the simulated fence: ${title}`, () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = seededRandom(seed * 7919);
      const time = { now: 5000 };
      const begin = time.now;
      // A tick that is late just when a number is armed takes up to E from its window: the edges are for ticks in time.
      const fence = newFence(time, random, late_ms > EDGE_MS && seed % 2 === 0);
      for (const step of steps) {
        const earliest = begin + step.at_ms;
        time.now = Math.max(time.now, earliest + nextRandom(random) * late_ms);
        assert.equal(act(fence, step, time.now), step.expect, `run ${seed}: ${step.act} at ${step.at_ms} ms`);
      }
    }
  });
}
