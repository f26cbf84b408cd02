/** What a right configuration promises and risks, for `check-config`: as text and as JSON. */
import { type Cluster, type Failback, type GroupConfig, linkText, votersOf } from "@holdfast/core/cluster.ts";
import {
  durationText,
  lossesTolerated,
  typicalSilence,
  typicalTakeover,
  worstSilence,
  worstTakeover,
} from "@holdfast/core/ownership/lease/timing.ts";
import { printable } from "./config-error.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import type { ConfigWarning } from "./warnings.ts";

const WIDTH = 80;
const INDENT = 11;

/** The summary under `--json`. */
export function summaryJson({ file, cluster }: ParsedConfig, warnings: readonly ConfigWarning[]): object {
  const { timing } = cluster;
  const ranks = lastRank(cluster);
  return {
    schema: "holdfast.check-config/1",
    file,
    ok: true,
    errors: [],
    warnings: warnings.map(({ code, text }) => ({ code, text })),
    cluster: cluster.name,
    generation: cluster.generation,
    digest: cluster.digest,
    seal: cluster.seal,
    keys: cluster.keys,
    links: cluster.links,
    nodes: cluster.nodes,
    groups: cluster.groups,
    voters: votersOf(cluster).length,
    voter_names: votersOf(cluster),
    majority: majority(cluster),
    quorum: cluster.quorum ?? "majority",
    reference: cluster.reference ?? [],
    timing: {
      heartbeat_ms: timing.heartbeat,
      dead_ms: timing.dead,
      window_ms: timing.window,
      keep_ms: timing.keep,
      tick_ms: timing.jiffy,
      losses_tolerated: lossesTolerated(timing),
      takeover_typical_ms: Math.ceil(typicalTakeover(timing)),
      takeover_worst_ms: Math.ceil(worstTakeover(timing, ranks)),
      silence_typical_ms: Math.ceil(typicalSilence(timing)),
      silence_worst_ms: Math.ceil(worstSilence(timing, ranks)),
    },
  };
}

function majority(cluster: Cluster): number {
  return Math.floor(votersOf(cluster).length / 2) + 1;
}

/** How many candidates may have to wait before the last of them stands (C1). */
function lastRank(cluster: Cluster): number {
  return Math.max(1, ...cluster.groups.map((group) => group.prefer.length - 1));
}

/**
 * What a configuration is and promises, and `!` lines for what is risky: 80 columns of ASCII, unless a name is longer.
 * `tickAssumed`: the kernel's tick is a guess, which is said.
 */
export function summaryText(
  { file, cluster }: ParsedConfig,
  warnings: readonly ConfigWarning[],
  tickAssumed: boolean,
): string {
  const sealed = cluster.seal === "encrypt" ? "encrypted" : "authenticated, not encrypted";
  const rows = [
    `${printable(file)}: ok\n`,
    row(
      "cluster",
      [cluster.name, `generation ${cluster.generation}`, `digest ${cluster.digest}`, `heartbeats ${sealed}`],
      ", ",
    ),
    row("keys", [printable(cluster.keys)]),
    row(
      "nodes",
      cluster.nodes.map((node) => (node.role === "witness" ? `${node.name} (witness)` : node.name)),
      ", ",
    ),
    row("voters", votersItems(cluster), ", "),
    row(
      "links",
      cluster.links.map((link) => `${link.name} ${linkText(link)}`),
      ", ",
    ),
    timingRows(cluster, tickAssumed),
    ...cluster.groups.map(groupRows),
    ...warnings.map((warning) => wrap("! ", "  ", warning.text.split(" "), " ")),
  ];
  return rows.join("");
}

function votersItems(cluster: Cluster): string[] {
  const voters = votersOf(cluster).length;
  const items = [
    cluster.voters === undefined ? `${voters}` : `${voters} of ${cluster.nodes.length}: ${cluster.voters.join(" ")}`,
    `majority ${majority(cluster)}`,
    `${voters - majority(cluster)} may be lost`,
  ];
  if (cluster.quorum !== "available") return items;
  return ["2", `one goes on alone while ${(cluster.reference ?? []).join(" or ")} answers`];
}

function timingRows(cluster: Cluster, tickAssumed: boolean): string {
  const { timing } = cluster;
  const ranks = lastRank(cluster);
  const losses = lossesTolerated(timing);
  const tick = `tick ${timing.jiffy} ms${tickAssumed ? " assumed" : ""}`;
  const whole = (duration: number): string => `${Math.ceil(duration)} ms`;
  return [
    row(
      "timing",
      [
        `heartbeat ${durationText(timing.heartbeat)}`,
        `dead ${durationText(timing.dead)}`,
        `W ${timing.window} ms`,
        `K ${timing.keep} ms`,
        tick,
      ],
      ", ",
    ),
    row("", [`renewals that may be lost in a row: ${losses < 0 ? "none" : losses}`]),
    row(
      "",
      [`takeover at most ${whole(worstTakeover(timing, ranks))}`, `typically ${whole(typicalTakeover(timing))}`],
      ", ",
    ),
    row(
      "",
      [
        `nobody answers for at most ${whole(worstSilence(timing, ranks))}`,
        `typically ${whole(typicalSilence(timing))}`,
      ],
      ", ",
    ),
  ].join("");
}

function groupRows(group: GroupConfig): string {
  const addresses = group.addresses.map((each) => `${each.address}/${each.prefixLength}`);
  const rules = [
    `prefer ${group.prefer.join(" ")}`,
    `failback ${failbackText(group.failback)}`,
    `settle ${durationText(group.settle)}`,
    ...(group.onQuorumLoss === "hold" ? ["on_quorum_loss hold"] : []),
    ...(group.onConflict === undefined ? [] : [`on_conflict ${group.onConflict}`]),
    ...(group.drain > 0 ? [`drain ${durationText(group.drain)}`] : []),
  ];
  return row("group", [`${group.name}:`, ...addresses]) + row("", rules, ", ");
}

function failbackText(failback: Failback): string {
  return failback.kind === "after" ? `after ${durationText(failback.delay)}` : failback.kind;
}

function row(label: string, items: readonly string[], separator = " "): string {
  return wrap(`  ${label}`.padEnd(INDENT), " ".repeat(INDENT), items, separator);
}

/** Items one after the other in lines of 80 columns; an item is never cut. */
function wrap(first: string, next: string, items: readonly string[], separator: string): string {
  let text = "";
  let line = first;
  items.forEach((item, i) => {
    const piece = i === items.length - 1 ? item : item + separator;
    if (line.length + piece.trimEnd().length > WIDTH && line.trim() !== first.trim()) {
      text += `${line.trimEnd()}\n`;
      line = next;
    }
    line += piece;
  });
  return `${text}${line.trimEnd()}\n`;
}
