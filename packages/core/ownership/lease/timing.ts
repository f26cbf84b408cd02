/**
 * Timing of the lease (ownership.md section 8): from the heartbeat interval, the voters' lease and the kernel's tick,
 * the window W and the keep time K, and what an operator can expect of them.
 */
import type { Timing } from "../../cluster.ts";
import { failure, success, type Result } from "../../units/result.ts";
import { milliseconds, type Milliseconds } from "../../units/time.ts";

/** Why a pair of times is refused, in words for an operator. */
export interface TimingError {
  readonly code: "heartbeat-range" | "dead-range" | "dead-too-short" | "keep-too-short" | "jiffy-range";
  /** Which of the two settings is to blame first. */
  readonly field: "heartbeat" | "dead";
  readonly message: string;
  readonly hint: string;
}

/** rho: how far the rate of a clock may be off. */
export const CLOCK_RATE_ERROR = 0.01;
/** S2: the longest lease a voter may give; it abstains this long and 2 % more when its record is lost (V2). */
export const LONGEST_LEASE = milliseconds(5000);
export const SHORTEST_HEARTBEAT = milliseconds(10);
export const LONGEST_HEARTBEAT = milliseconds(1000);

/** r of L1: a round trip with both loops' wake-up, on a quiet LAN. */
const ROUND_TRIP = 1;
/** The window as a share of the interval: room for four sends h/8 apart and a round trip, less than half of T - h. */
const WINDOW_SHARE = 0.48;
/** Guards comparisons of values that went through a division; far below anything a kernel resolves. */
const EPSILON = 1e-6;

/** E: how late a timeout may fire, one tick and a millisecond. */
function lateTick(jiffy: number): number {
  return jiffy + 1;
}

/** S1: the most that W + K may be, so that the old fence is shut before a voter can accept anybody else. */
export function safetyLimit(dead: number, jiffy: number): Milliseconds {
  return milliseconds((dead * (1 - CLOCK_RATE_ERROR)) / (1 + CLOCK_RATE_ERROR) - jiffy - lateTick(jiffy));
}

/** The longest whole number of milliseconds up to `duration` that the kernel keeps as whole jiffies (F6). */
function floorToJiffy(duration: number, jiffy: number): number {
  const jiffies = Math.floor(duration / jiffy + EPSILON);
  const rounded = Math.ceil(jiffies * jiffy - EPSILON);
  return rounded <= duration + EPSILON ? rounded : Math.ceil((jiffies - 1) * jiffy - EPSILON);
}

/** L1 for n = 0: a keep time below this closes the fence between two renewals even when nothing is lost. */
function shortestKeep(heartbeat: number, jiffy: number): number {
  return heartbeat * (1 + CLOCK_RATE_ERROR) + jiffy;
}

function derive(heartbeat: number, dead: number, jiffy: number): Timing {
  const wanted = Math.max(3 * jiffy, floorToJiffy(WINDOW_SHARE * heartbeat, jiffy));
  const window = floorToJiffy(Math.min(wanted, floorToJiffy(heartbeat + jiffy, jiffy)), jiffy);
  const keep = Math.max(0, floorToJiffy(safetyLimit(dead, jiffy) - window, jiffy));
  return {
    heartbeat: milliseconds(heartbeat),
    dead: milliseconds(dead),
    window: milliseconds(window),
    keep: milliseconds(keep),
    jiffy: milliseconds(jiffy),
  };
}

/**
 * The timing for a heartbeat interval h (10 ms to 1 s), a lease T (2 h to 5 s) and the kernel's tick J (1 ms to 10 ms),
 * all in milliseconds. Fails, with what to choose instead, when S1 leaves no room for L1.
 */
export function timing(heartbeat: number, dead: number, jiffy: number): Result<Timing, TimingError> {
  const refused = outOfRange(heartbeat, dead, jiffy);
  if (refused) return failure(refused);
  const derived = derive(heartbeat, dead, jiffy);
  if (derived.keep < shortestKeep(heartbeat, jiffy)) return failure(keepTooShort(heartbeat, dead, jiffy));
  return success(derived);
}

