/**
 * The engine started by the shell script `holdfast` without the command between them, which would cost a daemon that comes
 * after a crash a third of its time. Whatever the command would have to judge or to explain is handed to it.
 */
import { join } from "node:path";
import { bundleState } from "../bundle.ts";
import { BUNDLE, ROOT } from "../processes.ts";
import { startObstacle } from "../start-obstacle.ts";
import { engineArguments, type EngineArguments } from "./arguments.ts";

/** In the environment of an engine that the command has not looked at. */
const DIRECT_VARIABLE = "HOLDFAST_DIRECT";

/** Does not return when the command is to start the engine instead. */
export function checkDirectStart(words: readonly string[]): void {
  if (process.env[DIRECT_VARIABLE] === undefined) return;
  // What the engine starts, and becomes, has been looked at.
  delete process.env[DIRECT_VARIABLE];
  const args = readArguments(words);
  if (args === undefined || obstacle(args)) return throughCommand(join(BUNDLE, "cli.js"), words);
  if (bundleState() !== "fresh") throughCommand(join(ROOT, "packages/cli/main.ts"), words);
}

/** Undefined for anything but plain options of `holdfast run`: help, mistakes, and words between engines alone. */
function readArguments(words: readonly string[]): EngineArguments | undefined {
  try {
    const args = engineArguments(words);
    return args.checkOnly ? undefined : args;
  } catch {
    return undefined;
  }
}

function obstacle({ config, node, socket, stateDirectory, runDirectory }: EngineArguments): boolean {
  return startObstacle({ config, node, socket, stateDir: stateDirectory, runDir: runDirectory }) !== undefined;
}

function throughCommand(file: string, words: readonly string[]): void {
  const env = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  process.execve?.(process.execPath, [process.execPath, file, "run", ...words], Object.fromEntries(env));
}
