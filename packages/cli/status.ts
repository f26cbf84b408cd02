/** `holdfast status`: the cluster on one screen, and one word for it as exit code. */
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type GroupStatus, type NodeStatus, type Status } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";
import { type Cell, table } from "./table.ts";
import { type Colour, printable, type Terminal } from "./terminal.ts";
import { clock, duration, milliseconds } from "./words.ts";

const REDRAW_MS = 1000;
/** A picture that waits longer for the daemon would look alive while it is not. */
const WATCH_PATIENCE_MS = 1000;

export async function status(context: Context, options: { readonly watch: boolean }): Promise<number> {
  if (options.watch) return watch(context);
  const answer = await fetchJson<Status>(context.socket, "/v1/status");
  if (context.json) context.print(JSON.stringify(answer));
  else for (const line of statusLines(answer, context.terminal, context.now())) context.print(line);
  return exitOf(answer);
}

function exitOf({ health }: Status): number {
  return health === "ok" ? EXIT.done : health === "degraded" ? EXIT.degraded : EXIT.outage;
}

/** Until the person or the pipe's reader has seen enough. Without the daemon the last picture stays, with its age. */
async function watch(context: Context): Promise<number> {
  let last: { readonly answer: Status; readonly at: number } | undefined;
  let drawn = 0;
  for (;;) {
    let lines: string[];
    try {
      last = { answer: await fetchJson<Status>(context.socket, "/v1/status", WATCH_PATIENCE_MS), at: context.now() };
      lines = context.json ? [JSON.stringify(last.answer)] : statusLines(last.answer, context.terminal, context.now());
    } catch (error) {
      if (!(error instanceof ApiFailure) || !last || context.json) throw error;
      const age = duration(context.now() - last.at);
      const stale = context.terminal.paint(
        "red",
        `STALE ${age}: ${printable(error.message)}; what follows was so then`,
      );
      lines = [stale, ...statusLines(last.answer, context.terminal, last.at)];
    }
    if (context.interactive && !context.json) {
      // Back to where the picture began, and nothing of the former one left below.
      const back = drawn === 0 ? "" : `\u001b[${drawn}A`;
      context.write(`${back}${lines.map((line) => `\r${line}\u001b[K\n`).join("")}\u001b[J`);
      drawn = screenRows(lines, context.terminal);
    } else lines.forEach(context.print);
    await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
  }
}

/** A line longer than the screen takes several rows of it. */
function screenRows(lines: readonly string[], { width }: Terminal): number {
  // oxlint-disable-next-line no-control-regex -- colours take no place
  const length = (line: string): number => line.replace(/\u001b\[\d+m/g, "").length;
  return lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(length(line) / (width ?? 80))), 0);
}

export function statusLines(answer: Status, terminal: Terminal, now: number): string[] {
  const stale = answer.nodes.every((node) => node.state === "unknown");
  return [
    heading(answer, terminal, now),
    ...(stale
      ? [
          terminal.paint(
            "red",
            `STALE ${duration(answer.engine_age_ms)}: the engine is silent, nothing below is known to be so now`,
          ),
        ]
      : []),
    ...pauseBanner(answer, terminal),
    "",
    ...groupTable(answer.groups, terminal),
    "",
    ...nodeTable(answer, terminal),
    ...(answer.warnings.length > 0 ? ["", ...warnings(answer, terminal)] : []),
  ];
}

function heading(answer: Status, { paint }: Terminal, now: number): string {
  const alive = answer.nodes.filter((node) => node.alive).length;
  const colour = answer.health === "ok" ? "green" : answer.health === "degraded" ? "yellow" : "red";
  const same = answer.config_differs.length === 0 ? "same on all" : `DIFFERS on ${answer.config_differs.join(" ")}`;
  const parts = [
    `${answer.cluster}  ${paint(colour, answer.health.toUpperCase())}`,
    `${alive}/${answer.nodes.length} nodes`,
    `quorum ${answer.alone ? paint("yellow", "available: alone") : answer.quorum ? quorumText(answer) : paint("red", "NO")}`,
    `config ${answer.config.slice(0, 6)} (${same})`,
    clock(new Date(now).toISOString(), new Date(now)).slice(0, 8),
  ];
  return parts.join("  ");
}

/** Whoever chose it is to see at every look that this is not a majority's promise. */
function quorumText({ available }: Status): string {
  return available ? "yes (available: two owners in a cut of all links)" : "yes";
}

