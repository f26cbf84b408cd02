/**
 * The keys for a process that must stay small: the parser runs in a child. Its result is kept beside the compiled
 * configuration, in a directory of ours alone and as closed as the key file itself. Must not import yaml.
 */
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { type Compilation, compiled, compiledSoon } from "../compiled/compiled.ts";
import { KEYS_COMPILER_ENTRY } from "../processes.ts";
import { type KeyFileError, readKeyFileBytes } from "./key-file-bytes.ts";
import type { Key, Keys } from "./keys.ts";

export const KEYS_FORMAT = 1;

/** Secrets in base64, for JSON. */
export interface CompiledKeys {
  readonly active: string;
  readonly accepted: readonly { readonly name: string; readonly secret: string }[];
}

/** The keys at `path`, which is read and whose mode is checked each time. */
export function loadKeys(path: string, cacheDirectory: string | undefined): Result<Keys, KeyFileError> {
  const bytes = readKeyFileBytes(path);
  if (!bytes.ok) return bytes;
  return judged(path, compiled<CompiledKeys, KeyFileError>(compilation(path, bytes.value, cacheDirectory)));
}

/** The same for a process that must not wait for the parser. */
export async function loadKeysSoon(
  path: string,
  cacheDirectory: string | undefined,
): Promise<Result<Keys, KeyFileError>> {
  const bytes = readKeyFileBytes(path);
  if (!bytes.ok) return bytes;
  return judged(path, await compiledSoon<CompiledKeys, KeyFileError>(compilation(path, bytes.value, cacheDirectory)));
}

function compilation(path: string, bytes: Uint8Array, cacheDirectory: string | undefined): Compilation {
  return {
    kind: "keys",
    program: KEYS_COMPILER_ENTRY,
    args: [path],
    bytes,
    variant: String(KEYS_FORMAT),
    format: KEYS_FORMAT,
    cacheDirectory,
  };
}

function judged(path: string, result: Result<CompiledKeys, KeyFileError> | undefined): Result<Keys, KeyFileError> {
  if (result?.ok === false) return result;
  const keys = result === undefined ? undefined : asKeys(result.value);
  if (keys !== undefined) return success(keys);
  return failure({ path, line: 0, column: 0, message: "the key file's parser failed without a word" });
}

function asKeys(value: CompiledKeys): Keys | undefined {
  const accepted = value.accepted.map(({ name, secret }): Key => ({ name, secret: Buffer.from(secret, "base64") }));
  const active = accepted.find((key) => key.name === value.active);
  return active === undefined ? undefined : { active, accepted };
}
