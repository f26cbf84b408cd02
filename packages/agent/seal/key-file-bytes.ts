/** The bytes of the key file, or why there are none: who may read it is checked on the very file read. Loads no parser. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";

/** What is wrong with a key file, and where; never holds any part of a secret. */
export interface KeyFileError {
  readonly path: string;
  /** From 1; 0 when the trouble is with the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** "path:line:column: message", or "path: message" for the file as a whole. */
export function keyFileErrorText(error: KeyFileError): string {
  const where = error.line === 0 ? error.path : `${error.path}:${error.line}:${error.column}`;
  return `${where}: ${error.message}`;
}

const MAXIMUM_FILE_BYTES = 65_536;
const OPEN_TO_OTHERS = 0o027;

/**
 * Reads the file, refusing one that others could read or that a group could change. The mode is that of the very file read.
 */
export function readKeyFileBytes(path: string): Result<Uint8Array, KeyFileError> {
  const wrong = (message: string): Result<never, KeyFileError> => failure({ path, line: 0, column: 0, message });
  let descriptor: number;
  try {
    // Non-blocking, so that a pipe left in this place cannot hold up the start.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return wrong(`cannot read the key file: ${systemReason(error)}; make one with: holdfast keys new`);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) return wrong("is not a regular file");
    if ((status.mode & OPEN_TO_OTHERS) !== 0) {
      const mode = (status.mode & 0o7777).toString(8).padStart(4, "0");
      return wrong(
        `mode ${mode} lets others read or change the keys; run: chmod ${(status.mode & 0o750).toString(8).padStart(4, "0")} ${path}`,
      );
    }
    if (status.size > MAXIMUM_FILE_BYTES)
      return wrong(`has ${status.size} bytes; a key file has at most ${MAXIMUM_FILE_BYTES}`);
    return success(readFileSync(descriptor));
  } catch (error) {
    return wrong(`cannot read the key file: ${systemReason(error)}`);
  } finally {
    closeSync(descriptor);
  }
}

/** Why the system refused, in its own word. */
export function systemReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