function outOfRange(heartbeat: number, dead: number, jiffy: number): TimingError | undefined {
  if (!(jiffy >= 1 && jiffy <= 10)) {
    return {
      code: "jiffy-range",
      field: "heartbeat",
      message: `this kernel's tick is ${jiffy} ms; holdfast knows ticks of 1 to 10 ms`,
      hint: "run a kernel with CONFIG_HZ between 100 and 1000",
    };
  }
  if (!(heartbeat >= SHORTEST_HEARTBEAT && heartbeat <= LONGEST_HEARTBEAT)) {
    return {
      code: "heartbeat-range",
      field: "heartbeat",
      message: `heartbeat ${durationText(heartbeat)} is outside 10ms to 1s`,
      hint: "choose 100ms; 10ms only on a quiet LAN",
    };
  }
  if (!(dead <= LONGEST_LEASE)) {
    return {
      code: "dead-range",
      field: "dead",
      message: `dead ${durationText(dead)} is longer than 5s`,
      hint: "a voter without its record waits 5 s; choose at most 5s",
    };
  }
  if (!(dead >= 2 * heartbeat)) {
    return {
      code: "dead-too-short",
      field: "dead",
      message: `dead ${durationText(dead)} is less than two heartbeats of ${durationText(heartbeat)}`,
      hint: `one late heartbeat would count as a death; ${choice(heartbeat, jiffy)}`,
    };
  }
  return undefined;
}

function keepTooShort(heartbeat: number, dead: number, jiffy: number): TimingError {
  const derived = derive(heartbeat, dead, jiffy);
  const needed = Math.ceil(shortestKeep(heartbeat, jiffy));
  return {
    code: "keep-too-short",
    field: "dead",
    message: `dead ${durationText(dead)} is too short for heartbeat ${durationText(heartbeat)} on this kernel`,
    hint:
      `safety leaves the owner ${derived.keep} ms after a renewal and the next needs ${needed} ms ` +
      `(the kernel's tick is ${jiffy} ms); ${choice(heartbeat, jiffy)}`,
  };
}

/** The shortest lease, in steps of 10 ms, with which one renewal may be lost, or the advice to beat faster. */
function choice(heartbeat: number, jiffy: number): string {
  for (let dead = Math.ceil((2 * heartbeat) / 10) * 10; dead <= LONGEST_LEASE; dead += 10) {
    if (lossesTolerated(derive(heartbeat, dead, jiffy)) >= 1) return `choose dead: ${durationText(dead)} or more`;
  }
  return "choose a shorter heartbeat";
}

/** "100ms", "2s", "5m": as the configuration writes it, in the largest unit that needs no fraction. */
export function durationText(duration: number): string {
  if (duration !== 0 && duration % 3_600_000 === 0) return `${duration / 3_600_000}h`;
  if (duration !== 0 && duration % 60_000 === 0) return `${duration / 60_000}m`;
  return duration !== 0 && duration % 1000 === 0 ? `${duration / 1000}s` : `${duration}ms`;
}

/** n of L1: how many renewals in a row may be lost before the fence closes for a moment; -1: it does without loss. */
export function lossesTolerated(timing: Timing, roundTrip: number = ROUND_TRIP): number {
  const room = timing.keep - timing.jiffy - roundTrip;
  return Math.max(-1, Math.floor(room / (timing.heartbeat * (1 + CLOCK_RATE_ERROR)) + EPSILON) - 1);
}

/** L2: how many sends of one request, h/8 apart (C4), can still be answered inside the window that the kernel keeps. */
export function sendsInWindow(timing: Timing, roundTrip: number = ROUND_TRIP): number {
  const room = timing.window - timing.jiffy - roundTrip;
  return room < 0 ? 0 : Math.floor(room / (timing.heartbeat / 8) + EPSILON) + 1;
}

/** The wait between two candidates of neighbouring rank (C1). */
export function rankStep(timing: Timing): Milliseconds {
  return milliseconds(Math.min(timing.heartbeat / 4, 4));
}

/** L3: the longest time from an owner's death to the next owner, the `ranks`-th candidate in the order of preference. */
export function worstTakeover(timing: Timing, ranks = 1, roundTrip: number = ROUND_TRIP): Milliseconds {
  return milliseconds(timing.dead * (1 + CLOCK_RATE_ERROR) + 2 * roundTrip + ranks * rankStep(timing));
}

/** L3: half an interval has passed, on average, since the voters last accepted. */
export function typicalTakeover(timing: Timing, roundTrip: number = ROUND_TRIP): Milliseconds {
  return milliseconds(timing.dead - timing.heartbeat / 2 + roundTrip);
}

/** L3: how long nobody answers after a kill or a freeze: the old owner's kernel answers until its fence shuts. */
export function typicalSilence(timing: Timing): Milliseconds {
  return milliseconds(timing.dead - timing.keep);
}

/** L3: the same for an owner killed between the voters' acceptance and its commit. */
export function worstSilence(timing: Timing, ranks = 1, roundTrip: number = ROUND_TRIP): Milliseconds {
  const unrenewed = timing.heartbeat + timing.jiffy - timing.keep;
  return milliseconds(worstTakeover(timing, ranks, roundTrip) + unrenewed);
}
