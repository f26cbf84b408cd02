/** One word for the whole cluster, and the sentences that say what is wrong and which command shows more. */
import type { Health, LinkRow, Status, Warning } from "@holdfast/api/schema.ts";
import type { GroupView, PeerView } from "@holdfast/core/view.ts";
import { badAdapters, isBad, onStandbyAdapter } from "./adapter-status.ts";
import { conflictsNow } from "./conflicts.ts";
import { ago, list } from "./sentences.ts";
import type { Seen } from "./view-source.ts";
import type { StatusContext } from "./status.ts";

/** Alarms that the status spells out; how many there are it says always. */
const ALARMS_SHOWN = 3;

export type Judged = Omit<Status, "health" | "warnings">;

export function healthOf(status: Judged, rows: readonly LinkRow[], stale: boolean): Health {
  const ownerless = status.groups.some((group) => group.owner === null || group.state === "two-owners");
  if (stale || !status.quorum || ownerless) return "outage";
  const lonely = status.groups.some((group) => group.standbys.length === 0);
  const troubled = status.nodes.some((node) => node.state !== "up");
  const limping = liveRows(status, rows).some((row) => row.state === "DOWN" || row.state === "LOSS");
  const broken = status.nodes.some((node) => node.alive && node.adapters.some((adapter) => isBad(adapter)));
  const noticed = status.config_differs.length > 0 || status.alarms.length > 0;
  const paused = status.groups.some((group) => group.pause_remaining_ms !== null);
  return paused || lonely || troubled || limping || broken || noticed ? "degraded" : "ok";
}

/** Links between live nodes: those of a dead node are told by its death. */
function liveRows(status: Judged, rows: readonly LinkRow[]): readonly LinkRow[] {
  const alive = new Set(status.nodes.filter((node) => node.alive).map((node) => node.name));
  return rows.filter((row) => alive.has(row.listener) && alive.has(row.speaker));
}

/** Worst first. */
export function warningsOf(
  seen: Seen,
  status: Judged,
  rows: readonly LinkRow[],
  context: StatusContext,
): readonly Warning[] {
  if (seen.stale) return [silence(seen), ...historyWarning(context)];
  return [
    ...quorumWarning(seen, status),
    ...pauseWarnings(status),
    ...unconfirmed(status),
    ...seen.view.groups.flatMap((group) => groupWarnings(group, seen)),
    ...conflictWarnings(context),
    ...seen.view.nodes.flatMap((node) => nodeWarnings(node)),
    ...linkWarnings(liveRows(status, rows)),
    ...differs(status),
    ...lateness(status),
    ...unacknowledged(status),
    ...historyWarning(context),
  ];
}

function silence({ view, age_ms }: Seen): Warning {
  const known = view.groups.map((group) => `${group.name} on ${group.owner ?? "nobody"}`);
  return {
    text: `the engine on ${view.node} has not answered for ${ago(age_ms)}; what was known then: ${list(known)}`,
    command: "holdfast history",
  };
}

function quorumWarning({ view }: Seen, status: Judged): readonly Warning[] {
  if (status.alone) {
    const text = `${view.node} goes on alone (quorum: available): if this is a cut of all links, the other may own too`;
    return [{ text, command: "holdfast links" }];
  }
  if (status.quorum) return [];
  const alive = view.nodes.filter((node) => node.alive).length;
  return [
    {
      text: `no quorum: ${view.node} hears ${alive - 1} of ${view.nodes.length - 1} other nodes`,
      command: "holdfast links",
    },
  ];
}

function unconfirmed({ node, config, engine }: Judged): readonly Warning[] {
  if (engine.unconfirmed_ms === null) return [];
  const text = `configuration ${config} of ${node} is rolled back in ${ago(engine.unconfirmed_ms)}, unless confirmed`;
  return [{ text, command: "holdfast confirm" }];
}

/** One sentence for all that are paused; `status` shows the time that is left beside each group. */
function pauseWarnings({ groups }: Judged): readonly Warning[] {
  const paused = groups.filter((group) => group.pause_remaining_ms !== null);
  const [first] = paused;
  if (first === undefined) return [];
  const names =
    paused.length === groups.length && groups.length > 1 ? "every group" : list(paused.map(({ name }) => name));
  const longest = Math.max(...paused.map((group) => group.pause_remaining_ms ?? 0));
  const is = paused.length === 1 || names === "every group" ? "is" : "are";
  return [
    {
      text: `${names} ${is} PAUSED for ${ago(longest)} more: nobody takes over, nothing moves by itself`,
      command: paused.length === 1 ? `holdfast resume ${first.name}` : "holdfast resume",
    },
  ];
}

