/** A suspend is found once, and nothing else is taken for one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PauseWatch } from "./pause.ts";
import { native } from "@holdfast/linux/load.ts";

test("a jump of the boot clock is told once, with its length", () => {
  let [boot, monotonic] = [1000, 400];
  const watch = new PauseWatch(
    () => boot,
    () => monotonic,
  );
  assert.equal(watch.look(), 0);
  [boot, monotonic] = [boot + 100, monotonic + 100];
  assert.equal(watch.look(), 0);
  [boot, monotonic] = [boot + 30_100, monotonic + 100];
  assert.equal(watch.look(), 30_000);
  assert.equal(watch.look(), 0);
});

test("a delay between reading the two clocks is none", () => {
  const delays = [0, 0, 80, 0];
  let read = 0;
  const watch = new PauseWatch(
    () => 1000 + (delays[read++] ?? 0),
    () => 400,
  );
  assert.equal(watch.look(), 0);
  assert.equal(watch.look(), 0);
});

test("the kernel's clocks: no pause while nothing is suspended, and the boot clock is not behind", () => {
  const monotonic = native.monotonic();
  assert.ok(native.boottime() >= monotonic);
  const watch = new PauseWatch(
    () => native.boottime() / 1e6,
    () => native.monotonic() / 1e6,
  );
  for (let i = 0; i < 10_000; i++) assert.equal(watch.look(), 0);
});
