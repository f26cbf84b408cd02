/** How one peer is heard on one link: age, loss, jitter, round trip. All bounded; nothing here decides who is alive. */
import { after, between, earliest, instant, type Instant, type Milliseconds } from "../units/time.ts";

const WINDOW = 100;
/** So many messages in a row from behind the window: the number that moved it so far was wrong. */
const BEHIND_MAX = 10;

/** Mutable. Message numbers of one peer are consecutive, and each is sent over every link. */
export interface Hearing {
  lastHeard: Instant | undefined;
  /** The last message heard, for the echo. */
  lastMessage: number;
  /** Whether each of the last 100 messages up to `highest` came. */
  readonly came: Uint8Array;
  highest: number;
  /** Messages since the last one that was not behind the window. */
  behind: number;
  /** Messages the window covers so far, at most 100. */
  covered: number;
  count: number;
  jitter_ms: number;
  lastRegular: Instant | undefined;
  roundTrip_us: number | undefined;
}

export function newHearing(): Hearing {
  return {
    lastHeard: undefined,
    lastMessage: 0,
    came: new Uint8Array(WINDOW),
    highest: 0,
    behind: 0,
    covered: 0,
    count: 0,
    jitter_ms: 0,
    lastRegular: undefined,
    roundTrip_us: undefined,
  };
}

/** A message of the current boot of the peer came over this link. */
export function heard(hearing: Hearing, message: number, regular: boolean, interval: Milliseconds, now: Instant): void {
  hearing.lastHeard = now;
  hearing.lastMessage = message;
  if (regular) {
    if (hearing.lastRegular !== undefined) {
      const late = Math.abs(between(hearing.lastRegular, now) - interval);
      // The running mean of RFC 3550 section 6.4.1, here over the distance from the interval.
      if (late < 4 * interval) hearing.jitter_ms += (late - hearing.jitter_ms) / 16;
    }
    hearing.lastRegular = now;
  }
  countMessage(hearing, message);
}

/** It came; what it says of the peer is another matter. */
export function countMessage(hearing: Hearing, message: number): void {
  hearing.behind = message <= hearing.highest - WINDOW ? hearing.behind + 1 : 0;
  if (hearing.behind >= BEHIND_MAX) forgetCount(hearing);
  if (hearing.highest === 0) {
    hearing.highest = message;
    hearing.covered = 1;
    mark(hearing, message);
    return;
  }
  advance(hearing, message);
  if (message > hearing.highest - WINDOW) mark(hearing, message);
}

/** The peer started anew: its messages count from 1 again. */
export function forgetMessages(hearing: Hearing): void {
  forgetCount(hearing);
  hearing.lastMessage = 0;
  hearing.lastRegular = undefined;
  hearing.roundTrip_us = undefined;
}

function forgetCount(hearing: Hearing): void {
  hearing.came.fill(0);
  hearing.highest = 0;
  hearing.behind = 0;
  hearing.covered = 0;
  hearing.count = 0;
}

/** Messages known to have been sent up to `message` that did not come are lost so far. */
export function advance(hearing: Hearing, message: number): void {
  if (hearing.highest === 0 || message <= hearing.highest) return;
  const steps = Math.min(message - hearing.highest, WINDOW);
  for (let i = 0; i < steps; i++) {
    const slot = (message - i) % WINDOW;
    hearing.count -= hearing.came[slot] ?? 0;
    hearing.came[slot] = 0;
  }
  hearing.covered = Math.min(WINDOW, hearing.covered + (message - hearing.highest));
  hearing.highest = message;
}

function mark(hearing: Hearing, message: number): void {
  const slot = message % WINDOW;
  if (hearing.came[slot] === 1) return;
  hearing.came[slot] = 1;
  hearing.count += 1;
}

/** Lost of the last 100 messages in 1/1000. */
export function lossPermille(hearing: Hearing): number {
  if (hearing.covered === 0) return 0;
  return Math.round((1000 * Math.max(0, hearing.covered - hearing.count)) / hearing.covered);
}

export function isHeard(hearing: Hearing, dead: Milliseconds, now: Instant): boolean {
  return hearing.lastHeard !== undefined && between(hearing.lastHeard, now) < dead;
}

/** A gap in which this node itself was stalled counts against nobody. */
export function excuse(hearing: Hearing, gap: Milliseconds, now: Instant): void {
  // What was taken from the socket after waking is fresh already.
  if (hearing.lastHeard !== undefined) hearing.lastHeard = earliest(after(hearing.lastHeard, gap), now);
  hearing.lastRegular = undefined;
}

export function ageOf(hearing: Hearing, now: Instant): Milliseconds | undefined {
  return hearing.lastHeard === undefined
    ? undefined
    : between(hearing.lastHeard, instant(Math.max(now, hearing.lastHeard)));
}
