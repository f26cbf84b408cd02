/** Faults that tests of the core plant in a virtual node or its kernel, to show that they are found. */
import type { VirtualNode } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

/** A planted fault: what it replaces of a correct node or kernel. */
export interface Plant {
  /** Around each step of the core. */
  readonly around?: (node: VirtualNode, input: Input, take: (input: Input) => readonly Effect[]) => readonly Effect[];
  /** The key of a number in the fence; undefined: a commit needs no arm. */
  readonly armedKey?: (group: GroupName, number: number) => string | undefined;
  /** The daemon that lost its record votes at once. */
  readonly neverAbstains?: boolean;
  /** How much longer than K the fence stays open. */
  readonly keepMore_ms?: number;
  /** One reading of the clock for all that waits in the sockets (V1). */
  readonly clockBeforeReceive?: boolean;
  /** Where a daemon is likely to freeze: before this effect. */
  readonly freezesBefore?: Effect["kind"];
  /** Probability of a freeze between any two effects, instead of the world's own. */
  readonly freeze?: number;
}
