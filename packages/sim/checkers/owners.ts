/** I1, I2: who answers for a group's frames at this very time, by any way they may take; counts moves and gaps. */
import type { Report } from "./report.ts";
import type { Silences } from "./silences.ts";
import type { VirtualKernel, VirtualNode } from "../virtual-node.ts";
import { type GroupConfig, segmentsOf } from "@holdfast/core/cluster.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

interface World {
  readonly now: number;
  readonly nodes: ReadonlyMap<string, VirtualNode>;
}

interface Fence {
  readonly node: VirtualNode;
  readonly kernel: VirtualKernel;
}

/** A frame is passed on at most this often before it counts as lost. */
const HOPS_MAX = 4;

export class OwnersChecker {
  /**
   * Commits that opened a fence on another node than the last one; fences that were shut for a moment; looks that found two
   * owners where that may be.
   */
  readonly counts = { moves: 0, gaps: 0, twoOwners: 0 };
  readonly #world: World;
  readonly #report: Report;
  readonly #silences: Silences | undefined;
  readonly #last = new Map<GroupName, VirtualKernel>();
  readonly #segments: ReadonlyMap<GroupName, readonly string[]>;

  constructor(world: World, groups: readonly GroupConfig[], report: Report, silences?: Silences) {
    this.#silences = silences;
    this.#world = world;
    this.#report = report;
    this.#segments = new Map(groups.map((group) => [group.name, segmentsOf(group)]));
  }

  /** A commit opened the fence, which had been open until `before`: was it shut, and is it another node's turn? */
  opening(kernel: VirtualKernel, group: GroupName, before: number): void {
    const last = this.#last.get(group);
    if (last !== undefined && last !== kernel) this.counts.moves += 1;
    // A planned move leaves none: the successor opens while the fence before still forwards.
    const until = last === kernel ? before : last?.fence.aliveUntil(group);
    if (until !== undefined && until <= this.#world.now) this.counts.gaps += 1;
    this.#last.set(group, kernel);
  }

  /** After anything that may let a node answer. */
  check(group: GroupName): void {
    const fences = this.#fences();
    this.#checkAnswering(fences, group);
    const segments = this.#segments.get(group) ?? [];
    for (let segment = 0; segment < segments.length; segment++) this.#checkPaths(fences, group, segment);
  }

  /** Everybody that answers, by whatever way: at most one. */
  answering(group: GroupName): readonly VirtualNode[] {
    const { now } = this.#world;
    return this.#fences()
      .filter(({ kernel }) => kernel.fence.isOpen(group, now))
      .map(({ node }) => node);
  }

  #checkAnswering(fences: readonly Fence[], group: GroupName): void {
    const { now } = this.#world;
    const open = fences.filter(({ kernel }) => kernel.fence.isOpen(group, now));
    if (open.length < 2) return;
    const names = open.map(({ node }) => node.name);
    if (this.#silences?.explains(group, names, now) === true) {
      this.counts.twoOwners += 1;
      return;
    }
    const text = open.map(({ node, kernel }) => `${node.name} until ${kernel.fence.aliveUntil(group).toFixed(2)}`);
    this.#report("I1", `${group} is answered by ${text.join(" and ")}`);
  }

  /**
   * A client's frame may reach any of the nodes, for its neighbour table may be old. Wherever it goes on to, all that
   * answer it must be one node.
   */
  #checkPaths(fences: readonly Fence[], group: GroupName, segment: number): void {
    let answerer: { readonly end: Fence; readonly start: Fence } | undefined;
    for (const start of fences) {
      const end = this.#endOf(fences, start, undefined, group, segment, 0);
      if (end === undefined) continue;
      if (answerer === undefined) answerer = { end, start };
      else if (answerer.end.kernel !== end.kernel) {
        const ways = [answerer, { end, start }].map(
          (way) => `${way.end.node.name} what reaches ${way.start.node.name}`,
        );
        this.#report("I2", `${group}: ${ways.join(", ")}`);
        return;
      }
    }
  }

  /** Who answers a frame that arrives at `fence` from station `source` (undefined: a client). */
  #endOf(
    fences: readonly Fence[],
    fence: Fence,
    source: Mac | undefined,
    group: GroupName,
    segment: number,
    hops: number,
  ): Fence | undefined {
    const { now } = this.#world;
    const { kernel } = fence;
    if (kernel.fence.isOpen(group, now)) return fence;
    // What comes from a station it relays for is answered also by a fence that forwards the rest.
    if (source !== undefined && kernel.fence.relaysFrom(group, now)?.[segment] === source) return fence;
    const forwards = kernel.fence.forwardsTo(group, now);
    if (forwards === undefined || hops >= HOPS_MAX) return undefined;
    const next = fences.find((each) => [...each.kernel.macs.values()].some((mac) => mac === forwards[segment]));
    const own = macAt(kernel, group, segment);
    return next === undefined ? undefined : this.#endOf(fences, next, own, group, segment, hops + 1);
  }

  #fences(): readonly Fence[] {
    const fences: Fence[] = [];
    for (const node of this.#world.nodes.values()) {
      fences.push({ node, kernel: node.kernel });
      for (const kernel of node.formerKernels) fences.push({ node, kernel });
    }
    return fences;
  }
}

/** The station that its frames for the group come from. */
function macAt(kernel: VirtualKernel, group: GroupName, segment: number): Mac | undefined {
  const on = kernel.placed.get(group)?.[segment];
  return on === undefined ? undefined : kernel.macs.get(on);
}
