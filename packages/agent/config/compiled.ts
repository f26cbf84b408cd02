/**
 * The configuration for a process that must stay small: the parser runs in a child and its result is kept as JSON.
 * Nothing here may import yaml or zod, directly or through others.
 */
import { execFileSync } from "node:child_process";
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
import { fileURLToPath } from "node:url";
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import type { ConfigError } from "./config-error.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { readConfigBytes } from "./read-file.ts";

/** Raised with every change of ParsedConfig or Cluster, or of what a text means. */
export const FORMAT_VERSION = 1;

/** What the child prints, and what a cache file holds. */
export interface Compiled {
  readonly format: number;
  readonly result: Result<ParsedConfig, ConfigError[]>;
}

export interface LoadOptions {
  /** A directory of ours alone for compiled configurations, made when absent; undefined: none. */
  readonly cacheDirectory: string | undefined;
  /** The running kernel's tick in milliseconds. */
  readonly jiffy: number;
}

const COMPILER = fileURLToPath(import.meta.resolve("./compile-main.ts"));
const LARGEST_OUTPUT = 64 * 1024 * 1024;
const COMPILER_TIMEOUT_MS = 30_000;

/** The configuration at `path`. A cache that cannot be used or written costs time, never the start. */
export function loadCluster(path: string, options: LoadOptions): Result<ParsedConfig, ConfigError[]> {
  const bytes = readConfigBytes(path);
  if (!bytes.ok) return bytes;
  const cached =
    options.cacheDirectory === undefined ? undefined : cacheFile(options.cacheDirectory, bytes.value, options.jiffy);
  const found = cached === undefined ? undefined : readCache(cached);
  // The same text may lie under another name.
  if (found) return success({ ...found, file: path });
  const compiled = compile(path, bytes.value, options.jiffy);
  if (compiled.ok && cached !== undefined) writeCache(cached, compiled.value);
  return compiled;
}

/** Undefined when the directory is not ours alone. */
function cacheFile(directory: string, bytes: Uint8Array, jiffy: number): string | undefined {
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
  return join(directory, `config-${hash}-${jiffy}-${FORMAT_VERSION}.json`);
}

function readCache(file: string): ParsedConfig | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.geteuid?.() || (stat.mode & 0o777) !== 0o600) return undefined;
    const compiled = asCompiled(readFileSync(fd, "utf8"));
    return compiled?.result.ok === true ? compiled.result.value : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function writeCache(file: string, config: ParsedConfig): void {
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      // The umask may have taken more away than the reader expects.
      fchmodSync(fd, 0o600);
      writeFileSync(fd, JSON.stringify({ format: FORMAT_VERSION, result: success(config) } satisfies Compiled));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch {
    rmSync(temporary, { force: true });
  }
}

/** The text is handed over on standard input, so that what is compiled is what was hashed. */
function compile(path: string, bytes: Uint8Array, jiffy: number): Result<ParsedConfig, ConfigError[]> {
  let output: string;
  try {
    output = execFileSync(process.execPath, [COMPILER, path, String(jiffy)], {
      input: bytes,
      encoding: "utf8",
      maxBuffer: LARGEST_OUTPUT,
      timeout: COMPILER_TIMEOUT_MS,
      stdio: ["pipe", "pipe", "pipe"],
    });
  } catch (error) {
    output = outputOf(error);
  }
  const compiled = asCompiled(output);
  if (compiled) return compiled.result;
  const message = "the configuration's parser failed without a word";
  const hint = `run: holdfast check-config ${path}`;
  return failure([{ code: "parser-failed", file: path, place: undefined, message, hint }]);
}

/** What a child that ended with an error had printed. */
function outputOf(error: unknown): string {
  return error instanceof Error && "stdout" in error ? String(error.stdout) : "";
}

function asCompiled(text: string): Compiled | undefined {
  try {
    const value = JSON.parse(text) as Partial<Compiled> | null;
    if (value?.format !== FORMAT_VERSION || typeof value.result?.ok !== "boolean") return undefined;
    return value as Compiled;
  } catch {
    return undefined;
  }
}
