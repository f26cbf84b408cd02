/** A change of plan in a real kernel: what is open and armed stays so, what comes is closed, what goes is free. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { openFence, removeFence } from "./fence.ts";
import type { Fence, FenceOptions, FencedGroup } from "./fence.ts";
import { join, kernelTest, Namespace } from "./kernel-testing.ts";
import { native } from "./load.ts";

const options = kernelTest();
const WEB: FencedGroup = { number: 7, addresses: [ip("10.83.0.50"), ip("fd83::50")] };
const DB: FencedGroup = { number: 8, addresses: [ip("10.83.0.51")], drain: true };
const PLAN: FenceOptions = { groups: [WEB, DB], window_ms: 480, keep_ms: 2440, uid: process.geteuid?.() ?? 0 };

let node: Namespace;
let client: Namespace;
const fences = new Set<Fence>();

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

before(() => {
  if (options.skip !== false) return;
  node = new Namespace();
  client = new Namespace();
  join(node, client, "one", 83);
});

after(() => {
  if (options.skip !== false) return;
  node.remove();
  client.remove();
});

afterEach(() => {
  if (options.skip !== false) return;
  for (const fence of fences) fence.dispose();
  fences.clear();
  node.inside(() => removeFence(native));
});

function open(plan: FenceOptions): Fence {
  const opened = node.inside(() => openFence(native, plan));
  assert.ok(opened.ok, opened.ok ? "" : opened.error);
  fences.add(opened.value);
  const index = node.inside(() => native.interfaceIndex("one"));
  const covered = node.inside(() => opened.value.coverInterface(index, "one"));
  assert.ok(covered.ok);
  return opened.value;
}

function commit(fence: Fence, group: number, number: number): boolean {
  return fence.arm(group, number).ok && fence.commit(group, number).ok;
}

function openGroups(fence: Fence): readonly number[] {
  const remaining = fence.remaining();
  assert.ok(remaining.ok);
  return [...remaining.value.keys()].toSorted((a, b) => a - b);
}

function check(fence: Fence, groups: readonly FencedGroup[], timing: Partial<FenceOptions> = {}): void {
  const changed = fence.change({ window_ms: PLAN.window_ms, keep_ms: PLAN.keep_ms, ...timing, groups });
  assert.deepEqual(changed, { ok: true, value: undefined });
  assert.equal(
    node.inside(() => fence.verify()),
    undefined,
  );
}

test("an open group stays open and an armed number armed while others come, change and go", options, () => {
  const fence = open(PLAN);
  assert.ok(commit(fence, 7, 1));
  assert.ok(fence.arm(7, 2).ok);
  check(fence, [WEB, DB, { number: 9, addresses: [ip("10.83.0.52"), ip("fd83::52")] }]);
  check(fence, [WEB, { ...DB, drain: false, addresses: [ip("10.83.0.53"), ip("fd83::53")] }]);
  check(fence, [{ ...WEB, addresses: [...WEB.addresses, ip("10.83.0.54")] }]);
  assert.deepEqual(openGroups(fence), [7]);
  assert.ok(fence.commit(7, 2).ok);
});

test("what comes is closed until it is committed, under a plan that a next daemon knows again", options, () => {
  const fence = open(PLAN);
  assert.ok(commit(fence, 7, 1));
  const more = [WEB, { number: 9, addresses: [ip("10.83.0.52")] }];
  check(fence, more);
  assert.deepEqual(openGroups(fence), [7]);
  assert.ok(commit(fence, 9, 2));
  assert.deepEqual(openGroups(fence), [7, 9]);
  fence.dispose();
  fences.delete(fence);
  const next = open({ ...PLAN, groups: more.toReversed() });
  assert.ok(next.adopted);
  assert.deepEqual(openGroups(next), [7, 9]);
});

test("W and K change for the next request, not for what is open", options, () => {
  const fence = open(PLAN);
  assert.ok(commit(fence, 7, 1));
  check(fence, [WEB, DB], { window_ms: 48, keep_ms: 236 });
  const before = fence.remaining();
  assert.ok(before.ok && (before.value.get(7) ?? 0) > 1000);
  assert.ok(commit(fence, 8, 2));
  const left = fence.remaining();
  assert.ok(left.ok && (left.value.get(8) ?? 0) <= 240);
});

test("an address goes from one group to another without a moment unfenced or twice", options, () => {
  const fence = open(PLAN);
  check(fence, [
    { ...WEB, addresses: [ip("fd83::50")] },
    { ...DB, addresses: [ip("10.83.0.50"), ...DB.addresses] },
  ]);
});

test("a plan that cannot be leaves the one before in force", options, () => {
  const fence = open(PLAN);
  const twice = { number: 9, addresses: [ip("10.83.0.52")] };
  const refused = fence.change({ ...PLAN, groups: [WEB, DB, { ...twice, number: 0 }] });
  assert.equal(refused.ok, false);
  assert.equal(
    node.inside(() => fence.verify()),
    undefined,
  );
});
