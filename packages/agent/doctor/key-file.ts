/** Doctor: the key file can be read by the daemon and by nobody who should not. */
import { statSync } from "node:fs";
import { fail, type Finding, ok, reasonOf, warn } from "./finding.ts";

const CHECK = "key-file";
const OPEN_TO_OTHERS = 0o027;

export interface KeyFileFacts {
  readonly path: string;
  /** Permission bits and numeric owner; or why the file could not be looked at. */
  readonly found: { readonly mode: number; readonly uid: number; readonly regular: boolean } | string;
}

export function lookAtKeyFile(path: string): KeyFileFacts {
  try {
    const status = statSync(path);
    return { path, found: { mode: status.mode & 0o7777, uid: status.uid, regular: status.isFile() } };
  } catch (error) {
    return { path, found: reasonOf(error) };
  }
}

export function judgeKeyFile({ path, found }: KeyFileFacts): Finding {
  if (typeof found === "string")
    return fail(CHECK, `${path}: ${found}`, `holdfast keys new ${path}, on one node, and copy it to the others`);
  if (!found.regular) return fail(CHECK, `${path} is not a regular file`, "put the key file in its place");
  const mode = found.mode.toString(8).padStart(4, "0");
  if ((found.mode & OPEN_TO_OTHERS) !== 0) {
    const better = (found.mode & 0o750).toString(8).padStart(4, "0");
    return fail(CHECK, `${path} has mode ${mode}: others read or change the keys`, `chmod ${better} ${path}`);
  }
  if (found.uid !== 0)
    return warn(CHECK, `${path} belongs to user ${found.uid}, who can replace the keys`, `chown root ${path}`);
  return ok(CHECK, `${path}: mode ${mode}, owner root`);
}
