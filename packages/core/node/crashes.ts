/** How many crashes are too many (design section 2, "Processes"). */
import { after, between, type Instant } from "../units/time.ts";

/** What a daemon must remember of earlier crashes, in milliseconds. */
export const CRASH_MEMORY_MS = 60_000;
/** Crashes within that time after which a daemon owns nothing. */
export const CRASHES_MAX = 3;

/** Until when a daemon that starts at `now` is ineligible; undefined: it may own. `crashes` oldest first. */
export function crashingUntil(crashes: readonly Instant[], now: Instant): Instant | undefined {
  let until: Instant | undefined;
  for (const [index, at] of crashes.entries()) {
    const first = crashes[index - CRASHES_MAX + 1];
    const often = first !== undefined && between(first, at) <= CRASH_MEMORY_MS;
    // One more crash while it is out begins the minute anew.
    if (often || (until !== undefined && at < until)) until = after(at, CRASH_MEMORY_MS);
  }
  return until !== undefined && now < until ? until : undefined;
}
