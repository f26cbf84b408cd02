/** A scenario: a world made from a seed, what happens in it, and what must come of it. */
import type { Plant } from "../plant.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";

export interface ScenarioOptions {
  readonly plant?: Plant;
  /** The world is over after so many steps (inputs taken by a core). */
  readonly stepsMax?: number;
  /** How long its faults last, in leases (T). */
  readonly leases?: number;
  /** Called with the world before anything happens in it. */
  readonly begin?: (world: VirtualCluster) => void;
}

export interface Outcome {
  readonly world: VirtualCluster;
  readonly violations: readonly string[];
  /** True milliseconds from the end of the faults, all daemons up, to an owner of every group; undefined: none came. */
  readonly healed_ms: number | undefined;
  /** A voter still abstained when the faults ended. */
  readonly abstained: boolean;
  /** Lines for a person: what was measured. */
  readonly figures?: readonly string[];
}

export interface Scenario {
  readonly name: string;
  /** One line for a person. */
  readonly about: string;
  readonly run: (seed: number, options?: ScenarioOptions) => Outcome;
}
