/** The entries for a process that must stay small: the parsers run in a child, whose output this reads. Must not import yaml or zod. */
import { execFile } from "node:child_process";
import type { BadEntry, Entries, Entry, EntryOptions } from "./entries.ts";
import { WITNESS_COMPILER_ENTRY } from "../processes.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

const LARGEST_OUTPUT = 256 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

/** The same with the secrets in base64. */
interface Compiled {
  readonly error: string | undefined;
  readonly good: readonly (Omit<Entry, "keys"> & {
    readonly keys: {
      readonly active: string;
      readonly accepted: readonly { readonly name: string; readonly secret: string }[];
    };
  })[];
  readonly bad: readonly BadEntry[];
}

export function toJson(result: Result<Entries, string>): string {
  if (!result.ok) return JSON.stringify({ error: result.error, good: [], bad: [] } satisfies Compiled);
  const good = result.value.good.map(({ keys, ...entry }) => ({
    ...entry,
    keys: {
      active: keys.active.name,
      accepted: keys.accepted.map(({ name, secret }) => ({ name, secret: Buffer.from(secret).toString("base64") })),
    },
  }));
  return JSON.stringify({ error: undefined, good, bad: result.value.bad } satisfies Compiled);
}

/** Does not wait for the parsers: votes are given meanwhile. */
export function loadEntries(root: string, { port, node }: EntryOptions): Promise<Result<Entries, string>> {
  return new Promise((resolve) => {
    const args = [WITNESS_COMPILER_ENTRY, root, String(port), node ?? ""];
    const options = { encoding: "utf8", maxBuffer: LARGEST_OUTPUT, timeout: TIMEOUT_MS } as const;
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const result = fromJson(stdout);
      const why = error === null ? "" : `: ${error.message}${stderr}`;
      resolve(result ?? failure(`${root}: its parser failed without a word${why}`));
    });
  });
}

function fromJson(text: string): Result<Entries, string> | undefined {
  let compiled: Compiled;
  try {
    compiled = JSON.parse(text) as Compiled;
  } catch {
    return undefined;
  }
  if (compiled.error !== undefined) return failure(compiled.error);
  const good = compiled.good.flatMap(({ keys, ...entry }): Entry[] => {
    const accepted = keys.accepted.map(({ name, secret }) => ({
      name,
      secret: new Uint8Array(Buffer.from(secret, "base64")),
    }));
    const active = accepted.find((key) => key.name === keys.active);
    return active === undefined ? [] : [{ ...entry, keys: { active, accepted } }];
  });
  return success({ good, bad: compiled.bad });
}
