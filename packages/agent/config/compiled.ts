/**
 * The configuration for a process that must stay small: the parser runs in a child and its result is kept as JSON.
 * Nothing here may import yaml or zod, directly or through others.
 */
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import { type Compilation, compiled, compiledSoon } from "../compiled/compiled.ts";
import { CONFIG_COMPILER_ENTRY } from "../processes.ts";
import type { ConfigError } from "./config-error.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { readConfigBytes } from "./read-file.ts";

/** Raised with every change of ParsedConfig or Cluster, or of what a text means. */
export const FORMAT_VERSION = 4;

export interface LoadOptions {
  /** A directory of ours alone for compiled configurations, made when absent; undefined: none. */
  readonly cacheDirectory: string | undefined;
  /** The running kernel's tick in milliseconds. */
  readonly jiffy: number;
}

/** The configuration at `path`. A cache that cannot be used or written costs time, never the start. */
export function loadCluster(path: string, options: LoadOptions): Result<ParsedConfig, ConfigError[]> {
  const bytes = readConfigBytes(path);
  if (!bytes.ok) return bytes;
  return judged(path, compiled<ParsedConfig, ConfigError[]>(compilation(path, bytes.value, options)));
}

/** The same for a process that must not wait for the parser. */
export async function loadClusterSoon(
  path: string,
  options: LoadOptions,
): Promise<Result<ParsedConfig, ConfigError[]>> {
  const bytes = readConfigBytes(path);
  if (!bytes.ok) return bytes;
  return judged(path, await compiledSoon<ParsedConfig, ConfigError[]>(compilation(path, bytes.value, options)));
}

function compilation(path: string, bytes: Uint8Array, options: LoadOptions): Compilation {
  return {
    kind: "config",
    program: CONFIG_COMPILER_ENTRY,
    args: [path, String(options.jiffy)],
    bytes,
    variant: `${options.jiffy}-${FORMAT_VERSION}`,
    format: FORMAT_VERSION,
    cacheDirectory: options.cacheDirectory,
  };
}

function judged(
  path: string,
  result: Result<ParsedConfig, ConfigError[]> | undefined,
): Result<ParsedConfig, ConfigError[]> {
  // The same text may lie under another name.
  if (result?.ok === true) return success({ ...result.value, file: path });
  if (result !== undefined) return result;
  const message = "the configuration's parser failed without a word";
  const hint = `run: holdfast check-config ${path}`;
  return failure([{ code: "parser-failed", file: path, place: undefined, message, hint }]);
}
