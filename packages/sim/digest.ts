/** A world in a few letters: two runs of one seed end with the same, or something is not deterministic. */
import { createHash } from "node:crypto";
import type { VirtualCluster } from "./virtual-cluster.ts";

export function digestOf(world: VirtualCluster): string {
  const nodes = [...world.nodes.values()].map((node) => ({
    name: node.name,
    boot: node.daemon?.boot,
    kernel: node.kernel.id,
    records: [...(node.records ?? [])],
    counters: node.daemon?.state.counters,
    announcing: [...node.announcing],
    events: node.events.length,
  }));
  const all = { digest: world.digest, now: world.now, steps: world.steps, counts: world.counts, nodes };
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 16);
}

/** What happened so far, as one number, and one input more: when, of which kind, to whom. */
export function mixed(digest: number, now: number, kind: string, node: string): number {
  const input = Math.floor(now * 1000) ^ (kind.charCodeAt(kind.length - 1) << 8) ^ node.charCodeAt(1);
  return Math.imul(digest ^ input, 0x01000193);
}
