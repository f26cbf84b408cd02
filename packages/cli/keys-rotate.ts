/**
 * `holdfast keys rotate [FILE]`: another key for a running cluster without a refused heartbeat. Three steps, and after each
 * the file goes to every node and is reloaded there: all open the new key; all seal with it; the old ones are gone. A step
 * is refused as long as a node has not done the one before.
 */
import { keyFileText, newKeys, readKeyFile, writeKeyFile } from "@holdfast/agent/seal/key-file.ts";
import { keyFileErrorText } from "@holdfast/agent/seal/key-file-bytes.ts";
import { type Key, keyId, type Keys } from "@holdfast/agent/seal/keys.ts";
import { fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type NodeStatus, type Status } from "@holdfast/api/schema.ts";
import { CommandFailure, type Context } from "./command.ts";

export type Step = "add" | "activate" | "finish";

interface Rotation {
  readonly keys: Keys;
  /** What was done, and what follows. */
  readonly done: string;
  readonly next: string;
  readonly warnings: readonly string[];
}

const STEPS = { add: added, activate: activated, finish: finished } as const;

export async function rotate(context: Context, path: string, step: Step): Promise<number> {
  const read = readKeyFile(path);
  if (!read.ok) throw new CommandFailure(EXIT.usage, "bad-key-file", keyFileErrorText(read.error));
  const { keys, done, next, warnings } = await STEPS[step](context, read.value);
  try {
    writeKeyFile(path, keyFileText(keys), true);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT.failed, "not-written", `cannot write ${path}: ${reason}`);
  }
  if (context.json) {
    const names = keys.accepted.map(({ name }) => name);
    const answer = { schema: "holdfast.keys/1", file: path, added: step === "add", step, active: keys.active.name };
    context.print(JSON.stringify({ ...answer, accepted: names, warnings }));
    return EXIT.done;
  }
  for (const warning of warnings) context.print(`! ${warning}`);
  context.print(`${path}: ${done}`);
  context.print(`now copy it to every node and run there: holdfast reload --yes`);
  context.print(next);
  return EXIT.done;
}

function added(context: Context, { active, accepted }: Keys): Rotation {
  const [newest] = accepted.slice(-1);
  if (accepted.length > 1) {
    const step = newest?.name === active.name ? "--finish" : "--activate";
    const names = accepted.map(({ name }) => name).join(", ");
    throw refusal(
      `a rotation is under way already, the file has the keys ${names}`,
      `go on with: holdfast keys rotate ${step}`,
    );
  }
  const made = newKeys(new Date(context.now()), accepted);
  return {
    keys: { active, accepted: made.accepted },
    done: `key ${made.active.name} is accepted beside ${active.name}, which seals as before`,
    next: "then, on one of them: holdfast keys rotate --activate",
    warnings: [],
  };
}

async function activated(context: Context, { active, accepted }: Keys): Promise<Rotation> {
  const newest = newestOf(accepted);
  if (newest.name === active.name)
    throw refusal(
      `there is no newer key than ${active.name}, which is active`,
      accepted.length > 1 ? "go on with: holdfast keys rotate --finish" : "begin with: holdfast keys rotate",
    );
  const id = idOf(newest);
  const { behind, warnings } = await judged(context, ({ keys }) => keys.includes(id));
  if (behind.length > 0)
    throw refusal(
      `${behind.join(", ")} ${behind.length === 1 ? "does" : "do"} not open key ${newest.name} yet and would hear nobody`,
      "copy the file there and run: holdfast reload --yes",
    );
  return {
    keys: { active: newest, accepted },
    done: `key ${newest.name} seals, ${accepted
      .filter((key) => key !== newest)
      .map(({ name }) => name)
      .join(", ")} still opens`,
    next: "then, on one of them: holdfast keys rotate --finish",
    warnings,
  };
}

async function finished(context: Context, { active, accepted }: Keys): Promise<Rotation> {
  if (newestOf(accepted).name !== active.name)
    throw refusal(`key ${newestOf(accepted).name} is not active yet`, "first: holdfast keys rotate --activate");
  if (accepted.length === 1) throw refusal(`${active.name} is the only key`, "begin with: holdfast keys rotate");
  const id = idOf(active);
  const { behind, warnings } = await judged(context, ({ keys }) => keys[0] === id);
  if (behind.length > 0)
    throw refusal(
      `${behind.join(", ")} ${behind.length === 1 ? "does" : "do"} not seal with key ${active.name} yet and would be heard by nobody`,
      "copy the file there and run: holdfast reload --yes",
    );
  return {
    keys: { active, accepted: [active] },
    done: `key ${active.name} is the only one`,
    next: "with that the former keys are worth nothing",
    warnings,
  };
}

/** The live nodes that are not as far, as this node's daemon hears them; of those that are down nobody knows. */
async function judged(
  context: Context,
  ready: (node: NodeStatus) => boolean,
): Promise<{ readonly behind: readonly string[]; readonly warnings: readonly string[] }> {
  const { nodes } = await fetchJson<Status>(context.socket, "/v1/status");
  if (nodes.some(({ state }) => state === "unknown")) {
    const message = "the engine of this node is silent: nobody knows how far the nodes are";
    throw new CommandFailure(EXIT.unreachable, "engine-silent", message, "holdfast status");
  }
  const down = nodes.filter(({ alive }) => !alive).map(({ name }) => name);
  return {
    behind: nodes.filter((node) => node.alive && !ready(node)).map(({ name }) => name),
    warnings: down.map((name) => `${name} is down: it needs this file before its daemon starts`),
  };
}

function newestOf(accepted: readonly Key[]): Key {
  const newest = accepted.at(-1);
  if (newest === undefined) throw new Error("a key file without keys is refused when it is read");
  return newest;
}

function idOf({ name }: Key): string {
  return keyId(name).toString(16).padStart(8, "0");
}

function refusal(message: string, hint: string): CommandFailure {
  return new CommandFailure(EXIT.refused, "refused", message, hint);
}
