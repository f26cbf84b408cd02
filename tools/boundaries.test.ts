/** The boundary check sees what it must see: each test plants a repository and looks at what is said of it. */
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { boundariesOf, checkBoundaries, RULES } from "./boundaries.ts";
import { plant } from "./planted.ts";

const IP = { "packages/core/units/ip.ts": "export const a = 1;\nexport type A = number;\n" };

const FORBIDDEN: readonly { title: string; path: string; text: string; says: RegExp }[] = [
  {
    title: "the core imports nothing outside itself",
    path: "packages/core/node.ts",
    text: 'import { readFileSync } from "node:fs";\nexport const x = readFileSync;\n',
    says: /packages\/core\/node\.ts:1: imports node:fs/,
  },
  {
    title: "a type-only import counts",
    path: "packages/core/group/step.ts",
    text: '// first\nimport type { Lease } from "../ownership/lease/step.ts";\nexport type X = Lease;\n',
    says: /packages\/core\/group\/step\.ts:2: imports packages\/core\/ownership\/lease\/step\.ts/,
  },
  {
    title: "an import type expression counts",
    path: "packages/core/membership/step.ts",
    text: 'export type X = import("../ownership/lease/step.ts").Lease;\n',
    says: /membership\/step\.ts:1: imports packages\/core\/ownership\/lease/,
  },
  {
    title: "a re-export counts",
    path: "packages/api/schema.ts",
    text: 'export { a } from "@holdfast/core/units/ip.ts";\n',
    says: /packages\/api\/schema\.ts:1: imports packages\/core\/units\/ip\.ts/,
  },
  {
    title: "a dynamic import counts",
    path: "packages/linux/fence.ts",
    text: 'export const x = import("@holdfast/agent/main.ts");\n',
    says: /packages\/linux\/fence\.ts:1: imports packages\/agent\/main\.ts/,
  },
  {
    title: "an import that nobody can read in the text is refused",
    path: "packages/linux/fence.ts",
    text: 'const name = "x";\nexport const x = import(name);\n',
    says: /fence\.ts:2: imports something computed/,
  },
  {
    title: "an import of a file that is not there is refused",
    path: "packages/linux/fence.ts",
    text: 'import "./gone.ts";\n',
    says: /fence\.ts:1: imports "\.\/gone\.ts", and there is no file packages\/linux\/gone\.ts/,
  },
  {
    title: "an npm package is used only where the table names it",
    path: "packages/agent/engine/run.ts",
    text: 'import { parse } from "yaml";\nexport const x = parse;\n',
    says: /engine\/run\.ts:1: imports yaml/,
  },
  {
    title: "what the core decides does not reach the commands",
    path: "packages/cli/main.ts",
    text: 'import { x } from "@holdfast/core/view.ts";\nexport const y = x;\n',
    says: /cli\/main\.ts:1: imports values of packages\/core\/view\.ts; only "import type"/,
  },
  {
    title: "a folder without a rule is refused",
    path: "packages/console/main.ts",
    text: "export const x = 1;\n",
    says: /packages\/console\/main\.ts: no rule says/,
  },
  {
    title: "nobody imports a test",
    path: "packages/linux/fence.ts",
    text: 'import "../core/units/ip.test.ts";\n',
    says: /fence\.ts:1: imports "\.\.\/core\/units\/ip\.test\.ts"; move/,
  },
];

for (const { title, path, text, says } of FORBIDDEN) {
  test(title, (t) => {
    const root = plant(t, {
      ...IP,
      "packages/core/units/ip.test.ts": 'import "node:test";\n',
      "packages/core/ownership/lease/step.ts": "export type Lease = number;\n",
      "packages/core/view.ts": "export const x = 1;\n",
      "packages/agent/main.ts": "export const x = 1;\n",
      [path]: text,
    });
    const { problems } = boundariesOf(root);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", says);
  });
}

test("what the table allows passes: tests may use node:test, commands may use types of the core", (t) => {
  const root = plant(t, {
    ...IP,
    "packages/core/units/ip.test.ts":
      'import { test } from "node:test";\nimport { a } from "./ip.ts";\ntest("x", () => a);\n',
    "packages/cli/main.ts": 'import type { A } from "@holdfast/core/units/ip.ts";\nexport type B = A;\n',
    "packages/core/node.ts": 'import { a } from "./units/ip.ts";\nexport const b = a;\n',
  });
  assert.deepEqual(boundariesOf(root), { modules: 4, edges: 4, problems: [] });
});

test("a run that sees no module fails", (t) => {
  const root = plant(t, { "README.md": "empty\n" });
  assert.match(boundariesOf(root).problems.join("\n"), /found no TypeScript file/);
});

test("a module that the compiler was not told of fails", (t) => {
  const tsconfig = '{ "include": ["packages/core/**/*.ts"] }';
  const root = plant(t, { ...IP, "packages/linux/fence.ts": "export const x = 1;\n", "tsconfig.json": tsconfig });
  assert.match(
    boundariesOf(root).problems.join("\n"),
    /packages\/linux\/fence\.ts: on disk, but not among the modules read/,
  );
});

test("a run that sees modules and no import fails: the reader would be broken", () => {
  const source = { path: "packages/core/units/ip.ts", text: "", imports: [], functions: [], banned: [] };
  assert.match(checkBoundaries("/", [source], [source.path]).problems.join("\n"), /saw no import at all/);
});

test("no rule hides another", () => {
  const froms = RULES.map((rule) => rule.from);
  assert.equal(new Set(froms).size, froms.length, "a rule is there twice; the second never applies");
  for (const [index, from] of froms.entries()) {
    const hiding = froms.slice(0, index).find((earlier) => earlier.endsWith("/") && from.startsWith(earlier));
    assert.equal(hiding, undefined, `${from} never applies: ${hiding} comes first`);
  }
});

test("the repository itself obeys the table", () => {
  const { modules, edges, problems } = boundariesOf(realpathSync(join(import.meta.dirname, "..")));
  assert.deepEqual(problems, []);
  assert.ok(modules > 15 && edges > 15, `saw only ${modules} modules and ${edges} imports`);
});
