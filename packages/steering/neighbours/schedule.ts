/**
 * When an address is announced: at once, then further and further apart for those who lost or ignored the first.
 *
 * 0, 50 and 200 ms bridge a lost frame and a switch that is still learning; 1 s passes the second for which Linux holds a
 * fresh neighbour entry (locktime); 2 and 5 s reach stations that were busy or just came up.
 */
import { after, between, NEVER } from "@holdfast/core/units/time.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

/** Milliseconds after the start. */
export const ANNOUNCE_AFTER_MS: readonly number[] = [0, 50, 200, 1000, 2000, 5000];

/** The shortest time between two starts that others cause: two stations that both claim must not flood each other. */
export const AGAIN_AFTER_MS = 1000;

/** When a round that could not be sent is tried again: first soon, then at twice the time since the start. */
export const RETRY_AFTER_MS = { first: 200, longest: 5000 } as const;

export interface Schedule {
  readonly startedAt: Instant;
  /** Which of ANNOUNCE_AFTER_MS comes next. */
  readonly step: number;
  /** When it comes; NEVER after the last. */
  readonly dueAt: Instant;
}

export function startSchedule(now: Instant): Schedule {
  return { startedAt: now, step: 0, dueAt: now };
}

export function isDue(schedule: Schedule, now: Instant): boolean {
  return schedule.dueAt <= now;
}

/** After an announcement at `now`: rounds that were slept through are not made up for. */
export function announced(schedule: Schedule, now: Instant): Schedule {
  const next = ANNOUNCE_AFTER_MS.findIndex((delay) => after(schedule.startedAt, delay) > now);
  if (next === -1) return { ...schedule, step: ANNOUNCE_AFTER_MS.length, dueAt: NEVER };
  return { ...schedule, step: next, dueAt: after(schedule.startedAt, ANNOUNCE_AFTER_MS[next] ?? 0) };
}

/** After an announcement that failed: the same round once more, until it succeeds. */
export function retry(schedule: Schedule, now: Instant): Schedule {
  const { first, longest } = RETRY_AFTER_MS;
  const delay = Math.min(longest, Math.max(first, between(schedule.startedAt, now)));
  return { ...schedule, dueAt: after(now, delay) };
}

/** Starts over because another station announced; within a second of the last start it goes on as it is. */
export function startAgain(schedule: Schedule, now: Instant): Schedule {
  return between(schedule.startedAt, now) < AGAIN_AFTER_MS ? schedule : startSchedule(now);
}
