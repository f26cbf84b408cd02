/** `holdfast why GROUP|NODE`: the answer, what led there, and what keeps the others from owning. */
import { confirmation } from "@holdfast/agent/control/ownership-change.ts";
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type Why } from "@holdfast/api/schema.ts";
import { CommandFailure, type Context } from "./command.ts";
import { eventLine, phasesLine } from "./event-line.ts";
import { printable, type Terminal } from "./terminal.ts";

export async function why(context: Context, subject: string): Promise<number> {
  const answer = await ask(context.socket, subject);
  if (context.json) context.print(JSON.stringify(answer));
  else for (const line of whyLines(answer, context.terminal, context.now())) context.print(line);
  return EXIT.done;
}

/** A group first; a node may have the same name and is then asked for by `status`. */
async function ask(socket: string, subject: string): Promise<Why> {
  const name = encodeURIComponent(subject);
  const hints: string[] = [];
  for (const kind of ["group", "node"]) {
    try {
      return await fetchJson<Why>(socket, `/v1/why/${kind}/${name}`);
    } catch (error) {
      if (!(error instanceof ApiFailure) || !error.error.code.startsWith("unknown-")) throw error;
      if (error.error.hint) hints.push(`${kind}s: ${error.error.hint.replace("there are: ", "")}`);
    }
  }
  throw new CommandFailure(
    EXIT.usage,
    "unknown-subject",
    `there is no group and no node named ${subject}`,
    hints.join("; "),
  );
}

export function whyLines(answer: Why, terminal: Terminal, now: number): string[] {
  const taken = answer.evidence.findLast((event) => event.code === "group-owned");
  const phases = taken && phasesLine(taken, confirmation(answer.evidence, taken));
  return [
    printable(answer.answer),
    ...answer.evidence.map((event) => `  ${eventLine(event, terminal, now)}`),
    ...(phases ? [phases] : []),
    ...answer.others.map((other) => `${printable(other.node)}: ${printable(other.text)}`),
  ];
}
