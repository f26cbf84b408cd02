/** What is known of how earlier daemons ended. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Starts } from "./starts.ts";
import type { KernelId } from "@holdfast/core/units/names.ts";
import { instant } from "@holdfast/core/units/time.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-starts-"));
after(() => rmSync(directory, { recursive: true }));
const here = "0123456789abcdef" as KernelId;
let files = 0;

function newFile(): string {
  files += 1;
  return join(directory, String(files));
}

const begin = (path: string, at: number, kernel = here) => new Starts(path, kernel).begin(instant(at));

test("a start after nothing, after an orderly end and after a restart is no crash", () => {
  const path = newFile();
  assert.deepEqual(begin(path, 1000), []);
  const second = new Starts(path, here);
  assert.deepEqual(second.begin(instant(2000)), [2000]);
  second.end();
  assert.deepEqual(begin(path, 3000), [2000]);
});

test("each start after a daemon that ended without a word is one crash more", () => {
  const path = newFile();
  begin(path, 1000);
  assert.deepEqual([begin(path, 2000), begin(path, 3000), begin(path, 4000)].at(-1), [2000, 3000, 4000]);
});

test("crashes more than a minute before the next one are forgotten", () => {
  const path = newFile();
  begin(path, 1000);
  begin(path, 2000);
  assert.deepEqual(begin(path, 63_000), [63_000]);
});

test("a file of another kernel counts for nothing; one that cannot be read counts as one crash", () => {
  const path = newFile();
  begin(path, 900_000);
  assert.deepEqual(begin(path, 10, "fedcba9876543210" as KernelId), []);
  for (const text of ["", "{", "null", '{"kernel":"0123456789abcdef","crashes":["x"]}']) {
    writeFileSync(path, text);
    assert.deepEqual(begin(path, 5000), [5000], text);
  }
});

test("a directory that takes no file keeps nobody from starting", () => {
  const starts = new Starts("/proc/holdfast/starts", here);
  assert.deepEqual(starts.begin(instant(1)), []);
  starts.end();
});
