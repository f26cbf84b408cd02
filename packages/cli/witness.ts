/** `holdfast witness`: becomes the witness, as `run` becomes the daemon (run.ts). */
import { existsSync, statSync } from "node:fs";
import { witnessEntry } from "@holdfast/agent/bundle.ts";
import { WITNESS_FLAGS } from "@holdfast/agent/processes.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import { CommandFailure } from "./command.ts";
import { daemonEnvironment } from "./run.ts";

export interface WitnessOptions {
  /** One sub-directory for each cluster. */
  readonly directory: string;
  readonly listen: string;
  readonly stateDir: string;
  readonly node: string | undefined;
}

/** Returns only by throwing CommandFailure. */
export function witness({ directory, listen, stateDir, node }: WitnessOptions): number {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    const hint = `make it, and in it a directory for each cluster with its holdfast.yaml and its key file, called keys`;
    throw new CommandFailure(EXIT.usage, "no-directory", `there is no directory ${directory}`, hint);
  }
  if (!process.execve)
    throw new CommandFailure(EXIT.failed, "no-execve", "this Node cannot replace its process; use Node 26");
  const named = node === undefined ? [] : ["--node", node];
  const args = [directory, "--listen", listen, "--state-dir", stateDir, ...named];
  const env = daemonEnvironment(process.env);
  process.execve(process.execPath, [process.execPath, ...WITNESS_FLAGS, witnessEntry(), ...args], env);
  return EXIT.failed;
}
