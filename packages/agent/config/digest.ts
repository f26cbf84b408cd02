/** One short value for what a configuration means, the same on every node that has the same one. */
import { createHash } from "node:crypto";
import type { Cluster, LinkConfig } from "@holdfast/core/cluster.ts";

type Meaning = Omit<Cluster, "digest">;

/**
 * The first 8 hex digits of SHA-256 over the meaning. Comments, order of keys and spelling do not count, nor what
 * differs between machines: W, K and the tick follow from each node's own kernel.
 */
export function digest(cluster: Meaning): string {
  const { timing, links, nodes, groups, ...rest } = cluster;
  const meaning = {
    ...rest,
    timing: { heartbeat: timing.heartbeat, dead: timing.dead },
    links: byName(links.map(meaningOfLink)),
    nodes: byName(nodes),
    groups: byName(groups),
  };
  return createHash("sha256").update(canonical(meaning)).digest("hex").slice(0, 8);
}

/** A UDP link counts as it did when there was no other kind: an upgraded node has the digest of those not upgraded yet. */
function meaningOfLink(link: LinkConfig): { readonly name: string } {
  if (link.kind !== "udp") return link;
  const { kind: _, ...meaning } = link;
  return meaning;
}

function byName<Item extends { readonly name: string }>(items: readonly Item[]): Record<string, Item> {
  return Object.fromEntries(items.map((item) => [item.name, item]));
}

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}
