/** A bundle counts only while its sources are what they were. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bundleState } from "./bundle.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-bundle-"));
after(() => rmSync(root, { recursive: true }));
const bundle = join(root, "build");
const source = join(root, "packages/a.ts");
mkdirSync(bundle);
mkdirSync(join(root, "packages"));

function make(): void {
  writeFileSync(source, "1;");
  const { size, mtimeMs } = statSync(source);
  writeFileSync(join(bundle, "manifest.json"), JSON.stringify({ inputs: { "packages/a.ts": [size, mtimeMs] } }));
}

test("without a manifest there is no bundle", () => assert.equal(bundleState(bundle, root), "absent"));

test("unchanged sources: fresh; another size, time, or none: stale", () => {
  make();
  assert.equal(bundleState(bundle, root), "fresh");
  writeFileSync(source, "1; 2;");
  assert.equal(bundleState(bundle, root), "stale");
  make();
  // Older counts too: a file that was put back.
  utimesSync(source, 1, 1);
  assert.equal(bundleState(bundle, root), "stale");
  make();
  rmSync(source);
  assert.equal(bundleState(bundle, root), "stale");
});

test("installed without sources it is fresh", () => {
  make();
  assert.equal(bundleState(bundle, join(root, "elsewhere")), "fresh");
});
