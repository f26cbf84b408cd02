/** `holdfast links [LINK]`: who hears whom, one line a link and direction. */
import { fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type LinkRow, type Links } from "@holdfast/api/schema.ts";
import { CommandFailure, type Context } from "./command.ts";
import { type Cell, table } from "./table.ts";
import type { Colour, Terminal } from "./terminal.ts";
import { duration } from "./words.ts";

export async function links(context: Context, link: string | undefined): Promise<number> {
  const answer = await fetchJson<Links>(context.socket, "/v1/links");
  const names = [...new Set(answer.rows.map((row) => row.link))];
  if (link !== undefined && !names.includes(link)) {
    throw new CommandFailure(
      EXIT.usage,
      "unknown-link",
      `there is no link named ${link}`,
      `there are: ${names.join(", ")}`,
    );
  }
  const shown: Links = { ...answer, rows: answer.rows.filter((row) => link === undefined || row.link === link) };
  if (context.json) context.print(JSON.stringify(shown));
  else for (const line of linkLines(shown, context.terminal)) context.print(line);
  return EXIT.done;
}

export function linkLines(answer: Links, terminal: Terminal): string[] {
  const columns = [
    { title: "LINK" },
    { title: "LISTENER" },
    { title: "HEARS" },
    { title: "ADAPTER", dropped: 2 },
    { title: "STATE" },
    { title: "AGE", right: true },
    { title: "LOSS", right: true },
    { title: "RTT", right: true },
    { title: "JITTER", right: true, dropped: 1 },
  ];
  const lines = [...table(columns, answer.rows.map(linkCells), terminal), ...reasonLines(answer.rows, terminal)];
  if (answer.rejected.length === 0) return lines;
  const rejected = answer.rejected.map((row) =>
    [row.link, row.reason, row.source, String(row.count)].map((text) => ({ text })),
  );
  const heads = [{ title: "REJECTED ON" }, { title: "REASON" }, { title: "FROM" }, { title: "COUNT", right: true }];
  return [...lines, "", ...table(heads, rejected, terminal)];
}

function reasonLines(rows: readonly LinkRow[], terminal: Terminal): string[] {
  const down = rows.filter((row) => row.reason !== null);
  if (down.length === 0) return [];
  const heads = [{ title: "DOWN" }, { title: "LISTENER" }, { title: "HEARS" }, { title: "WHY" }];
  const cells = down.map((row) => [row.link, row.listener, row.speaker, row.reason ?? ""].map((text) => ({ text })));
  return ["", ...table(heads, cells, terminal)];
}

function linkCells(row: LinkRow): Cell[] {
  return [
    { text: row.link },
    { text: row.listener },
    { text: row.speaker },
    { text: row.adapter ?? "-" },
    { text: row.state, colour: stateColour(row) },
    { text: row.age_ms === null ? "-" : duration(row.age_ms) },
    { text: row.state === "UNKNOWN" ? "-" : `${row.loss_percent.toFixed(1)}%` },
    { text: inMilliseconds(row.round_trip_ms) },
    { text: inMilliseconds(row.jitter_ms) },
  ];
}

function stateColour({ state }: LinkRow): Colour | undefined {
  if (state === "ok") return undefined;
  return state === "LOSS" ? "yellow" : "red";
}

function inMilliseconds(value: number | null): string {
  return value === null ? "-" : `${value.toFixed(2)}ms`;
}
