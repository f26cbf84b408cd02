/**
 * What a parser made of a file, for a process that must stay small: the parser runs in a child of its own, and its result
 * is kept as JSON beside a digest of the text. Nothing here may import yaml or zod, directly or through others.
 */
import { execFile, execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Result } from "@holdfast/core/units/result.ts";

/** What the child prints, and what a cache file holds. */
export interface Compiled<Value, Failure> {
  readonly format: number;
  readonly result: Result<Value, Failure>;
}

export interface Compilation {
  /** First word of the cache file's name: "config". */
  readonly kind: string;
  /** The program that reads the text on standard input and prints a Compiled; exit 2 for a failure. */
  readonly program: string;
  readonly args: readonly string[];
  readonly bytes: Uint8Array;
  /** What else the result depends on; part of the cache file's name. */
  readonly variant: string;
  readonly format: number;
  /** A directory of ours alone, made when absent; undefined: none. */
  readonly cacheDirectory: string | undefined;
}

const LARGEST_OUTPUT = 64 * 1024 * 1024;
const COMPILER_TIMEOUT_MS = 30_000;

/**
 * The parser's result for these bytes; undefined when it failed without a word. A cache that cannot be used or written
 * costs time, never the start.
 */
export function compiled<Value, Failure>(compilation: Compilation): Result<Value, Failure> | undefined {
  const { cacheDirectory, format } = compilation;
  const cached = cacheDirectory === undefined ? undefined : cacheFile(cacheDirectory, compilation);
  const found = cached === undefined ? undefined : readCache<Value, Failure>(cached, format);
  if (found?.ok === true) return found;
  const made = asCompiled<Value, Failure>(compile(compilation), format)?.result;
  if (made?.ok === true && cached !== undefined) writeCache(cached, { format, result: made });
  return made;
}

/** The same for a process that must not wait: its loop turns on while the parser runs. */
export async function compiledSoon<Value, Failure>(
  compilation: Compilation,
): Promise<Result<Value, Failure> | undefined> {
  const { cacheDirectory, format } = compilation;
  const cached = cacheDirectory === undefined ? undefined : cacheFile(cacheDirectory, compilation);
  const found = cached === undefined ? undefined : readCache<Value, Failure>(cached, format);
  if (found?.ok === true) return found;
  const made = asCompiled<Value, Failure>(await compileSoon(compilation), format)?.result;
  if (made?.ok === true && cached !== undefined) writeCache(cached, { format, result: made });
  return made;
}

/** Undefined when the directory is not ours alone. */
function cacheFile(directory: string, { kind, bytes, variant }: Compilation): string | undefined {
  try {
    // Only the last directory is ours alone: others may need to pass through those above.
    mkdirSync(dirname(directory), { recursive: true });
    if (!existsSync(directory)) mkdirSync(directory, { mode: 0o700 });
    const stat = lstatSync(directory);
    if (!stat.isDirectory() || stat.uid !== process.geteuid?.() || (stat.mode & 0o077) !== 0) return undefined;
  } catch {
    return undefined;
  }
  const hash = createHash("sha256").update(bytes).digest("hex");
  return join(directory, `${kind}-${hash}-${variant}.json`);
}

function readCache<Value, Failure>(file: string, format: number): Result<Value, Failure> | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.geteuid?.() || (stat.mode & 0o777) !== 0o600) return undefined;
    return asCompiled<Value, Failure>(readFileSync(fd, "utf8"), format)?.result;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function writeCache<Value, Failure>(file: string, content: Compiled<Value, Failure>): void {
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      // The umask may have taken more away than the reader expects.
      fchmodSync(fd, 0o600);
      writeFileSync(fd, JSON.stringify(content));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch {
    rmSync(temporary, { force: true });
  }
}

/** The text is handed over on standard input, so that what is compiled is what was hashed. */
function compile({ program, args, bytes }: Compilation): string {
  try {
    return execFileSync(process.execPath, [program, ...args], {
      input: bytes,
      encoding: "utf8",
      maxBuffer: LARGEST_OUTPUT,
      timeout: COMPILER_TIMEOUT_MS,
      stdio: ["pipe", "pipe", "pipe"],
    });
  } catch (error) {
    // What a child that ended with an error had printed.
    return error instanceof Error && "stdout" in error ? String(error.stdout) : "";
  }
}

function compileSoon({ program, args, bytes }: Compilation): Promise<string> {
  return new Promise((resolve) => {
    const options = { encoding: "utf8", maxBuffer: LARGEST_OUTPUT, timeout: COMPILER_TIMEOUT_MS } as const;
    const child = execFile(process.execPath, [program, ...args], options, (_error, stdout) => resolve(stdout));
    // A child that ended before it read all says so by what it printed, or by nothing.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(bytes);
  });
}

function asCompiled<Value, Failure>(text: string, format: number): Compiled<Value, Failure> | undefined {
  try {
    const value = JSON.parse(text) as Partial<Compiled<Value, Failure>> | null;
    if (value?.format !== format || typeof value.result?.ok !== "boolean") return undefined;
    return value as Compiled<Value, Failure>;
  } catch {
    return undefined;
  }
}
