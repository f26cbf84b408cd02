/** A pause as a value: how long it may last, and what is left of one that was kept on disk. */
import type { StoredPause } from "../effects.ts";
import { after, type Instant } from "../units/time.ts";

/** Automation that an operator has frozen; the highest stamp in the cluster counts. */
export interface Pause {
  /** Raised by one with each pause and resume; 0: never paused. */
  readonly stamp: number;
  /** Undefined: not paused. */
  readonly until: Instant | undefined;
}

/** A pause that nobody ends: longer than any maintenance, and no surprise a year later. */
export const LONGEST_PAUSE_MS = 7 * 24 * 3_600_000;

export const NEVER_PAUSED: Pause = { stamp: 0, until: undefined };

/** `wallOffset_ms`: wall clock minus monotonic clock. A wall clock that was set back does not make a pause longer than any may be. */
export function storedPause(stored: StoredPause | undefined, wallOffset_ms: number, now: Instant): Pause {
  if (stored === undefined) return NEVER_PAUSED;
  const { stamp, until_ms, remaining_ms } = stored;
  const left_ms = until_ms === undefined ? 0 : Math.min(until_ms - wallOffset_ms - now, remaining_ms, LONGEST_PAUSE_MS);
  return { stamp, until: left_ms > 0 ? after(now, left_ms) : undefined };
}
