/** `holdfast history [GROUP]`: what happened, from the answering node's record. */
import { confirmation } from "@holdfast/agent/control/ownership-change.ts";
import { fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type History } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";
import { eventLine, phasesLine } from "./event-line.ts";
import { printable, type Terminal } from "./terminal.ts";

export async function history(context: Context, group: string | undefined, limit: number): Promise<number> {
  const query = new URLSearchParams({ limit: String(limit), ...(group === undefined ? {} : { group }) });
  const answer = await fetchJson<History>(context.socket, `/v1/history?${query.toString()}`);
  if (context.json) context.print(JSON.stringify(answer));
  else for (const line of historyLines(answer, context.terminal, context.now())) context.print(line);
  return EXIT.done;
}

export function historyLines(answer: History, terminal: Terminal, now: number): string[] {
  const lines = answer.events.flatMap((event) => {
    const phases = phasesLine(event, confirmation(answer.events, event));
    return [eventLine(event, terminal, now), ...(phases ? [`    ${phases}`] : [])];
  });
  const none = lines.length === 0 ? [`${answer.node} has recorded nothing of this`] : lines;
  const trouble = answer.trouble === null ? [] : [`! history is kept in memory only: ${printable(answer.trouble)}`];
  return [...none, ...trouble];
}
