/** The Unix socket and the step down from root: bound as root, served as nobody in particular. */
import { lchownSync, lstatSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { join } from "node:path";

/** sockaddr_un.sun_path holds 108 bytes with the final zero (unix(7)). */
const PATH_BYTES_MAX = 107;

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Binds with mode 0660 from the first instant. Rejects with what is wrong and what to do when the path is taken or impossible. */
export async function listen(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw new Error(`the socket path ${path} is longer than ${PATH_BYTES_MAX} bytes; give a shorter one with --socket`);
  }
  await removeStale(path);
  const umask = process.umask(0o117);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot listen on ${path}: ${reason}`, { cause: error });
  } finally {
    process.umask(umask);
  }
}

/** A socket that nobody serves is left over from a crash; anything else at the path is not ours to remove. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket())
    throw new Error(`${path} exists and is not a socket; remove it or give another path with --socket`);
  if (await answers(path))
    throw new Error(`another daemon answers on ${path}; stop it or give another path with --socket`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const done = (yes: boolean): void => {
      probe.destroy();
      resolve(yes);
    };
    probe.once("connect", () => done(true));
    probe.once("error", (error: NodeJS.ErrnoException) =>
      done(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}

/** Hands the state files to the user we are about to become. Only what is root's: never somebody else's files. */
export function handOver(stateDirectory: string, socket: string, user: User): void {
  lchownSync(socket, user.uid, user.gid);
  const directory = lstatSync(stateDirectory, { throwIfNoEntry: false });
  const shared = ((directory?.mode ?? 0) & 0o1002) !== 0;
  if (!directory?.isDirectory() || directory.uid !== 0 || shared) return;
  try {
    lchownSync(stateDirectory, user.uid, user.gid);
    for (const name of ["history.ndjson", "history.1.ndjson", "drained", "drained.new"]) {
      const file = join(stateDirectory, name);
      const found = lstatSync(file, { throwIfNoEntry: false });
      if (found?.isFile() && found.uid === 0 && found.nlink === 1) lchownSync(file, user.uid, user.gid);
    }
  } catch (error) {
    // A read-only file system: the history tells of it when it is written.
    process.stderr.write(`control: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** For good: the effective, real and saved ids, and with them all capabilities. Throws when the kernel refuses. */
export function dropPrivileges(user: User): void {
  if (!process.setgroups || !process.setgid || !process.setuid) throw new Error("this system has no user ids");
  process.setgroups([]);
  process.setgid(user.gid);
  process.setuid(user.uid);
}
