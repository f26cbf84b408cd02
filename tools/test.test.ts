/** The runner lets nothing that went wrong count as passed; each row plants one test file and looks at the count. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { plant } from "./planted.ts";

const HEAD = 'import { test } from "node:test";\n';
const COUNT = /\ntests: (\d+) passed, (\d+) failed, (\d+) skipped\n$/;

function runOn(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  ...args: string[]
): { status: number | null; output: string } {
  const root = plant(t, files);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, "test.ts"), ...(args.length > 0 ? args : [root])],
    { encoding: "utf8", env: { ...process.env, HOLDFAST_TEST_ROOT: root }, cwd: root },
  );
  return { status, output: `${stdout}${stderr}` };
}

const ROWS: readonly { title: string; text: string; count: [number, number, number]; says: RegExp }[] = [
  {
    title: "passed tests count one by one",
    text: `${HEAD}test("a", () => {});\ntest("b", () => {});`,
    count: [2, 0, 0],
    says: /^ok {6}packages/m,
  },
  {
    title: "a failure shows its name and its reason",
    text: `${HEAD}test("a", () => { throw new Error("broken"); });`,
    count: [0, 1, 0],
    says: /failed: a\n {4}Error: broken/,
  },
  {
    title: "what a failed file printed is shown",
    text: `${HEAD}test("a", () => { console.log("clue"); throw new Error("x"); });`,
    count: [0, 1, 0],
    says: /output of packages\/planted\.test\.ts:\n {4}clue/,
  },
  {
    title: "a skip shows its reason",
    text: `${HEAD}test("a", () => {});\ntest("b", { skip: "no kernel" }, () => {});`,
    count: [1, 0, 1],
    says: /packages\/planted\.test\.ts: b: no kernel/,
  },
  {
    title: "a skip without a reason fails",
    text: `${HEAD}test("a", (t) => t.skip());`,
    count: [0, 1, 0],
    says: /skipped without a reason/,
  },
  {
    title: "a test put off fails",
    text: `${HEAD}test("a", { todo: true }, () => {});`,
    count: [0, 1, 0],
    says: /finish it or take it out/,
  },
  { title: "a file without a test fails", text: "export {};", count: [0, 1, 0], says: /ran no test/ },
  {
    title: "a file that does not load fails",
    text: 'import "./gone.ts";',
    count: [0, 1, 0],
    says: /exited with code 1/,
  },
  {
    title: "a process that leaves early with 0 fails",
    text: `${HEAD}test("a", () => process.exit(0));`,
    count: [0, 1, 0],
    says: /left before the first was done/,
  },
  {
    title: "a process that is killed fails",
    text: `${HEAD}test("a", () => process.kill(process.pid, "SIGKILL"));`,
    count: [0, 1, 0],
    says: /killed by SIGKILL/,
  },
  {
    title: "an error after the last test fails",
    text: `${HEAD}test("a", () => {});\nsetTimeout(() => { throw new Error("late"); }, 30);`,
    count: [1, 1, 0],
    says: /exited with code 1/,
  },
];

for (const { title, text, count, says } of ROWS) {
  test(title, (t) => {
    const { status, output } = runOn(t, { "packages/planted.test.ts": text });
    assert.deepEqual(COUNT.exec(output)?.slice(1).map(Number), count, output);
    assert.match(output, says);
    assert.equal(status, count[1] > 0 ? 1 : 0);
  });
}

test("a run that finds no test file fails", (t) => {
  const { status, output } = runOn(t, { "packages/a.ts": "export {};" });
  assert.match(output, /found no test file/);
  assert.equal(status, 1);
});

test("long tests run only when asked for", (t) => {
  const files = {
    "packages/a.test.ts": `${HEAD}test("short", () => {});`,
    "packages/b.full.test.ts": `${HEAD}test("long", () => {});`,
  };
  assert.match(runOn(t, files, "packages").output, /\ntests: 1 passed, 0 failed, 0 skipped\n$/);
  assert.match(runOn(t, files, "--full", "packages").output, /\ntests: 2 passed, 0 failed, 0 skipped\n$/);
});

test("a check that fails does not stop the others, and each counts", (t) => {
  // The planted repository has no tools installed: format, lint and both type checks fail; the rest is in order.
  const files = { "packages/core/node.test.ts": `// x\n${HEAD}test("a", () => {});\n` };
  const { status, output } = runOn(t, files, "--full");
  assert.match(output, /FAILED {2}format[^]*FAILED {2}types\n[^]*ok {6}boundaries\nok {6}tidiness\n/);
  assert.match(output, /\ntests: 3 passed, 4 failed, 0 skipped\n$/);
  assert.equal(status, 1);
});
