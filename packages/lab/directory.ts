/** Where a lab keeps its files: /tmp/holdfast-lab-UID/NAME, of this user only. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";

export const DEFAULT_NAME = "lab";
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/;

export class LabError extends Error {}

/** Throws LabError on a name that can not be a directory's or is too long for a socket's path. */
export function checkName(name: string): string {
  if (!NAME.test(name)) throw new LabError(`"${name}" is no name for a lab: use 1 to 20 of a-z, 0-9 and "-"`);
  return name;
}

export interface LabDirectory {
  readonly name: string;
  readonly path: string;
  readonly socket: string;
  readonly log: string;
  /** Process id, seen from the machine, of the one process whose death ends the lab. */
  readonly pid: string;
}

/**
 * Of this user only. As root others may pass, not look: each node's control process becomes an unprivileged user and
 * writes its history below. What is secret has a mode of its own.
 */
export function directoryMode(uid: number): number {
  return uid === 0 ? 0o711 : 0o700;
}

/** Creates the user's parent directory if need be; refuses one that somebody else made. */
export function labDirectory(name: string): LabDirectory {
  const uid = process.getuid?.() ?? 0;
  const parent = `/tmp/holdfast-lab-${uid}`;
  if (!existsSync(parent)) mkdirSync(parent, { mode: directoryMode(uid) });
  const found = lstatSync(parent);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o066) !== 0) {
    throw new LabError(
      `${parent} is not a directory of yours alone (owner ${found.uid}, mode ${(found.mode & 0o777).toString(8)}); remove it and try again`,
    );
  }
  return directoryAt(`${parent}/${checkName(name)}`, name);
}

export function directoryAt(path: string, name: string): LabDirectory {
  return { name, path, socket: `${path}/lab.sock`, log: `${path}/lab.log`, pid: `${path}/lab.pid` };
}

/** True when a supervisor answers on the lab's socket. */
export function isRunning(directory: LabDirectory): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = connect(directory.socket);
    attempt.on("connect", () => {
      attempt.destroy();
      resolve(true);
    });
    attempt.on("error", () => resolve(false));
  });
}

/** The lab's first process, if it lives: a number may have gone to somebody else, so its command line is compared. */
export function livingPid(directory: LabDirectory): number | undefined {
  try {
    const pid = Number(readFileSync(directory.pid, "utf8"));
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(directory.path) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Removes what dead labs have left. One without a process yet may be about to start one: it gets two seconds. */
export function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const directory = directoryAt(`${parent}/${name}`, name);
    if (livingPid(directory) !== undefined) continue;
    if (!existsSync(directory.pid) && Date.now() - lstatSync(directory.path).mtimeMs < 2000) continue;
    rmSync(directory.path, { recursive: true, force: true });
  }
}
