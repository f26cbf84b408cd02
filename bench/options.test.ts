/** What the command line means and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError, readOptions } from "./options.ts";

test("without options everything is measured, and only then is the document written", () => {
  assert.equal(readOptions([])?.whole, true);
  assert.equal(readOptions([])?.rounds, 5);
  assert.equal(readOptions(["--rounds", "2", "--check"])?.whole, true);
  for (const part of [["--quick"], ["--only", "holdfast"], ["--fault", "kill"], ["--timing", "10ms"]])
    assert.equal(readOptions(part)?.whole, false, part.join(" "));
});

test("a part is what was asked for, idle usage included", () => {
  const part = readOptions(["--fault", "stop", "--fault", "kill", "--timing", "10ms", "--only", "keepalived"]);
  assert.deepEqual(part?.faults, ["kill", "stop"]);
  assert.equal(part?.idle, false);
  assert.deepEqual(part?.timings, ["10ms"]);
  assert.deepEqual(part?.products, ["keepalived"]);
  assert.equal(readOptions(["--fault", "idle"])?.idle, true);
});

test("what is unknown is refused with what is known", () => {
  for (const words of [
    ["--fault", "fire"],
    ["--only", "vrrpd"],
    ["--timing", "5ms"],
    ["--rounds", "0"],
    ["--rounds", "x"],
  ])
    assert.throws(() => readOptions(words), UsageError, words.join(" "));
});
