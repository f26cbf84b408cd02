/** Who hears whom on which link, in each direction: this node's own measurements and what its live peers report of theirs. */
import type { LinkRow, Links, NodeStatus } from "@holdfast/api/schema.ts";
import type { LinkView as LinkEnds } from "../channel.ts";
import { reasonOf } from "./link-reason.ts";
import { EVERYBODY_MAX } from "@holdfast/core/cluster.ts";
import type { NodeView, PeerView } from "@holdfast/core/view.ts";
import type { Seen } from "./view-source.ts";

/** A link that loses this much is worth an operator's look. */
const LOSS_PERCENT = 5;
/** HeardReport.age_ms: never heard, or longer ago than the field can say. */
const NEVER_MS = 65535;

export function links(seen: Seen): Links {
  return {
    schema: "holdfast.links/1",
    node: seen.view.node,
    rows: linkRows(seen),
    rejected: seen.view.rejected,
  };
}

/** One row for each link and ordered pair of nodes that are both on it; of links between others only what they said. */
export function linkRows({ view, links: all, age_ms, stale }: Seen): readonly LinkRow[] {
  const rows: LinkRow[] = [];
  for (const ends of all) {
    const nodes = view.nodes.filter(({ name }) => Object.hasOwn(ends.ends, name));
    for (const listener of nodes) {
      for (const speaker of nodes) {
        if (listener.name === speaker.name) continue;
        const row = rowOf(view, ends, listener, speaker);
        if (isNoPair(view, row, listener, speaker)) continue;
        rows.push(stale ? { ...row, state: "UNKNOWN", age_ms: row.age_ms === null ? null : row.age_ms + age_ms } : row);
      }
    }
  }
  return rows;
}

/** In a large cluster most nodes have nothing to say to each other: of these only what somebody said. */
function isNoPair(view: NodeView, row: LinkRow, listener: PeerView, speaker: PeerView): boolean {
  if (row.state !== "UNKNOWN" || view.nodes.length <= EVERYBODY_MAX) return false;
  return (!listener.self && !speaker.self) || listener.heardBy !== undefined || speaker.heardBy !== undefined;
}

function rowOf(view: NodeView, ends: LinkEnds, listener: PeerView, speaker: PeerView): LinkRow {
  const heard = hearing(view, ends.name, listener, speaker);
  const adapter = listener.self ? ends.device : ends.kind === "udp" ? undefined : ends.ends[listener.name];
  const row = { link: ends.name, kind: ends.kind, listener: listener.name, speaker: speaker.name, ...heard };
  const heardBack = hearing(view, ends.name, speaker, listener).state;
  const silence = { ends, listener, speaker, age_ms: row.age_ms };
  return {
    ...row,
    adapter: adapter ?? null,
    reason:
      row.state === "DOWN"
        ? reasonOf({ ...silence, heardBack: heardBack === "UNKNOWN" ? undefined : heardBack !== "DOWN" })
        : null,
  };
}

type Heard = Pick<LinkRow, "state" | "age_ms" | "loss_percent" | "round_trip_ms" | "jitter_ms">;

function hearing(view: NodeView, link: string, listener: PeerView, speaker: PeerView): Heard {
  return listener.self ? ownHearing(link, speaker) : reportedHearing(view, link, listener, speaker);
}

function ownHearing(link: string, speaker: PeerView): Heard {
  const heard = speaker.heard.find((candidate) => candidate.link === link);
  const loss_percent = (heard?.loss_permille ?? 0) / 10;
  return {
    state: heard === undefined ? "UNKNOWN" : stateOf(heard.alive, loss_percent),
    age_ms: rounded(heard?.age_ms),
    loss_percent,
    round_trip_ms: inMilliseconds(heard?.roundTrip_us),
    jitter_ms: inMilliseconds(heard?.jitter_us),
  };
}

function reportedHearing(view: NodeView, link: string, listener: PeerView, speaker: PeerView): Heard {
  const report = listener.reports.find((candidate) => candidate.link === link && candidate.peer === speaker.name);
  const age_ms = report && report.age_ms !== NEVER_MS ? report.age_ms + (listener.reportsAge_ms ?? 0) : undefined;
  const loss_percent = (report?.loss_permille ?? 0) / 10;
  // A dead listener's last report says nothing about now; so does one that has not told yet.
  const known = listener.alive && report !== undefined;
  return {
    // The report's own age is the listener's silence, not the speaker's.
    state: known ? stateOf(report.age_ms <= view.timing.dead, loss_percent) : "UNKNOWN",
    age_ms: rounded(age_ms),
    loss_percent,
    round_trip_ms: inMilliseconds(measured(report?.roundTrip_us)),
    jitter_ms: inMilliseconds(measured(report?.jitter_us)),
  };
}

/** 0 in a report: not known, or from a peer that does not say it. */
function measured(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

function stateOf(alive: boolean, loss_percent: number): "ok" | "LOSS" | "DOWN" {
  if (!alive) return "DOWN";
  return loss_percent >= LOSS_PERCENT ? "LOSS" : "ok";
}

function rounded(value: number | null | undefined): number | null {
  return value === undefined || value === null ? null : Math.round(value);
}

function inMilliseconds(us: number | null | undefined): number | null {
  return us === undefined || us === null ? null : us / 1000;
}

/**
 * A node's connection to each link that it has an end of, judged over its pairs with other live nodes. A peer that nobody
 * hears on the link is that peer's fault and not held against the others.
 */
export function nodeLinks({ view, links: all }: Seen, rows: readonly LinkRow[], name: string): NodeStatus["links"] {
  const alive = new Set<string>(view.nodes.filter((node) => node.alive).map((node) => node.name));
  const mine = all.filter(({ ends }) => Object.hasOwn(ends, name));
  return mine.map(({ name: link }) => judge(link, rows, name, alive));
}

function judge(
  link: string,
  rows: readonly LinkRow[],
  name: string,
  alive: ReadonlySet<string>,
): NodeStatus["links"][number] {
  const pairs = rows.filter(
    (row) => row.link === link && row.state !== "UNKNOWN" && alive.has(row.listener) && alive.has(row.speaker),
  );
  const cut = [...alive].filter((node) => isCutOff(pairs, node));
  const mine = pairs.filter((row) => row.listener === name || row.speaker === name);
  const fair = mine.filter((row) => !cut.includes(row.listener) && !cut.includes(row.speaker));
  const judged = cut.includes(name) || fair.length === 0 ? mine : fair;
  const loss_percent = Math.max(0, ...judged.map((row) => row.loss_percent));
  if (cut.includes(name) || !alive.has(name)) return { name: link, state: "DOWN", loss_percent };
  const troubled = judged.some((row) => row.state !== "ok");
  return { name: link, state: troubled ? "LOSS" : "ok", loss_percent };
}

/** True when no pair of the node works in either direction. */
function isCutOff(pairs: readonly LinkRow[], node: string): boolean {
  const mine = pairs.filter((row) => row.listener === node || row.speaker === node);
  return mine.length > 0 && mine.every((row) => row.state === "DOWN");
}
