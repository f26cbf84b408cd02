/**
 * Who may import whom: the table, and the check that every import in the repository obeys it.
 * ARCHITECTURE.md explains the table; this file is what binds. Run alone: node tools/boundaries.ts
 */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { listFiles, readSources, type Import, type Source } from "./sources.ts";

export interface Rule {
  /** The modules this rule speaks of; a trailing / means everything below, otherwise a prefix of the path. */
  readonly from: string;
  /** What they may import, in the same form; npm packages by name, built-ins as "node:". */
  readonly may: readonly string[];
  /** What they may import with `import type` only. */
  readonly mayTypes?: readonly string[];
}

/** What every room of the core speaks in: values and types without decisions. */
const CONTRACTS = [
  "packages/core/units/",
  "packages/core/random.ts",
  "packages/core/cluster.ts",
  "packages/core/effects.ts",
  "packages/core/view.ts",
  "packages/core/wire/messages.ts",
  "packages/core/ownership/lease/ballot.ts",
];

/** The first rule whose `from` fits a module is its rule; a module without one is an error. Tests: see TEST_MAY. */
export const RULES: readonly Rule[] = [
  { from: "packages/core/units/", may: ["packages/core/units/"] },
  { from: "packages/core/ownership/lease/ballot.ts", may: ["packages/core/units/"] },
  {
    from: "packages/core/wire/",
    may: ["packages/core/wire/", "packages/core/units/", "packages/core/ownership/lease/ballot.ts"],
  },
  { from: "packages/core/random.ts", may: CONTRACTS },
  { from: "packages/core/cluster.ts", may: CONTRACTS },
  { from: "packages/core/effects.ts", may: CONTRACTS },
  { from: "packages/core/view.ts", may: CONTRACTS },
  { from: "packages/core/membership/", may: ["packages/core/membership/", ...CONTRACTS] },
  { from: "packages/core/ownership/lease/", may: ["packages/core/ownership/lease/", ...CONTRACTS] },
  { from: "packages/core/ownership/placement", may: ["packages/core/ownership/placement", ...CONTRACTS] },
  { from: "packages/core/group/", may: ["packages/core/group/", ...CONTRACTS] },
  // The only place where the protocols meet.
  { from: "packages/core/node", may: ["packages/core/"] },

  { from: "packages/linux/", may: ["packages/linux/", "packages/core/", "node:"] },
  { from: "packages/steering/", may: ["packages/steering/", "packages/core/", "node:"] },
  {
    from: "packages/agent/config/",
    may: [
      "packages/agent/",
      "packages/core/",
      "packages/linux/",
      "packages/steering/",
      "packages/api/",
      "node:",
      "yaml",
      "zod",
    ],
  },
  {
    // The key file is YAML; it is read once at start and on reload.
    from: "packages/agent/seal/key-file.ts",
    may: ["packages/agent/", "packages/core/", "node:", "yaml"],
  },
  {
    from: "packages/agent/",
    may: ["packages/agent/", "packages/core/", "packages/linux/", "packages/steering/", "packages/api/", "node:"],
  },
  { from: "packages/api/client.ts", may: ["packages/api/", "node:"] },
  { from: "packages/api/", may: ["packages/api/"] },
  {
    from: "packages/cli/",
    may: [
      "packages/cli/",
      "packages/api/",
      "packages/agent/",
      "packages/lab/",
      // To read names and print figures; no decision is taken in a command.
      "packages/core/units/",
      "packages/core/ownership/lease/timing.ts",
      "node:",
      "commander",
    ],
    mayTypes: ["packages/core/"],
  },
  { from: "packages/lab/", may: ["packages/lab/", "packages/api/", "packages/core/", "packages/linux/", "node:"] },
  // The sealer and its replay windows take part in the simulation; nothing else of the daemon does.
  {
    from: "packages/sim/",
    may: ["packages/sim/", "packages/core/", "packages/agent/seal/", "packages/linux/fence-cases.ts", "node:"],
  },
  { from: "bench/", may: ["bench/", "packages/", "node:"] },
  { from: "tests/schema.test.ts", may: ["packages/", "ajv", "node:"] },
  { from: "tests/", may: ["tests/", "packages/", "node:"] },
  // The bundle is made of the entries that the daemon names.
  {
    from: "tools/bundle.ts",
    may: ["tools/", "packages/agent/bundle.ts", "packages/agent/processes.ts", "esbuild", "node:"],
  },
  { from: "tools/", may: ["tools/", "typescript", "node:"] },
];

