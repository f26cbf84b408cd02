/**
 * `holdfast run`: becomes the daemon. The engine replaces this process, so that nothing of the command stays in memory. The
 * shell script `holdfast` starts a fresh bundle's engine without it.
 */
import { bundleState, engineEntry } from "@holdfast/agent/bundle.ts";
import { COMPILE_CACHE, ENGINE_FLAGS, EXEC_TIME_VARIABLE } from "@holdfast/agent/processes.ts";
import { startObstacle, type StartOptions } from "@holdfast/agent/start-obstacle.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import { CommandFailure } from "./command.ts";

export interface RunOptions extends StartOptions {
  /** Undefined: the bundle while it is what the sources say, else the sources. */
  readonly from?: "bundle" | "source" | undefined;
}

/** Returns only by throwing CommandFailure. */
export function run(options: RunOptions): number {
  const { file, args, env } = runPlan(options, process.env);
  if (!process.execve)
    throw new CommandFailure(EXIT.failed, "no-execve", "this Node cannot replace its process; use Node 26");
  process.execve(file, args, { ...env, [EXEC_TIME_VARIABLE]: String(process.hrtime.bigint()) });
  return EXIT.failed;
}

export interface RunPlan {
  readonly file: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

export function runPlan(options: RunOptions, env: Readonly<Record<string, string | undefined>>): RunPlan {
  const obstacle = startObstacle(options);
  if (obstacle !== undefined) throw new CommandFailure(EXIT.usage, obstacle.code, obstacle.message, obstacle.hint);
  if (options.from === "bundle" && bundleState() !== "fresh") {
    const why = `the bundle is ${bundleState() === "absent" ? "not made" : "older than the sources"}`;
    throw new CommandFailure(EXIT.failed, "no-bundle", why, "make it: npm run bundle");
  }
  const entry = engineEntry(options.from === "source" ? "source" : undefined);
  const node = options.node === undefined ? [] : ["--node", options.node];
  const places = ["--config", options.config, "--socket", options.socket, "--state-dir", options.stateDir];
  return {
    file: process.execPath,
    args: [process.execPath, ...ENGINE_FLAGS, entry, ...places, "--run-dir", options.runDir, ...node],
    env: daemonEnvironment(env),
  };
}

/** What of the caller's environment the daemon may see: nothing that changes what Node does or makes it load more. */
export const PASSED_ON = [
  "PATH",
  "LANG",
  "TERM",
  "NO_COLOR",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "JOURNAL_STREAM",
];

/** What the caller may pass on to a daemon. */
export function daemonEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const passed: Record<string, string> = { NODE_COMPILE_CACHE: env["NODE_COMPILE_CACHE"] ?? COMPILE_CACHE };
  for (const name of PASSED_ON) {
    const value = env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
