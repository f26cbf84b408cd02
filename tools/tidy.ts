/**
 * Habits that no linter knows: size ratchets, opening comments, banned words and names, dead links, paths of a workplace.
 * Each says what to do instead. Run alone: node tools/tidy.ts
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join, normalize } from "node:path";
import { listFiles, readSources, type Source } from "./sources.ts";

const FILE_LINES = 400;
/** Tests are tables and lists of cases. */
const TEST_LINES = 600;
const FUNCTION_LINES = 70;

/** Files that may be longer, up to the lines given, with the reason. A ratchet: lower the number when the file shrinks. */
export const LONG_FILES: Readonly<Record<string, { lines: number; reason: string }>> = {};

/** Functions that may be longer, as "path: name". */
export const LONG_FUNCTIONS: Readonly<Record<string, { lines: number; reason: string }>> = {};

const INSTEAD: Readonly<Record<string, string>> = {
  enum: "a union of string literals",
  namespace: "a module",
  "export default": "a named export",
  "export *": "imports of the file that defines the thing",
  "as any": "`unknown`, and a check that narrows it",
};

/** node:test loads a reporter by its default export. */
const DEFAULT_EXPORTS = ["tools/test-events.ts"];

const EMPTY_NAMES = /^(utils?|helpers?|managers?|common|misc|shared|lib|index)(\..*)?\.ts$/;
const LATER = /\b(FIXME|TODO|XXX)\b/;
const ONLY = /\b(test|it|describe|suite)\.only\(|\bonly: true/;
const BARE_SKIP = /\bskip: true\b|\bt\.skip\(\s*\)|\b(test|it|describe)\.skip\(/;
const WORKPLACE = /(?<![\w.~}-])\/(work|root|farm|home\/\w+)\//;
/** These spell out what they look for. */
const SPELLED_OUT = ["tools/tidy.ts", "tools/tidy.test.ts", "tools/test.test.ts"];

/** What an operator reads in a terminal is ASCII: columns stay columns, and nothing turns into question marks. */
const ASCII_ONLY = /^packages\/(cli|lab|agent)\/.*(?<!\.test)\.ts$/;
const CODE = new Set([".js", ".mjs", ".cjs", ".c", ".h", ".cc", ".cpp", ".py", ".sh", ".pl", ".rs", ".go"]);

export interface Tidiness {
  readonly files: number;
  readonly problems: readonly string[];
}

/** Looks at every file of the repository at `root`. */
export function tidinessOf(root: string): Tidiness {
  const files = listFiles(root, [""]).filter((path) => !path.startsWith("."));
  const sources = readSources(root);
  const problems = [
    ...sources.flatMap(problemsOfSource),
    ...files.flatMap((path) => problemsOfName(path)),
    ...files.filter(isText).flatMap((path) => problemsOfText(root, path, readFileSync(join(root, path), "utf8"))),
  ];
  if (sources.length === 0) problems.push("tidy: saw no TypeScript file; is the root right?");
  return { files: files.length, problems };
}

function problemsOfSource(source: Source): string[] {
  const { path, text, functions, banned } = source;
  const problems: string[] = [];
  const lines = text.trimEnd().split("\n").length;
  const limit = LONG_FILES[path]?.lines ?? (path.endsWith(".test.ts") ? TEST_LINES : FILE_LINES);
  if (lines > limit) problems.push(`${path}: ${lines} lines, at most ${limit}; move one idea into a file of its own`);
  if (!/^(#![^\n]*\n)?\s*(\/\*\*|\/\/)/.test(text))
    problems.push(`${path}:1: open with a comment that says what the file is for`);
  for (const one of functions) {
    // A describe() around tests is a list, not a function to hold in mind.
    if (path.endsWith(".test.ts")) continue;
    const length = one.lastLine - one.line + 1;
    const most = LONG_FUNCTIONS[`${path}: ${one.name}`]?.lines ?? FUNCTION_LINES;
    if (length > most)
      problems.push(`${path}:${one.line}: ${one.name} has ${length} lines, at most ${most}; name its parts`);
  }
  for (const { what, line } of banned) {
    if (what === "export default" && DEFAULT_EXPORTS.includes(path)) continue;
    problems.push(`${path}:${line}: ${what}; use ${INSTEAD[what] ?? "something else"}`);
  }
  return problems;
}

function problemsOfName(path: string): string[] {
  const problems: string[] = [];
  if (EMPTY_NAMES.test(basename(path)))
    problems.push(`${path}: the name says nothing; name the file after its one idea`);
  if (path.endsWith(".ts") && basename(path) !== basename(path).toLowerCase())
    problems.push(`${path}: file names are kebab-case`);
  if (path.startsWith("packages/") && CODE.has(extname(path)) && !path.startsWith("packages/linux/native/")) {
    problems.push(`${path}: only packages/linux/native is not TypeScript`);
  }
  return problems;
}

function isText(path: string): boolean {
  return /\.(ts|c|h|sh|md|json|yaml|yml|txt)$/.test(path) && basename(path) !== "package-lock.json";
}

function problemsOfText(root: string, path: string, text: string): string[] {
  const problems: string[] = [];
  if (SPELLED_OUT.includes(path)) return problems;
  for (const [index, line] of text.split("\n").entries()) {
    const at = `${path}:${index + 1}`;
    const later = LATER.exec(line);
    if (later !== null) problems.push(`${at}: ${later[0]}; do it, or open an issue and take the mark out`);
    const workplace = WORKPLACE.exec(line);
    if (workplace !== null)
      problems.push(`${at}: ${workplace[0]} is a path of one machine; make it relative or a parameter`);
    if (path.endsWith(".ts") && ONLY.test(line))
      problems.push(`${at}: runs one test and hides the others; take it out`);
    if (path.endsWith(".test.ts") && BARE_SKIP.test(line))
      problems.push(`${at}: skips without a reason; use { skip: "why" }`);
    if (ASCII_ONLY.test(path) && /[^\x20-\x7e\t]/.test(line))
      problems.push(`${at}: not ASCII; terminals of operators may not show it`);
  }
  if (path.endsWith(".md")) problems.push(...deadLinks(root, path, text));
  return problems;
}

/** Relative links whose file is not there. Links to the web and to places inside the same page are not followed. */
function deadLinks(root: string, path: string, text: string): string[] {
  const problems: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    for (const match of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      const target = (match[1] ?? "").split("#")[0] ?? "";
      if (target === "" || /^[a-z]+:/.test(target)) continue;
      const file = normalize(join(dirname(path), target));
      if (!existsSync(join(root, file))) problems.push(`${path}:${index + 1}: dead link to ${file}`);
    }
  }
  return problems;
}

if (import.meta.main) {
  const { files, problems } = tidinessOf(realpathSync(join(import.meta.dirname, "..")));
  for (const problem of problems) console.error(problem);
  console.log(`tidy: ${files} files, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