/** A `*.test.ts` may import what its room may, and these. */
export const TEST_MAY = ["node:", "packages/core/"];

export interface Report {
  readonly modules: number;
  readonly edges: number;
  readonly problems: readonly string[];
}

/**
 * Holds every import of `sources` against `rules`. `expected` are the TypeScript files on disk: a module that the
 * reader did not deliver is a problem, and so is a run that saw no module or no import.
 */
export function checkBoundaries(
  root: string,
  sources: readonly Source[],
  expected: readonly string[],
  rules: readonly Rule[] = RULES,
): Report {
  const problems: string[] = [];
  const seen = new Set(sources.map((source) => source.path));
  if (expected.length === 0) problems.push("boundaries: found no TypeScript file to check; is the root right?");
  for (const path of expected) {
    if (!seen.has(path))
      problems.push(`${path}: on disk, but not among the modules read; does tsconfig.json include it?`);
  }
  let edges = 0;
  for (const source of sources) {
    const rule = rules.find((candidate) => within(source.path, candidate.from));
    if (rule === undefined) {
      problems.push(
        `${source.path}: no rule says what this file may import; add its folder to RULES in tools/boundaries.ts`,
      );
      continue;
    }
    for (const imported of source.imports) {
      edges += 1;
      const problem = judge(root, source, imported, rule);
      if (problem !== undefined) problems.push(`${source.path}:${imported.line}: ${problem}`);
    }
  }
  if (sources.length > 0 && edges === 0) problems.push("boundaries: saw no import at all; the reader is broken");
  return { modules: sources.length, edges, problems };
}

function judge(root: string, source: Source, imported: Import, rule: Rule): string | undefined {
  const { specifier, typeOnly } = imported;
  if (specifier === "") return "imports something computed; write the path out";
  const target = resolve(source.path, specifier);
  const local = specifier.startsWith(".") || specifier.startsWith("@holdfast/");
  if (local && !existsSync(join(root, target))) return `imports "${specifier}", and there is no file ${target}`;
  const isTest = source.path.endsWith(".test.ts");
  if (target.endsWith(".test.ts")) return `imports "${specifier}"; move what both need into a file of its own`;
  const may = isTest ? [...rule.may, ...TEST_MAY] : rule.may;
  if (may.some((allowed) => within(target, allowed))) return undefined;
  const typesAllowed = rule.mayTypes?.some((allowed) => within(target, allowed)) ?? false;
  if (typesAllowed && typeOnly) return undefined;
  if (typesAllowed) return `imports values of ${target}; only "import type" is allowed from there`;
  return `imports ${target}; ${rule.from} may import only: ${may.join(", ")}`;
}

/** A path from the root, "node:fs", or the name of an npm package. */
function resolve(from: string, specifier: string): string {
  if (specifier.startsWith(".")) return normalize(join(dirname(from), specifier));
  if (specifier.startsWith("@holdfast/")) return `packages/${specifier.slice("@holdfast/".length)}`;
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

/** Is `path` what `pattern` names: below a folder ("a/"), a file or its family ("a/node": a/node.ts, a/node/x.ts), a package. */
function within(path: string, pattern: string): boolean {
  if (pattern.endsWith("/") || pattern.endsWith(":")) return path.startsWith(pattern);
  if (path === pattern) return true;
  return (
    pattern.includes("/") &&
    (path.startsWith(`${pattern}.`) || path.startsWith(`${pattern}-`) || path.startsWith(`${pattern}/`))
  );
}

/** The check on the repository itself. */
export function boundariesOf(root: string): Report {
  const folders = ["packages", "tools", "tests"].filter((folder) => existsSync(join(root, folder)));
  const expected = listFiles(root, folders).filter((path) => path.endsWith(".ts"));
  return checkBoundaries(root, readSources(root), expected);
}

if (import.meta.main) {
  const report = boundariesOf(realpathSync(join(import.meta.dirname, "..")));
  for (const problem of report.problems) console.error(problem);
  console.log(`boundaries: ${report.modules} modules, ${report.edges} imports, ${report.problems.length} problems`);
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