/** Right below the heading, where nobody overlooks it. */
function pauseBanner({ groups }: Status, { paint }: Terminal): string[] {
  const paused = groups.filter((group) => group.pause_remaining_ms !== null);
  if (paused.length === 0) return [];
  const times = paused.map((group) => `${group.name} ${duration(group.pause_remaining_ms ?? 0)}`);
  const said = [...new Set(paused.flatMap(({ pause_text }) => (pause_text === null ? [] : [printable(pause_text)])))];
  return [
    paint("yellow", `PAUSED for ${times.join(", ")} more: nobody takes over, nothing moves by itself`),
    ...said.map((text) => `  ${text}`),
  ];
}

function groupTable(groups: readonly GroupStatus[], terminal: Terminal): string[] {
  const columns = [
    { title: "GROUP" },
    { title: "OWNER" },
    { title: "FOR" },
    { title: "ADDRESS" },
    { title: "STANDBY" },
    { title: "LAST MOVE", dropped: 1 },
  ];
  return table(columns, groups.map(groupRow), terminal);
}

function groupRow(group: GroupStatus): Cell[] {
  const more = group.addresses.length > 1 ? ` (+${group.addresses.length - 1})` : "";
  const move = group.last_move;
  const unknown = group.state === "unknown";
  return [
    { text: group.name },
    ownerCell(group),
    { text: group.since_ms === null ? "-" : duration(group.since_ms) },
    { text: `${(group.addresses[0] ?? "-").split("/")[0]}${more}` },
    unknown
      ? { text: "UNKNOWN", colour: "red" }
      : group.standbys.length > 0
        ? { text: group.standbys.join(" ") }
        : { text: "NONE", colour: "yellow" },
    { text: move === null ? "-" : `${move.cause}${move.outage_ms === null ? "" : ` ${milliseconds(move.outage_ms)}`}` },
  ];
}

function ownerCell(group: GroupStatus): Cell {
  switch (group.state) {
    case "two-owners":
      return { text: "TWO OWNERS", colour: "red" };
    case "unknown":
      return { text: "UNKNOWN", colour: "red" };
    case "unowned":
      return { text: "NONE", colour: "red" };
    case "moving":
      return { text: `${group.owner ?? "-"} MOVING`, colour: "yellow" };
    case "owned":
    default:
      return { text: group.owner ?? "NONE" };
  }
}

function nodeTable(answer: Status, terminal: Terminal): string[] {
  const columns = [
    { title: "NODE" },
    { title: "STATE" },
    { title: "SEEN" },
    { title: "LINKS" },
    { title: "FAILING", dropped: 1 },
    { title: "VERSION", dropped: 2 },
  ];
  return table(
    columns,
    answer.nodes.map((node) => nodeRow(node, answer.timing.dead_ms)),
    terminal,
  );
}

function nodeRow(node: NodeStatus, dead_ms: number): Cell[] {
  const old = node.age_ms !== null && node.age_ms > dead_ms;
  const by = node.heard_by.length === 0 ? "" : ` by ${node.heard_by.join(" ")}`;
  const seen = node.age_ms === null ? "never" : `${duration(node.age_ms)}${old && by === "" ? " STALE" : ""}${by}`;
  const links = node.links.map((link) => `${link.name} ${link.state}`).join("  ");
  return [
    { text: node.role === "witness" ? `${node.name} (witness)` : node.name },
    {
      text: node.state === "up" ? "up" : node.state === "drained" ? "drained" : node.state.toUpperCase(),
      colour: stateColour(node),
    },
    { text: seen, colour: (old && by === "") || node.age_ms === null ? "red" : undefined },
    {
      text: links === "" ? "-" : links,
      colour: links.includes("DOWN") ? "red" : links.includes("LOSS") ? "yellow" : undefined,
    },
    {
      text: node.failing.length === 0 ? "-" : node.failing.join(" "),
      colour: node.failing.length === 0 ? undefined : "yellow",
    },
    { text: node.version === "" ? "-" : node.version },
  ];
}

function stateColour({ state }: NodeStatus): Colour | undefined {
  if (state === "up") return undefined;
  return state === "down" || state === "unknown" ? "red" : "yellow";
}

/** The command goes to the right when all fits, and is never lost: under the sentence otherwise. */
function warnings(answer: Status, { width, paint }: Terminal): string[] {
  const longest = Math.max(0, ...answer.warnings.map(({ text }) => printable(text).length));
  return answer.warnings.flatMap(({ text, command }) => {
    const sentence = printable(text);
    const mark = paint("yellow", "!");
    if (!command) return [`${mark} ${sentence}`];
    const aligned = 2 + longest + 3 + command.length;
    if (width === undefined || aligned <= width) return [`${mark} ${sentence.padEnd(longest)}   ${command}`];
    if (2 + sentence.length + 3 + command.length <= width) return [`${mark} ${sentence}   ${command}`];
    return [`${mark} ${sentence}`, `    ${command}`];
  });
}
