/**
 * The repository's TypeScript as the compiler sees it: files, imports and functions, for the checks beside this file.
 * Read through TypeScript 7's own parser, so that type-only, dynamic and re-exported imports are all seen.
 */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { SyntaxKind, type Node, type SourceFile } from "typescript/unstable/ast";
import * as is from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/sync";

export interface Import {
  /** As written: "./a.ts", "@holdfast/core/view.ts", "node:fs", "zod". */
  readonly specifier: string;
  /** `import type` or `export type`: gone at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface Callable {
  readonly name: string;
  /** First and last line, counted from 1. */
  readonly line: number;
  readonly lastLine: number;
}

export interface Source {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly functions: readonly Callable[];
  /** Syntax that is not used here, by its kind: "enum", "namespace", "export default", "export *", "as any". */
  readonly banned: readonly { readonly what: string; readonly line: number }[];
}

const FUNCTIONS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]);

/** Every source of the project that `root`/tsconfig.json describes. Throws when the project cannot be read. */
export function readSources(root: string): Source[] {
  const api = new API({ cwd: root });
  try {
    const config = join(root, "tsconfig.json");
    const project = api
      .updateSnapshot({ openProjects: [config] })
      .getProjects()
      .find((candidate) => candidate.configFileName === config);
    if (project === undefined) throw new Error(`${config}: the compiler found no such project`);
    return project.program
      .getSourceFileNames()
      .filter((name) => name.startsWith(`${root}/`) && !name.includes("/node_modules/"))
      .map((name) => {
        const file = project.program.getSourceFile(name);
        if (file === undefined) throw new Error(`${name}: named by the compiler, but it has no text of it`);
        return readSource(relative(root, name), file);
      });
  } finally {
    api.close();
  }
}

/** Every file under the named folders, from the root, without what is installed or built. Sorted. */
export function listFiles(root: string, folders: readonly string[]): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!["node_modules", "build", ".git"].includes(entry.name)) visit(path);
      } else if (entry.isFile()) {
        found.push(path);
      }
    }
  };
  for (const folder of folders) visit(folder);
  return found.sort();
}

function readSource(path: string, file: SourceFile): Source {
  const starts = lineStarts(file.text);
  const lineOf = (position: number): number => starts.findLastIndex((start) => start <= position) + 1;
  const imports: Import[] = [];
  const functions: Callable[] = [];
  const banned: { what: string; line: number }[] = [];

  const visit = (node: Node): undefined => {
    const line = lineOf(node.getStart(file));
    const found = importOf(node);
    if (found !== undefined) imports.push({ ...found, line });
    if (FUNCTIONS.has(node.kind)) functions.push({ name: nameOf(node), line, lastLine: lineOf(node.end) });
    const what = bannedSyntax(node);
    if (what !== undefined) banned.push({ what, line });
    node.forEachChild(visit);
    return undefined;
  };
  visit(file);
  return { path, text: file.text, imports, functions, banned };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function importOf(node: Node): Omit<Import, "line"> | undefined {
  if (is.isImportDeclaration(node)) {
    return {
      specifier: literal(node.moduleSpecifier),
      typeOnly: node.importClause?.phaseModifier === SyntaxKind.TypeKeyword,
    };
  }
  if (is.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: literal(node.moduleSpecifier), typeOnly: node.isTypeOnly };
  }
  if (is.isImportTypeNode(node)) {
    return { specifier: is.isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : "", typeOnly: true };
  }
  if (is.isCallExpression(node)) {
    const name = node.expression.getText();
    if (name === "import" || name === "require" || name === "import.meta.resolve") {
      return { specifier: literal(node.arguments[0]), typeOnly: false };
    }
  }
  return undefined;
}

/** The text of a string literal; empty for anything computed, which no rule allows. */
function literal(node: Node | undefined): string {
  return node !== undefined && (is.isStringLiteral(node) || is.isNoSubstitutionTemplateLiteral(node)) ? node.text : "";
}

function nameOf(node: Node): string {
  const named = is.isVariableDeclaration(node.parent) || is.isPropertyAssignment(node.parent) ? node.parent : node;
  const name = "name" in named ? (named.name as Node | undefined) : undefined;
  return name?.getText() ?? "(unnamed)";
}

function bannedSyntax(node: Node): string | undefined {
  if (is.isEnumDeclaration(node)) return "enum";
  if (is.isModuleDeclaration(node)) return "namespace";
  if (is.isExportAssignment(node) || node.kind === SyntaxKind.DefaultKeyword) {
    return node.parent.kind === SyntaxKind.DefaultClause ? undefined : "export default";
  }
  if (is.isExportDeclaration(node) && node.moduleSpecifier !== undefined && node.exportClause === undefined) {
    return "export *";
  }
  if (is.isAsExpression(node) && node.type.kind === SyntaxKind.AnyKeyword) return "as any";
  return undefined;
}
