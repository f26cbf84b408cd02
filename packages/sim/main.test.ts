/** The command as a person types it: a replay ends with a digest; a broken rule with its seed, commit, command and exit code 1. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

function sim(...args: string[]): { readonly code: number | null; readonly output: string } {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8" });
  return { code: done.status, output: done.stdout + done.stderr };
}

test("a world is replayed with the same digest, and steps bound it", () => {
  const first = sim("--seed", "5", "--steps", "3000");
  assert.equal(first.code, 0, first.output);
  assert.match(first.output, /3000 steps/);
  assert.match(first.output, /^digest [0-9a-f]{16}$/m);
  assert.equal(sim("--seed", "5", "--steps", "3000").output, first.output);
});

test("a broken rule is told with seed, commit and the command that shows it again; exit code 1", () => {
  const found = sim("--plant", "seq_untied", "--find", "1-200");
  assert.equal(found.code, 1, found.output);
  assert.match(found.output, /RULE BROKEN in scenario hostile, seed \d+, commit ([0-9a-f]{12}\+?|unknown)/);
  const command = /replay: npm run sim -- (.*)/.exec(found.output)?.[1]?.split(" ") ?? [];
  const again = sim(...command);
  assert.equal(again.code, 1);
  const broken = /at [\d.]+ ms, step \d+: .*/;
  assert.equal(broken.exec(again.output)?.[0], broken.exec(found.output)?.[0]);
});

test("options that make no sense are refused with exit code 2", () => {
  for (const args of [
    ["--seed", "x"],
    ["--scenario", "none"],
    ["--find", "5"],
    ["--plant", "none"],
    ["--steps", "0"],
  ]) {
    const { code, output } = sim(...args);
    assert.equal(code, 2, output);
    assert.match(output, /^sim: /);
  }
});
