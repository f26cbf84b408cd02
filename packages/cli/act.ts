/** What move, drain and undrain share: the plan first, a yes, then the wait; Ctrl-C ends the waiting, not the request. */
import { ApiFailure, fetchJson, postJson } from "@holdfast/api/client.ts";
import { EXIT, type Outcome, type Status } from "@holdfast/api/schema.ts";
import { CommandFailure, type Context } from "./command.ts";
import { eventLine, phasesLine } from "./event-line.ts";
import { printable } from "./terminal.ts";

export interface ActOptions {
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly timeout_ms: number;
}

export interface Act {
  readonly path: string;
  readonly body: object;
  /** Makes the plan's lines from the state; throws CommandFailure when there is nothing to plan. */
  readonly plan: (status: Status) => readonly string[];
  /** Does no harm: no question. */
  readonly harmless?: boolean;
  /** The daemon only agreed: what comes of it. Also asked when its answer was cut off. */
  readonly follow?: (before: Status) => Promise<Outcome>;
}

export async function act(context: Context, options: ActOptions, asked: Act): Promise<number> {
  const before = await fetchJson<Status>(context.socket, "/v1/status");
  const lines = asked.plan(before);
  if (options.dryRun) {
    if (context.json) context.print(JSON.stringify({ schema: "holdfast.plan/1", plan: lines }));
    else lines.forEach((line) => context.print(printable(line)));
    return EXIT.done;
  }
  if (!context.json) lines.forEach((line) => context.print(printable(line)));
  if (!options.yes && !asked.harmless) await confirm(context);
  const stop = (): void => {
    process.stderr.write("\nnot waiting any longer; the request is not cancelled, see: holdfast status\n");
    process.exit(EXIT.timeout);
  };
  process.once("SIGINT", stop);
  try {
    const outcome = await put(context, options, asked);
    return tell(context, outcome.code === "done" && asked.follow ? await asked.follow(before) : outcome);
  } finally {
    process.off("SIGINT", stop);
  }
}

async function put(context: Context, options: ActOptions, { path, body, follow }: Act): Promise<Outcome> {
  try {
    return await postJson(context.socket, path, body, options.timeout_ms);
  } catch (error) {
    // A daemon that leaves may take its answer with it; whether it left is what `follow` finds out.
    if (follow && error instanceof ApiFailure && error.error.code === "unreachable")
      return { schema: "holdfast.outcome/1", code: "done", text: "", events: [] };
    throw error;
  }
}

export async function confirm(context: Context): Promise<void> {
  if (!context.interactive || context.json) {
    const message = "this changes the cluster and nobody is there to ask; nothing was done";
    throw new CommandFailure(EXIT.usage, "needs-yes", message, "add --yes, or --dry-run to see the plan only");
  }
  const answer = (await context.question("Go on? [y/N] ")).trim().toLowerCase();
  if (answer !== "y" && answer !== "yes") {
    throw new CommandFailure(EXIT.failed, "declined", "nothing was done");
  }
}

const EXIT_OF: Readonly<Record<Outcome["code"], number>> = {
  done: EXIT.done,
  failed: EXIT.failed,
  refused: EXIT.refused,
  timeout: EXIT.timeout,
};

function tell(context: Context, outcome: Outcome): number {
  if (context.json) {
    context.print(JSON.stringify(outcome));
    return EXIT_OF[outcome.code];
  }
  for (const event of outcome.events) {
    context.print(`  ${eventLine(event, context.terminal, context.now())}`);
    const phases = phasesLine(event);
    if (phases) context.print(`    ${phases}`);
  }
  const colour = outcome.code === "done" ? "green" : "red";
  context.print(`${context.terminal.paint(colour, outcome.code.toUpperCase())}: ${printable(outcome.text)}`);
  return EXIT_OF[outcome.code];
}

/** Throws usage when the cluster has no node of that name. */
export function nodeOf(status: Status, name: string): Status["nodes"][number] {
  const node = status.nodes.find((candidate) => candidate.name === name);
  if (node) return node;
  const known = status.nodes.map((candidate) => candidate.name).join(", ");
  throw new CommandFailure(EXIT.usage, "unknown-node", `there is no node named ${name}`, `there are: ${known}`);
}
