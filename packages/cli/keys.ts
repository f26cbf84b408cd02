/** `holdfast keys new [FILE]`: a new secret for the cluster, beside the former ones with --add, for rotation without downtime. */
import { keyFileText, newKeyFile, newKeys, readKeyFile, writeKeyFile } from "@holdfast/agent/seal/key-file.ts";
import { keyFileErrorText } from "@holdfast/agent/seal/key-file-bytes.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import { CommandFailure, type Context } from "./command.ts";

export function keysNew(context: Context, path: string, add: boolean): number {
  const date = new Date(context.now());
  try {
    writeKeyFile(path, add ? withNewKey(path, date) : newKeyFile(date), add);
  } catch (error) {
    throw writeFailure(path, error);
  }
  const done = add ? "added a key to" : "wrote a new key to";
  if (context.json) context.print(JSON.stringify({ schema: "holdfast.keys/1", file: path, added: add }));
  else context.print(`${done} ${path}; copy it to every node of the cluster`);
  return EXIT.done;
}

/** The new key is active at once: the file must be on every node before a daemon reads it. */
function withNewKey(path: string, date: Date): string {
  const keys = readKeyFile(path);
  if (!keys.ok) throw new CommandFailure(EXIT.usage, "bad-key-file", keyFileErrorText(keys.error));
  return keyFileText(newKeys(date, keys.value.accepted));
}

function writeFailure(path: string, error: unknown): Error {
  if (error instanceof CommandFailure) return error;
  if (error instanceof Error && "code" in error && error.code === "EEXIST") {
    const hint = "add a key to it with --add, or name another file";
    return new CommandFailure(EXIT.refused, "exists", `${path} exists; its keys are not overwritten`, hint);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new CommandFailure(EXIT.failed, "not-written", `cannot write ${path}: ${reason}`);
}
