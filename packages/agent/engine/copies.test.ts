/** A copy is a message that came, of that sender, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Copies } from "./copies.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

const boot = (n: number): BootId => n.toString(16).padStart(16, "0") as BootId;

test("a message is a copy after it came, another message or sender is not", () => {
  const copies = new Copies();
  assert.equal(copies.has(boot(1), 5), false);
  copies.add(boot(1), 5);
  assert.equal(copies.has(boot(1), 5), true);
  assert.equal(copies.has(boot(1), 5 + 64), false);
  assert.equal(copies.has(boot(2), 5), false);
});

test("what is remembered is bounded, and forgetting means reading again", () => {
  const copies = new Copies();
  for (let n = 1; n <= 1000; n++) copies.add(boot(n), 7);
  assert.equal(copies.has(boot(1), 7), false);
  assert.equal(copies.has(boot(1000), 7), true);
});
