/** A small JSON file of the state directory, read at the daemon's next start: the drain mark, the pauses. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const RETRY_MS = 10_000;

export interface StateMark {
  /** Undefined: removed. Kept trying until the disk takes it. */
  readonly save: (value: object | undefined) => void;
}

/**
 * `what`: its name in sentences. `report` is told once when saving begins to fail (a sentence) and once when it worked
 * after all (undefined).
 */
export function stateMark(
  path: string,
  what: string,
  report: (trouble: string | undefined) => void,
  retry_ms = RETRY_MS,
): StateMark {
  let retry: NodeJS.Timeout | undefined;
  let failed = false;
  const save = (value: object | undefined): void => {
    clearTimeout(retry);
    try {
      if (value === undefined) rmSync(path, { force: true });
      else replaceFile(path, `${JSON.stringify(value)}\n`);
      syncDirectory(dirname(path));
      if (failed) report(undefined);
      failed = false;
    } catch (error) {
      const wanted = value === undefined ? "removed" : "written";
      if (!failed)
        report(`${what} ${path} was not ${wanted}: ${error instanceof Error ? error.message : String(error)}`);
      failed = true;
      retry = setTimeout(() => save(value), retry_ms);
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
