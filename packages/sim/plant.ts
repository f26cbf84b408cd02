/** What tests replace of a correct node, its kernel or its host, to show that the faults they plant are found. */
import type { FencePlant } from "./fence.ts";
import type { Daemon, VirtualNode } from "./virtual-node.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

export type Take = (input: Input) => readonly Effect[];

/** Around each step of the core. */
export type Around = (node: VirtualNode, daemon: Daemon, input: Input, take: Take, now: Instant) => readonly Effect[];

export interface Plant {
  readonly around?: Around;
  readonly fence?: FencePlant;
  /** The daemon that lost its record votes at once. */
  readonly neverAbstains?: boolean;
  /** One reading of the clock for all that waits in the sockets (V1). */
  readonly clockBeforeReceive?: boolean;
  /** G1: one voter leaves and another comes in one generation. */
  readonly changesTwoVoters?: boolean;
  /** G3: a node takes over whatever it is told. */
  readonly reloadsAnything?: boolean;
  /** F6: a second daemon starts beside a frozen one. */
  readonly twoProcesses?: boolean;
  /** Where a daemon is likely to freeze: before this effect. */
  readonly freezesBefore?: Effect["kind"];
  /** What the world does, instead of what its seed says. */
  readonly world?: {
    /** Probability of a freeze between any two effects. */
    readonly freeze?: number;
    readonly crash?: number;
    readonly duplicate?: number;
    readonly slow?: number;
    readonly loss?: number;
    /** Share of disturbances that take a node's memory. */
    readonly memoryLoss?: number;
    /** How much faster than usual things happen to it. */
    readonly haste?: number;
    /** Nothing but planned moves happens. */
    readonly movesOnly?: boolean;
  };
}
