/**
 * Everything that must hold before a change goes in: format, lint, types, boundaries, tidiness, then every test.
 *   node tools/test.ts               all of it
 *   node tools/test.ts --full        and the long tests (*.full.test.ts)
 *   node tools/test.ts PATH...       only the test files at or below these paths, no checks
 * Each check counts as one test. The last line counts; exit code 1 when anything failed or nothing ran.
 */
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { boundariesOf } from "./boundaries.ts";
import { listFiles } from "./sources.ts";
import type { Outcome } from "./test-events.ts";
import { runFiles, type FileResult } from "./test-files.ts";
import { tidinessOf } from "./tidy.ts";

const FILE_TIMEOUT_MS = 300_000;
const FULL_TIMEOUT_MS = 3_600_000;

interface Tally {
  passed: number;
  failed: number;
  readonly failures: string[];
  readonly skips: string[];
}

interface Check {
  readonly name: string;
  /** What is wrong, for a person; empty when nothing is. */
  run(root: string): string;
}

const CHECKS: readonly Check[] = [
  { name: "format (npm run format puts it right)", run: (root) => tool(root, "oxfmt/bin/oxfmt", "--check") },
  { name: "lint", run: (root) => tool(root, "oxlint/bin/oxlint", "--type-aware", "--deny-warnings") },
  { name: "types of the core", run: (root) => tool(root, "typescript/bin/tsc", "-p", "packages/core") },
  { name: "types", run: (root) => tool(root, "typescript/bin/tsc", "-p", ".") },
  { name: "boundaries", run: (root) => boundariesOf(root).problems.join("\n") },
  { name: "tidiness", run: (root) => tidinessOf(root).problems.join("\n") },
];

/** Runs a tool of node_modules on the pinned Node; returns its output when it failed. */
function tool(root: string, script: string, ...args: string[]): string {
  const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [join(root, "node_modules", script), ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, PATH: path },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) return `${script}: ${error.message}`;
  return status === 0 ? "" : `${stdout}${stderr}`.trim() || `${script}: exit code ${status}`;
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "    ");
}

function runChecks(root: string, tally: Tally): void {
  for (const check of CHECKS) {
    let problem: string;
    try {
      problem = check.run(root);
    } catch (error) {
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    if (problem === "") {
      tally.passed += 1;
      console.log(`ok      ${check.name}`);
    } else {
      tally.failed += 1;
      tally.failures.push(check.name);
      console.log(`FAILED  ${check.name}\n${indent(problem)}`);
    }
  }
}

function take(tally: Tally, root: string, { file, outcomes, output, duration_ms }: FileResult): void {
  const name = relative(root, file);
  const of = (outcome: Outcome["outcome"]): readonly Outcome[] => outcomes.filter((one) => one.outcome === outcome);
  const failed = of("failed");
  tally.passed += of("passed").length;
  tally.failed += failed.length;
  for (const one of of("skipped")) tally.skips.push(`${name}: ${one.name}: ${one.reason}`);
  for (const one of failed) tally.failures.push(`${name}: ${one.name}`);
  const word = failed.length > 0 ? "FAILED " : "ok     ";
  console.log(`${word} ${name} (${outcomes.length} tests, ${(duration_ms / 1000).toFixed(1)} s)`);
  for (const one of failed) console.log(`  failed: ${one.name}\n${indent(one.reason)}`);
  if (failed.length > 0 && output.trim() !== "") console.log(`  output of ${name}:\n${indent(output)}`);
}

/** Tests that share the machine's kernel with others run alone: their times would be each other's. */
function needsKernelAlone(root: string, file: string): boolean {
  const path = relative(root, file);
  const whole = path.startsWith("tests/") && !path.startsWith("tests/fuzz/");
  return path.endsWith(".kernel.test.ts") || path.endsWith(".full.test.ts") || whole;
}

function findTests(root: string, paths: readonly string[], full: boolean): string[] {
  const folders = ["packages", "tools", "tests", "bench"].filter((folder) => existsSync(join(root, folder)));
  const all = listFiles(root, folders).filter((path) => path.endsWith(".test.ts"));
  const asked = paths.map((path) => relative(root, resolve(path)));
  const chosen =
    asked.length === 0
      ? all
      : all.filter((path) => asked.some((one) => one === "" || path === one || path.startsWith(`${one}/`)));
  return chosen
    .filter((path) => full || asked.includes(path) || !path.endsWith(".full.test.ts"))
    .map((path) => join(root, path));
}

async function main(args: readonly string[]): Promise<number> {
  const root = realpathSync(process.env["HOLDFAST_TEST_ROOT"] ?? join(import.meta.dirname, ".."));
  const full = args.includes("--full");
  const paths = args.filter((argument) => !argument.startsWith("--"));
  const unknown = args.find((argument) => argument.startsWith("--") && argument !== "--full");
  if (unknown !== undefined) {
    console.error(`tools/test.ts: unknown option ${unknown}; usage: node tools/test.ts [--full] [PATH...]`);
    return 2;
  }
  const tally: Tally = { passed: 0, failed: 0, failures: [], skips: [] };
  if (paths.length === 0) runChecks(root, tally);
  const files = findTests(root, paths, full);
  const together = files.filter((file) => !needsKernelAlone(root, file));
  const alone = files.filter((file) => needsKernelAlone(root, file));
  const timeout_ms = full ? FULL_TIMEOUT_MS : FILE_TIMEOUT_MS;
  await runFiles(together, 2, timeout_ms, (result) => take(tally, root, result));
  await runFiles(alone, 1, timeout_ms, (result) => take(tally, root, result));
  if (files.length === 0) {
    tally.failed += 1;
    tally.failures.push(`found no test file${paths.length > 0 ? ` at ${paths.join(" ")}` : ""}`);
  }
  if (tally.skips.length > 0) console.log(`\nskipped:\n${indent(tally.skips.join("\n"))}`);
  if (tally.failures.length > 0) console.log(`\nfailed:\n${indent(tally.failures.join("\n"))}`);
  console.log(`\ntests: ${tally.passed} passed, ${tally.failed} failed, ${tally.skips.length} skipped`);
  return tally.failed > 0 || tally.passed === 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
