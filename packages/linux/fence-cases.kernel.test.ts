/** The table of what a fence does, run against the one in the kernel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import { parseMac } from "@holdfast/core/units/mac.ts";
import { CASE_KEEP_MS, CASE_WINDOW_MS, FENCE_CASES } from "./fence-cases.ts";
import type { FenceCase, FenceStep } from "./fence-cases.ts";
import { openFence } from "./fence.ts";
import type { Fence } from "./fence.ts";
import { kernelTest, Namespace } from "./kernel-testing.ts";
import { native } from "./load.ts";

const ROUNDS = 30;
/** Steps of many cases at the same instant cannot all be prompt. */
const CASES_AT_ONCE = 6;
const MAC = parseMac("02:00:00:00:00:01");

function perform(fence: Fence, group: number, step: FenceStep): string {
  if (MAC === undefined) throw new Error("no address");
  const stations = [{ interface: 1, mac: MAC }];
  if (step.act === "look") {
    const states = fence.states();
    if (!states.ok) throw new Error(states.error);
    return states.value.get(group) ?? "closed";
  }
  const done = ((): ReturnType<Fence["arm"]> => {
    switch (step.act) {
      case "arm":
        return fence.arm(group, step.number);
      case "commit":
        return fence.commit(group, step.number);
      case "close":
        return fence.close(group, step.armed);
      case "forward":
        return fence.forward(group, step.armed, stations);
      case "relay":
        return fence.relay(group, stations, step.for_ms);
    }
  })();
  if (!done.ok && !/refused/.test(done.error)) throw new Error(done.error);
  return done.ok ? "done" : "refused";
}

/**
 * Runs the cases side by side, each on groups of its own: what was unexpected in those whose schedule was kept, and the
 * cases whose steps came too late on this busy machine, of which nothing is known.
 */
function run(fence: Fence, cases: readonly FenceCase[]): { unexpected: string[]; late: FenceCase[] } {
  const late = new Set<FenceCase>();
  const unexpected = new Map<FenceCase, string>();
  const steps = cases.flatMap((one, i) => one.steps.map((step) => ({ one, step, group: 2 * i + step.group })));
  steps.sort((a, b) => a.step.at_ms - b.step.at_ms);
  const began = native.monotonic();
  const now = (): number => (native.monotonic() - began) / 1e6;
  for (const { one, step, group } of steps) {
    while (now() < step.at_ms);
    const found = perform(fence, group, step);
    if (now() > step.at_ms + one.late_ms) late.add(one);
    if (found !== step.expect && !unexpected.has(one))
      unexpected.set(one, `${one.title}: ${JSON.stringify(step)}, but: ${found}`);
  }
  for (const one of late) unexpected.delete(one);
  return { unexpected: [...unexpected.values()], late: [...late] };
}

test("the kernel's fence passes every case of the table", kernelTest(), () => {
  const node = new Namespace();
  const groups = Array.from({ length: 2 * CASES_AT_ONCE }, (_, i) => {
    const address = parseIp(`10.86.0.${i + 1}`);
    assert.ok(address !== undefined);
    return { number: i + 1, addresses: [address] };
  });
  const plan = { groups, window_ms: CASE_WINDOW_MS, keep_ms: CASE_KEEP_MS, uid: process.geteuid?.() ?? 0 };
  try {
    node.inside(() => {
      let waiting = FENCE_CASES;
      for (let round = 0; waiting.length > 0; round++) {
        assert.ok(round < ROUNDS, `too busy a machine for: ${waiting.map((one) => one.title).join("; ")}`);
        const batch = waiting.slice(0, CASES_AT_ONCE);
        const opened = openFence(native, plan);
        assert.ok(opened.ok, opened.ok ? "" : opened.error);
        const { unexpected, late } = run(opened.value, batch);
        for (const { number } of groups) assert.ok(opened.value.close(number, []).ok);
        opened.value.dispose();
        assert.deepEqual(unexpected, []);
        waiting = [...waiting.slice(CASES_AT_ONCE), ...late];
      }
    });
  } finally {
    node.remove();
  }
});
