/** How late the loop wakes: each wake-up against its deadline, since the start and over the last minute. */
import type { LatenessView } from "../channel.ts";

const SLOT_MS = 10_000;
const SLOTS = 6;
/** Bounds grow by a fifth, from 10 us to over a minute: good enough for a percentile. */
const SMALLEST_MS = 0.01;
const GROWTH = 1.2;
const BUCKETS = 90;

interface Slot {
  begins: number;
  count: number;
  max_ms: number;
  readonly buckets: Uint32Array;
}

export class Lateness {
  #tolerated_ms: number;
  readonly #slots: readonly Slot[] = Array.from({ length: SLOTS }, () => ({
    begins: Number.NEGATIVE_INFINITY,
    count: 0,
    max_ms: 0,
    buckets: new Uint32Array(BUCKETS),
  }));
  #count = 0;
  #late = 0;
  #max_ms = 0;

  /** What is later than `tolerated_ms` counts as late. */
  constructor(tolerated_ms: number) {
    this.#tolerated_ms = tolerated_ms;
  }

  /** Another interval, another bound. */
  tolerate(tolerated_ms: number): void {
    this.#tolerated_ms = tolerated_ms;
  }

  record(late_ms: number, now: number): void {
    this.#count += 1;
    if (late_ms > this.#tolerated_ms) this.#late += 1;
    if (late_ms > this.#max_ms) this.#max_ms = late_ms;
    const slot = this.#slotOf(now);
    slot.count += 1;
    if (late_ms > slot.max_ms) slot.max_ms = late_ms;
    const bucket = bucketOf(late_ms);
    slot.buckets[bucket] = (slot.buckets[bucket] ?? 0) + 1;
  }

  view(now: number): LatenessView {
    const recent = this.#slots.filter((slot) => now - slot.begins < SLOTS * SLOT_MS);
    const count = recent.reduce((sum, slot) => sum + slot.count, 0);
    const max_ms = Math.max(0, ...recent.map((slot) => slot.max_ms));
    return {
      tolerated_ms: this.#tolerated_ms,
      wakeups: this.#count,
      late: this.#late,
      max_ms: round(this.#max_ms),
      minute: {
        wakeups: count,
        p99_ms: round(Math.min(max_ms, percentile(recent, count, 0.99))),
        max_ms: round(max_ms),
      },
    };
  }

  #slotOf(now: number): Slot {
    const begins = Math.floor(now / SLOT_MS) * SLOT_MS;
    const slot = this.#slots[(begins / SLOT_MS) % SLOTS] as Slot;
    if (slot.begins !== begins) {
      slot.begins = begins;
      slot.count = 0;
      slot.max_ms = 0;
      slot.buckets.fill(0);
    }
    return slot;
  }
}

function bucketOf(late_ms: number): number {
  if (late_ms <= SMALLEST_MS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(late_ms / SMALLEST_MS) / Math.log(GROWTH)));
}

/** The upper bound of the bucket that has it. */
function percentile(slots: readonly Slot[], count: number, share: number): number {
  let left = count * (1 - share);
  for (let bucket = BUCKETS - 1; bucket > 0; bucket--) {
    for (const slot of slots) left -= slot.buckets[bucket] ?? 0;
    if (left < 0) return SMALLEST_MS * GROWTH ** bucket;
  }
  return count === 0 ? 0 : SMALLEST_MS;
}

function round(value_ms: number): number {
  return Math.round(value_ms * 1000) / 1000;
}
