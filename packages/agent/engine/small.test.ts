/** Memory is a feature: what the engine and control must never load, because it would stay in them for good. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

const HEAVY = /node_modules\/(yaml|zod|commander)\//;

function modulesBehind(entry: string): string[] {
  const probe = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
    await import(${JSON.stringify(new URL(entry, import.meta.url).href)});
    console.log(JSON.stringify(seen));
    process.exit(0);`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", probe], { encoding: "utf8" });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "[]") as string[];
}

for (const entry of ["./daemon.ts", "./prepare.ts", "../control/routes.ts"]) {
  test(`${entry} loads no parser of the configuration and no command line library`, () => {
    const seen = modulesBehind(entry);
    assert.ok(seen.length > 5, `the probe saw ${seen.length} modules`);
    assert.deepEqual(
      seen.filter((url) => HEAVY.test(url)),
      [],
    );
  });
}
