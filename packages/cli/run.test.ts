/** The shell script starts the engine by itself for `run`; what it cannot judge reads as if the command had been asked. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PASSED_ON } from "./run.ts";

const SCRIPT = fileURLToPath(new URL("../../holdfast", import.meta.url));
const COMMAND = fileURLToPath(new URL("main.ts", import.meta.url));

const MISTAKES: readonly (readonly string[])[] = [
  ["--bogus"],
  ["word"],
  ["--check"],
  ["--config", "/nonexistent/holdfast.yaml"],
  ["--config", "/"],
  ["--config", ""],
  ["--config"],
  ["--config", SCRIPT, "--node", "Not A Name"],
  ["--config", SCRIPT, "--run-dir", "/dev/null"],
  ["--config", SCRIPT, "--socket", "/dev/null/holdfast.sock"],
  ["--from", "somewhere"],
  ["--help"],
];

for (const words of MISTAKES) {
  test(`run ${words.join(" ")}: the same words and exit code with and without the script`, async () => {
    const [script, command] = await Promise.all([
      execute(SCRIPT, ["run", ...words]),
      execute(process.execPath, [COMMAND, "run", ...words]),
    ]);
    assert.deepEqual(script, command);
    assert.ok(script.code === 2 || words[0] === "--help", JSON.stringify(script));
  });
}

test("the script hands on exactly what of its environment the command does", () => {
  const named = [...readFileSync(SCRIPT, "utf8").matchAll(/\$\{(\w+):\+"(\w+)=\$(\w+)"\}/g)];
  for (const [text, ...names] of named) assert.equal(new Set(names).size, 1, text);
  assert.deepEqual(new Set(named.map(([, name]) => name)), new Set(PASSED_ON));
});

function execute(file: string, words: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(file, words, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}
