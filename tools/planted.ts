/** A throw-away repository for the tests of the checks: the files given, under a directory that goes with the test. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** Returns the root. A tsconfig.json like ours is there unless `files` brings one. */
export function plant(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-planted-")));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const tsconfig = JSON.stringify({
    compilerOptions: {
      module: "nodenext",
      target: "es2025",
      allowImportingTsExtensions: true,
      noEmit: true,
      types: [],
    },
    include: ["packages/**/*.ts", "tools/**/*.ts", "tests/**/*.ts"],
  });
  for (const [path, text] of Object.entries({ "tsconfig.json": tsconfig, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
