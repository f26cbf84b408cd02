/** Time: durations in milliseconds and instants of the node's own monotonic clock (never wall-clock time). */
import type { Brand } from "./brand.ts";

/** A duration in milliseconds; may have a fraction. */
export type Milliseconds = Brand<number, "Milliseconds">;

/** A point on this node's monotonic clock, in milliseconds since an arbitrary origin. Meaningless on another node. */
export type Instant = Brand<number, "Instant">;

export const NEVER = Number.POSITIVE_INFINITY as Instant;

export function milliseconds(value: number): Milliseconds {
  return value as Milliseconds;
}

export function instant(value: number): Instant {
  return value as Instant;
}

/** The instant `duration` after `start` (before it, when negative). */
export function after(start: Instant, duration: number): Instant {
  return (start + duration) as Instant;
}

/** The time from `start` to `end`; negative when `end` is earlier. */
export function between(start: Instant, end: Instant): Milliseconds {
  return (end - start) as Milliseconds;
}

/** The earliest of the given instants; NEVER without any. */
export function earliest(...instants: readonly Instant[]): Instant {
  let first = NEVER;
  for (const each of instants) if (each < first) first = each;
  return first;
}
