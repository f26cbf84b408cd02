/**
 * Q3: where nodes may go on without a majority two of them may own. With `quorum: available` only when one heard nothing of
 * the other: what the network delivered is held against what each committed. With `hold` one of the two has no majority: two
 * majorities there are never.
 */
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

interface Commit {
  /** It had no majority. */
  readonly alone: boolean;
  /** For how long nothing had come through from each node. */
  readonly silent_ms: ReadonlyMap<NodeName, number>;
}

/** Undefined where every owner has a majority. */
export function silencesIn(cluster: Cluster): Silences | undefined {
  const alone = cluster.quorum === "available" || cluster.groups.some((group) => group.onQuorumLoss === "hold");
  return alone ? new Silences(cluster) : undefined;
}

export class Silences {
  readonly #cluster: Cluster;
  /** "from to": when something came through. */
  readonly #heard = new Map<string, number>();
  /** By node and group: its last commit. */
  readonly #commits = new Map<string, Commit>();
  /** By group: two that were cut off from each other may take so long to find out that they no longer are. */
  readonly #healing = new Map<GroupName, number>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  delivered(from: NodeName, to: NodeName, now: number): void {
    this.#heard.set(`${from} ${to}`, now);
  }

  committed(node: NodeName, group: GroupName, alone: boolean, now: number): void {
    const silent = this.#cluster.nodes.map(({ name }): [NodeName, number] => [
      name,
      now - (this.#heard.get(`${name} ${node}`) ?? Number.NEGATIVE_INFINITY),
    ]);
    this.#commits.set(`${node} ${group}`, { alone, silent_ms: new Map(silent) });
  }

  /** Whether these two may own. */
  explains(group: GroupName, [a, b, ...more]: readonly NodeName[], now: number): boolean {
    if (a === undefined || b === undefined || a === b || more.length > 0) return false;
    const [mine, theirs] = [this.#commits.get(`${a} ${group}`), this.#commits.get(`${b} ${group}`)];
    if (mine === undefined || theirs === undefined || !(mine.alone || theirs.alone)) return false;
    if (this.#cluster.quorum !== "available") return true;
    const { dead } = this.#cluster.timing;
    const silent_ms = Math.max(mine.silent_ms.get(b) ?? 0, theirs.silent_ms.get(a) ?? 0);
    // Half a lease: no beat is late by that much by itself.
    if (silent_ms >= dead / 2) this.#healing.set(group, now + dead);
    return now <= (this.#healing.get(group) ?? Number.NEGATIVE_INFINITY);
  }
}
