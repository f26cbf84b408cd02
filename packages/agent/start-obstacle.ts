/** What a daemon's options say that cannot work, as far as the file system and the words themselves tell: nothing is changed yet. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";

export interface StartOptions {
  readonly config: string;
  readonly node: string | undefined;
  readonly socket: string;
  readonly stateDir: string;
  readonly runDir: string;
}

export interface StartObstacle {
  readonly code: "no-config" | "bad-node" | "not-a-directory";
  readonly message: string;
  readonly hint?: string;
}

/** Whether such a node exists is for the daemon to say; this catches what can be no name at all. */
const NODE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Undefined: the daemon may be started. */
export function startObstacle({ config, node, socket, stateDir, runDir }: StartOptions): StartObstacle | undefined {
  const unreadable = configObstacle(config);
  if (unreadable !== undefined) return unreadable;
  if (node !== undefined && !NODE_NAME.test(node)) {
    const hint = "1 to 32 lower-case letters, digits and -, not beginning with -";
    return { code: "bad-node", message: `"${node}" is not a node's name`, hint };
  }
  // Absent is fine: the daemon makes it.
  const taken = [dirname(socket), stateDir, runDir].find((path) => existsSync(path) && !statSync(path).isDirectory());
  return taken === undefined ? undefined : { code: "not-a-directory", message: `${taken} is not a directory` };
}

function configObstacle(path: string): StartObstacle | undefined {
  try {
    accessSync(path, constants.R_OK);
    if (statSync(path).isFile()) return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `cannot read the configuration ${path}: ${reason}`;
    return { code: "no-config", message, hint: "another file is given by --config" };
  }
  return { code: "no-config", message: `the configuration ${path} is not a file` };
}
