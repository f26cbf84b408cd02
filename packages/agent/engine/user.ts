/** Whom control becomes: the user `holdfast` where the package made one, else `nobody`. */
import { readFileSync } from "node:fs";

const WANTED = ["holdfast", "nobody"];

/** Undefined when this process may not change users (a lab without root): control then stays what the engine is. */
export function unprivilegedUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.geteuid?.() !== 0 || !mapsOtherUsers()) return undefined;
  const users = new Map(readLines("/etc/passwd").map((line) => [line.split(":")[0], line.split(":")]));
  for (const name of WANTED) {
    const fields = users.get(name);
    const uid = Number(fields?.[2]);
    const gid = Number(fields?.[3]);
    if (fields !== undefined && Number.isInteger(uid) && Number.isInteger(gid)) return { uid, gid };
  }
  return undefined;
}

/** In a user namespace with a single mapped user there is nobody else to become (user_namespaces(7)). */
function mapsOtherUsers(): boolean {
  const ids = readLines("/proc/self/uid_map").map((line) => Number(line.trim().split(/\s+/)[2]));
  return ids.reduce((sum, count) => sum + count, 0) > 1;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}