function groupWarnings(group: GroupView, { view }: Seen): readonly Warning[] {
  const command = `holdfast why ${group.name}`;
  if (group.claimed.length > 1) return [{ text: `${group.name} is claimed by ${list(group.claimed)}`, command }];
  if (!group.owner) return [{ text: `${group.name} has no owner${group.cause ? `: ${group.cause}` : ""}`, command }];
  const swapped = onStandbyAdapter(group);
  const onStandby = swapped === undefined ? [] : [{ text: swapped, command }];
  if (group.standbys.length > 0) return onStandby;
  const drained = view.nodes.find((node) => node.drained && node.alive && group.prefer.includes(node.name));
  if (drained)
    return [
      ...onStandby,
      {
        text: `${group.name} has no standby: ${drainSentence(drained)}`,
        command: `holdfast undrain ${drained.name}`,
      },
    ];
  return [...onStandby, { text: `${group.name} has no standby`, command }];
}

function conflictWarnings({ events, wall_ms }: StatusContext): readonly Warning[] {
  return conflictsNow(events, wall_ms).map(({ text, group }) => ({ text, command: `holdfast why ${group}` }));
}

function nodeWarnings(node: PeerView): readonly Warning[] {
  const command = `holdfast why ${node.name}`;
  if (!node.alive)
    return [
      {
        text: `${node.name} is down${node.age_ms === undefined ? ", never heard" : `, last heard ${ago(node.age_ms)} ago`}`,
        command,
      },
    ];
  const out: Warning[] = [];
  for (const text of badAdapters(node)) out.push({ text, command });
  if (node.drained) out.push({ text: drainSentence(node), command: `holdfast undrain ${node.name}` });
  if (node.stopping) out.push({ text: `${node.name} is stopping`, command });
  if (node.stalled) out.push({ text: `${node.name} is stalled: it woke up late`, command });
  if (node.unfit !== undefined) out.push({ text: `${node.name} is not fit to own anything: ${node.unfit}`, command });
  if (node.reluctant)
    out.push({ text: `${node.name} prefers not to own anything: it stalls, or is short of memory`, command });
  if (node.abstaining)
    out.push({
      text: `${node.name} abstains from voting: it has no record of its votes yet`,
      command,
    });
  return out;
}

export function drainSentence(node: PeerView): string {
  return `${node.name} is drained${node.drainReason ? ` "${node.drainReason}"` : ""}`;
}

/** One sentence a link and pair of nodes, for the worse of its two directions. */
function linkWarnings(rows: readonly LinkRow[]): readonly Warning[] {
  const pairs = new Map<string, Warning & { readonly worse: number }>();
  for (const row of rows) {
    if (row.state !== "DOWN" && row.state !== "LOSS") continue;
    const pair = `${row.link} ${[row.listener, row.speaker].toSorted().join("-")}`;
    const down = row.state === "DOWN";
    const worse = down ? 101 : row.loss_percent;
    const text = down
      ? `link ${pair} is down: ${row.listener} does not hear ${row.speaker}`
      : `link ${pair}: ${Math.round(row.loss_percent)}% loss`;
    if (worse > (pairs.get(pair)?.worse ?? -1)) pairs.set(pair, { text, command: `holdfast links ${row.link}`, worse });
  }
  return [...pairs.values()].map(({ text, command }) => ({ text, command }));
}

function differs(status: Judged): readonly Warning[] {
  if (status.config_differs.length === 0) return [];
  return [
    {
      text: `configuration differs from ${status.node}'s on ${list(status.config_differs)}`,
      command: "holdfast check-config",
    },
  ];
}

/** A loop this late soon costs renewals: the window and the interval leave room for one. */
function lateness({ node, engine, timing }: Judged): readonly Warning[] {
  const { p99_ms, max_ms } = engine.lateness.minute;
  if (p99_ms <= timing.heartbeat_ms / 4) return [];
  const class_ = engine.real_time ? "" : "; it is not scheduled in real time";
  const text = `the engine on ${node} wakes late: 1 of 100 by ${ms(p99_ms)} or more, ${ms(max_ms)} at worst in a minute`;
  return [{ text: text + class_, command: "holdfast status --json" }];
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function unacknowledged({ alarms }: Judged): readonly Warning[] {
  const command = "holdfast acknowledge";
  const shown = alarms.slice(0, ALARMS_SHOWN).map(({ node, text }) => ({ text: `${node}: ${text}`, command }));
  const more = alarms.length - shown.length;
  return more === 0 ? shown : [...shown, { text: `${more} more alarms: holdfast acknowledge --dry-run`, command }];
}

function historyWarning({ trouble }: StatusContext): readonly Warning[] {
  return trouble === undefined
    ? []
    : [{ text: `history is kept in memory only: ${trouble}`, command: "holdfast history" }];
}
