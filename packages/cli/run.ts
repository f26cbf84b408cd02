/** `holdfast run`: becomes the daemon. The engine replaces this process, so that nothing of the command stays in memory. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT } from "@holdfast/api/schema.ts";
import { CommandFailure } from "./command.ts";

/** A small heap: the engine makes little garbage, and short pauses matter more than throughput. */
const V8_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=64"];
const ENGINE = fileURLToPath(new URL("../agent/engine/main.ts", import.meta.url));
/** Whether such a node exists is for the daemon to say; this catches what can be no name at all. */
const NODE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const COMPILE_CACHE = fileURLToPath(new URL("../../build/compile-cache", import.meta.url));

export interface RunOptions {
  readonly config: string;
  readonly node: string | undefined;
  readonly socket: string;
  readonly stateDir: string;
  readonly runDir: string;
}

/** Returns only by throwing CommandFailure. */
export function run(options: RunOptions): number {
  const { file, args, env } = runPlan(options, process.env);
  if (!process.execve)
    throw new CommandFailure(EXIT.failed, "no-execve", "this Node cannot replace its process; use Node 26");
  process.execve(file, args, env);
  return EXIT.failed;
}

export interface RunPlan {
  readonly file: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

export function runPlan(options: RunOptions, env: Readonly<Record<string, string | undefined>>): RunPlan {
  checkReadable(options.config);
  if (options.node !== undefined && !NODE_NAME.test(options.node)) {
    const form = "1 to 32 lower-case letters, digits and -, not beginning with -";
    throw new CommandFailure(EXIT.usage, "bad-node", `"${options.node}" is not a node's name`, form);
  }
  for (const directory of [dirname(options.socket), options.stateDir, options.runDir]) checkDirectory(directory);
  const node = options.node === undefined ? [] : ["--node", options.node];
  const places = ["--config", options.config, "--socket", options.socket, "--state-dir", options.stateDir];
  const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    file: process.execPath,
    args: [process.execPath, ...V8_FLAGS, ENGINE, ...places, "--run-dir", options.runDir, ...node],
    // Compiled once, every later start (control's too) is spared the TypeScript compiler: 17 MB a process.
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...Object.fromEntries(set) },
  };
}

function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
    if (statSync(path).isFile()) return;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(
      EXIT.usage,
      "no-config",
      `cannot read the configuration ${path}: ${reason}`,
      "another file is given by --config",
    );
  }
  throw new CommandFailure(EXIT.usage, "no-config", `the configuration ${path} is not a file`);
}

/** Absent is fine: the daemon makes it. */
function checkDirectory(path: string): void {
  if (existsSync(path) && !statSync(path).isDirectory()) {
    throw new CommandFailure(EXIT.usage, "not-a-directory", `${path} is not a directory`);
  }
}
