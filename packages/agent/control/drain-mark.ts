/** The `drained` file of the state directory, JSON `{"reason": ...}`: a drained node stays drained across restarts. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const RETRY_MS = 10_000;

export interface DrainMark {
  /** Undefined: no longer drained. Kept trying until the disk takes it. */
  readonly save: (reason: string | undefined) => void;
}

/** `report` is told once when saving begins to fail (a sentence) and once when it worked after all (undefined). */
export function drainMark(
  directory: string,
  report: (trouble: string | undefined) => void,
  retry_ms = RETRY_MS,
): DrainMark {
  const path = join(directory, "drained");
  let retry: NodeJS.Timeout | undefined;
  let failed = false;
  const save = (reason: string | undefined): void => {
    clearTimeout(retry);
    try {
      if (reason === undefined) rmSync(path, { force: true });
      else replaceFile(path, `${JSON.stringify({ reason })}\n`);
      syncDirectory(directory);
      if (failed) report(undefined);
      failed = false;
    } catch (error) {
      const wanted = reason === undefined ? "removed" : "written";
      if (!failed)
        report(`the drain mark ${path} was not ${wanted}: ${error instanceof Error ? error.message : String(error)}`);
      failed = true;
      retry = setTimeout(() => save(reason), retry_ms);
      retry.unref();
    }
  };
  return { save };
}

/** A reader sees the old content or the new, also after a power cut. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o640);
  try {
    const bytes = Buffer.from(text);
    if (writeSync(fd, bytes) !== bytes.length) throw new Error("ENOSPC: no space left on device");
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
