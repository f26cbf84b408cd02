/** What a kernel knows of time: a monotonic clock at a rate of its own, and a count of ticks that is sometimes late. */
import { nextRandom, type RandomState } from "@holdfast/core/random.ts";
import { instant, type Instant } from "@holdfast/core/units/time.ts";

/** E of ownership.md section 8: how late a tick may be counted, in milliseconds. */
export const LATE_TICK_MS = 5;
const LATE_SHARE = 0.3;

export interface ClockOptions {
  /** Local = offset + rate x true time. */
  readonly rate: number;
  readonly offset: number;
  /** J: milliseconds between two ticks. */
  readonly jiffy_ms: number;
  /** Draws which ticks are late; undefined: none is. */
  readonly random: RandomState | undefined;
}

export class KernelClock {
  readonly rate: number;
  readonly offset: number;
  readonly jiffy_ms: number;
  readonly #time: { readonly now: number };
  readonly #random: RandomState | undefined;
  #counted = 0;

  constructor(time: { readonly now: number }, options: ClockOptions) {
    this.rate = options.rate;
    this.offset = options.offset;
    this.jiffy_ms = options.jiffy_ms;
    this.#time = time;
    this.#random = options.random;
  }

  /** The monotonic clock. */
  now(): Instant {
    return instant(this.offset + this.rate * this.#time.now);
  }

  /** The true time at which the monotonic clock shows `local`. */
  trueAt(local: number): number {
    return (local - this.offset) / this.rate;
  }

  /** The kernel's count of ticks, late by up to E, never back. */
  jiffies(): number {
    const count = Math.floor((this.now() - this.#lateness()) / this.jiffy_ms);
    if (count > this.#counted) this.#counted = count;
    return this.#counted;
  }

  /** The true time at which the kernel notices that its count has come to `jiffies`. */
  reached(jiffies: number): number {
    const late = this.#random === undefined ? 0 : nextRandom(this.#random) * LATE_TICK_MS;
    return this.trueAt(jiffies * this.jiffy_ms) + late;
  }

  #lateness(): number {
    if (this.#random === undefined || nextRandom(this.#random) >= LATE_SHARE) return 0;
    return nextRandom(this.#random) * LATE_TICK_MS;
  }
}

/** Often as fast or as slow as allowed: -1, 1, or anything between. */
export function rateOf(a: number, b: number): number {
  if (a < 1 / 3) return -1;
  return a < 2 / 3 ? 1 : 2 * b - 1;
}
