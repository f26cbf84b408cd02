/** `lab why web` and its like: the command holdfast itself, asked of a node of the lab that answers. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { EXIT } from "@holdfast/api/schema.ts";
import { LabError } from "./directory.ts";
import type { LabDirectory } from "./directory.ts";
import { ask } from "./protocol.ts";
import type { End } from "./protocol.ts";
import type { LabStatus } from "./status.ts";

const COMMAND = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const HOLDFAST_COMMANDS: ReadonlySet<string> = new Set(["why", "links", "events", "history", "drain", "undrain"]);

export function isHoldfastCommand(word: string): boolean {
  return HOLDFAST_COMMANDS.has(word);
}

/** Its output goes where ours does. Throws LabError when no daemon of the lab answers. */
export async function runHoldfast(
  directory: LabDirectory,
  command: string,
  args: readonly string[],
  json: boolean,
): Promise<End> {
  const { result } = await ask(directory.socket, { command: "status", args: [] }, () => undefined);
  const status = result as LabStatus;
  const answering = status.nodes.filter((node) => node.status !== null);
  // The owner knows most.
  const node = answering.find((each) => each.name === status.owner) ?? answering[0];
  if (!node) throw new LabError("no daemon of the lab answers; see: holdfast lab status");
  const options = ["--socket", node.socket, ...(json ? ["--json"] : [])];
  const ran = spawnSync(process.execPath, [COMMAND, ...options, command, ...args], { stdio: "inherit" });
  return { code: ran.status ?? EXIT.failed, result: undefined };
}
