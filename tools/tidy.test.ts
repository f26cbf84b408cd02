/** Each habit is planted broken once, and the check must name the place and what to do instead. */
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { plant } from "./planted.ts";
import { LONG_FILES, LONG_FUNCTIONS, tidinessOf } from "./tidy.ts";

const LONG_FUNCTION = `/** x */\nexport function f(): void {\n${"  f();\n".repeat(70)}}\n`;

const BROKEN: readonly [path: string, text: string, says: RegExp][] = [
  ["packages/a/a.ts", "export const a = 1;\n", /a\.ts:1: open with a comment/],
  ["packages/a/a.ts", "/** x */\nenum A { B }\n", /a\.ts:2: enum; use a union/],
  ["packages/a/a.ts", "/** x */\nnamespace A {}\n", /a\.ts:2: namespace; use a module/],
  ["packages/a/a.ts", "/** x */\nexport default 1;\n", /a\.ts:2: export default; use a named/],
  ["packages/a/a.ts", "/** x */\nexport default function f() {}\n", /a\.ts:2: export default; use a named/],
  ["packages/a/a.ts", '/** x */\nexport * from "./b.ts";\n', /a\.ts:2: export \*; use imports of the file/],
  ["packages/a/a.ts", "/** x */\nexport const a = 1 as any;\n", /a\.ts:2: as any; use `unknown`/],
  ["packages/a/a.ts", `/** x */\n${"export {};\n".repeat(400)}`, /a\.ts: 401 lines, at most 400/],
  ["packages/a/a.ts", LONG_FUNCTION, /a\.ts:2: f has 72 lines, at most 70/],
  ["packages/a/a.ts", "/** x */\n// FIXME later\n", /a\.ts:2: FIXME; do it/],
  [
    "packages/a/a.ts",
    `/** x */\nexport const a = "${["", "work", "tree"].join("/")}";\n`,
    /a\.ts:2: \/work\/ is a path of one machine/,
  ],
  ["packages/a/a.test.ts", '/** x */\ntest.only("x", () => {});\n', /a\.test\.ts:2: runs one test and hides/],
  ["packages/a/a.test.ts", '/** x */\ntest("x", { skip: true }, () => {});\n', /a\.test\.ts:2: skips without a reason/],
  ["packages/cli/a.ts", '/** x */\nexport const a = "caf\u00e9";\n', /a\.ts:2: not ASCII/],
  ["packages/a/utils.ts", "/** x */\n", /utils\.ts: the name says nothing/],
  ["packages/a/string-Thing.ts", "/** x */\n", /string-Thing\.ts: file names are kebab-case/],
  ["packages/a/a.c", "int a;\n", /a\.c: only packages\/linux\/native is not TypeScript/],
  ["README.md", "See [there](docs/gone.md#part).\n", /README\.md:1: dead link to docs\/gone\.md/],
];

for (const [path, text, says] of BROKEN) {
  test(`said of ${path}: ${says.source}`, (t) => {
    const root = plant(t, { "packages/ok.ts": "/** x */\n", [path]: text });
    const { problems } = tidinessOf(root);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", says);
  });
}

test("what is in order passes, links to the web, to a place in the page and to a folder included", (t) => {
  const root = plant(t, {
    "packages/linux/native/a.c": "int a;\n",
    "packages/linux/a.ts": '/** x */\nexport const url = "http://x/work/y";\nswitch (1 as number) {\n  default:\n}\n',
    "README.md": "[a](https://example.org) [b](#b) [c](packages) [d](packages/linux/a.ts#L1)\n",
  });
  assert.deepEqual(tidinessOf(root).problems, []);
});

test("a run that sees no file fails", (t) => {
  assert.match(tidinessOf(plant(t, {})).problems.join("\n"), /saw no TypeScript file/);
});

test("exceptions name a reason and things that exist", () => {
  for (const [name, { reason }] of [...Object.entries(LONG_FILES), ...Object.entries(LONG_FUNCTIONS)]) {
    assert.ok(reason.length > 20, `${name}: say why`);
  }
});

test("the repository itself is tidy", () => {
  const { files, problems } = tidinessOf(realpathSync(join(import.meta.dirname, "..")));
  assert.deepEqual(problems, []);
  assert.ok(files > 20, `saw only ${files} files`);
});
