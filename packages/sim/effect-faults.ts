/** Effects that fail, do half of what they should, or finish late. */
import { nextRandom, type RandomState } from "@holdfast/core/random.ts";
import type { Effect } from "@holdfast/core/effects.ts";

export interface EffectFaults {
  /** Probability that an effect that can fail does. */
  fail: number;
  /** Probability that an effect takes up to `late_ms`. */
  late: number;
  late_ms: number;
}

export const NO_EFFECT_FAULTS: Readonly<EffectFaults> = { fail: 0, late: 0, late_ms: 0 };

/** `nothing`: it failed and changed nothing. `done`: it was done, and its failure is told all the same. */
export type Fate = "works" | "nothing" | "done";

const CAN_FAIL: ReadonlySet<Effect["kind"]> = new Set([
  "saveVotes",
  "arm",
  "commit",
  "close",
  "forward",
  "relay",
  "placeAddresses",
]);

/** One transaction of the kernel, which does all or nothing and says which. */
const ATOMIC: ReadonlySet<Effect["kind"]> = new Set(["forward"]);

export function fateOf(effect: Effect, faults: EffectFaults, random: RandomState): Fate {
  if (faults.fail === 0 || !CAN_FAIL.has(effect.kind) || nextRandom(random) >= faults.fail) return "works";
  return !ATOMIC.has(effect.kind) && nextRandom(random) < 0.3 ? "done" : "nothing";
}
