/** What only the start needed is let go, and everything works on. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { releaseStartPages } from "./memory.ts";

function fileBacked_kib(): number {
  return Number(/RssFile:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

test("clean pages of the program's file are no longer resident, and what is used again comes back", () => {
  const before = fileBacked_kib();
  assert.ok(releaseStartPages() > 30 * 1024 * 1024);
  assert.ok(fileBacked_kib() < before / 2, `${fileBacked_kib()} of ${before} KiB`);
  // Code and read-only data that were let go are read again, whole.
  assert.equal(createHash("sha256").update("abc").digest("hex").slice(0, 8), "ba7816bf");
  assert.equal([3, 1, 2].toSorted((a, b) => a - b).join(), "1,2,3");
  assert.equal(new Intl.NumberFormat("en").format(1234567), "1,234,567");
});
