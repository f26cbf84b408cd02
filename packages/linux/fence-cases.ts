/**
 * What a fence does, as a table: the one in the kernel and the one of the simulator have to pass the same cases
 * (ownership.md section 4, F1 to F6). Each case starts with a fresh fence, everything closed, nothing armed.
 *
 * A tick is up to 4 ms (HZ 250), and its work up to 5 ms late: a timeout of T set at t ends between t + T - 4 and
 * t + T + 5. Whoever runs a case does each step no earlier than `at_ms` and no later than `late_ms` after it; every
 * expectation holds whatever happens inside these bounds.
 */

import type { FenceState } from "@holdfast/core/wire/messages.ts";

export const CASE_WINDOW_MS = 100;
export const CASE_KEEP_MS = 200;

export type FenceOutcome = "done" | "refused";
export type CaseGroup = 1 | 2;

export type FenceStep =
  | {
      readonly at_ms: number;
      readonly act: "arm" | "commit";
      readonly group: CaseGroup;
      readonly number: number;
      readonly expect: FenceOutcome;
    }
  | {
      readonly at_ms: number;
      readonly act: "close" | "forward";
      readonly group: CaseGroup;
      readonly armed: readonly number[];
      readonly expect: FenceOutcome;
    }
  | {
      readonly at_ms: number;
      readonly act: "relay";
      readonly group: CaseGroup;
      readonly for_ms: number;
      readonly expect: FenceOutcome;
    }
  | { readonly at_ms: number; readonly act: "look"; readonly group: CaseGroup; readonly expect: FenceState };

export interface FenceCase {
  /** The rule, as a sentence. */
  readonly title: string;
  /** How late a step may be done. */
  readonly late_ms: number;
  /** In order of `at_ms`; steps of the same instant in order of the list. */
  readonly steps: readonly FenceStep[];
}

const LATE_MS = 10;
/** For cases at the edge of a timeout. */
const PROMPT_MS = 1;

export const FENCE_CASES: readonly FenceCase[] = [
  timed("a number that was never armed cannot be committed", [commit(0, 1, 1, "refused"), look(0, 1, "closed")]),
  timed("an armed number opens its group", [
    look(0, 1, "closed"),
    arm(0, 1, 1),
    look(0, 1, "closed"),
    commit(20, 1, 1),
    look(20, 1, "open"),
  ]),
  timed("only exactly the armed number of the group counts", [
    arm(0, 1, 10),
    commit(10, 1, 9, "refused"),
    commit(10, 1, 11, "refused"),
    commit(10, 1, 0, "refused"),
    commit(10, 2, 10, "refused"),
    look(10, 1, "closed"),
    look(10, 2, "closed"),
    commit(20, 1, 10),
    look(20, 1, "open"),
    look(20, 2, "closed"),
  ]),
  prompt("the window is at most one tick shorter than it says", [arm(0, 1, 1), commit(94, 1, 1), look(94, 1, "open")]),
  prompt("the window is over at the latest one late tick after it says", [
    arm(0, 1, 1),
    commit(107, 1, 1, "refused"),
    look(107, 1, "closed"),
  ]),
  prompt("a commit is good for at most one tick less than it says", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    look(194, 1, "open"),
  ]),
  prompt("a commit is over at the latest one late tick after it says", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    look(207, 1, "closed"),
  ]),
  timed("arming an armed number again does not move its window", [
    arm(0, 1, 1),
    arm(40, 1, 1),
    arm(70, 1, 1),
    commit(130, 1, 1, "refused"),
  ]),
  timed("a number whose window is over may be armed anew", [
    arm(0, 1, 1),
    commit(130, 1, 1, "refused"),
    arm(140, 1, 1),
    commit(200, 1, 1),
    look(200, 1, "open"),
  ]),
  timed("each number has a window of its own", [
    arm(0, 1, 1),
    arm(60, 1, 2),
    commit(130, 1, 1, "refused"),
    look(130, 1, "closed"),
    commit(130, 1, 2),
    look(130, 1, "open"),
  ]),
  timed("an older number counts as long as its own window lasts", [
    arm(0, 1, 1),
    arm(0, 1, 2),
    commit(20, 1, 2),
    commit(40, 1, 1),
    arm(130, 1, 3),
    commit(150, 1, 1, "refused"),
    commit(150, 1, 2, "refused"),
    // Refused commits moved nothing: the one at 40 ms counts.
    look(210, 1, "open"),
    look(270, 1, "closed"),
  ]),
  timed("every commit counts anew from its own time", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    commit(75, 1, 1),
    look(240, 1, "open"),
    look(310, 1, "closed"),
  ]),
  timed("the window bounds the commit and not what it is good for", [
    arm(0, 1, 1),
    commit(80, 1, 1),
    look(130, 1, "open"),
    look(250, 1, "open"),
    look(320, 1, "closed"),
  ]),
  timed("renewed in time a group stays open", [
    arm(0, 1, 1),
    commit(20, 1, 1),
    arm(120, 1, 2),
    commit(140, 1, 2),
    arm(240, 1, 3),
    commit(260, 1, 3),
    look(420, 1, "open"),
    look(500, 1, "closed"),
  ]),
  timed("a group that shut by itself opens again by its next number", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    look(250, 1, "closed"),
    arm(250, 1, 2),
    commit(270, 1, 2),
    look(270, 1, "open"),
  ]),
  timed("close shuts, and what was armed cannot be committed any more", [
    arm(0, 1, 1),
    arm(0, 1, 2),
    commit(10, 1, 1),
    close(20, 1, [1, 2]),
    look(20, 1, "closed"),
    commit(30, 1, 1, "refused"),
    commit(30, 1, 2, "refused"),
    look(30, 1, "closed"),
  ]),
  timed("close disarms the numbers it is told, and no other", [
    arm(0, 1, 1),
    arm(0, 1, 2),
    close(10, 1, [1]),
    commit(20, 1, 1, "refused"),
    commit(20, 1, 2),
    look(20, 1, "open"),
  ]),
  timed("closing what is closed is done, however often", [close(0, 1, []), close(10, 1, [7]), look(10, 1, "closed")]),
  timed("a closed group opens again by a number armed after it", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    close(10, 1, [1]),
    arm(20, 1, 1),
    commit(30, 1, 1),
    look(30, 1, "open"),
  ]),
  timed("groups do not touch each other", [
    arm(0, 1, 1),
    arm(0, 2, 1),
    commit(10, 1, 1),
    commit(10, 2, 1),
    close(20, 1, [1]),
    look(20, 1, "closed"),
    look(20, 2, "open"),
    forward(30, 2, []),
    look(30, 2, "forward"),
    relay(40, 1, 300),
    look(40, 1, "relay"),
    look(40, 2, "forward"),
    commit(50, 2, 1, "refused"),
    close(60, 2, []),
    look(60, 1, "relay"),
    look(60, 2, "closed"),
  ]),

  timed("an open group forwards until the deadline of its last commit, which stays where it was", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(100, 1, [1]),
    look(100, 1, "forward"),
    look(170, 1, "forward"),
    look(240, 1, "closed"),
  ]),
  timed("forwarding again does not prolong it", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(60, 1, [1]),
    forward(120, 1, []),
    forward(170, 1, []),
    look(240, 1, "closed"),
  ]),
  timed("what forwards cannot be committed, armed before or after", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    arm(10, 1, 2),
    forward(20, 1, []),
    commit(30, 1, 1, "refused"),
    commit(30, 1, 2, "refused"),
    arm(40, 1, 3),
    commit(60, 1, 3, "refused"),
    look(60, 1, "forward"),
    look(240, 1, "closed"),
  ]),
  timed("what stopped forwarding by its deadline cannot be committed before it was closed", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(20, 1, [1]),
    look(240, 1, "closed"),
    arm(250, 1, 2),
    commit(260, 1, 2, "refused"),
    look(260, 1, "closed"),
    close(270, 1, [2]),
    arm(280, 1, 3),
    commit(290, 1, 3),
    look(290, 1, "open"),
  ]),
  timed("forwarding disarms the numbers it is told", [
    arm(0, 1, 1),
    arm(0, 1, 2),
    commit(10, 1, 1),
    forward(20, 1, [1, 2]),
    close(30, 1, []),
    commit(40, 1, 1, "refused"),
    commit(40, 1, 2, "refused"),
    look(40, 1, "closed"),
  ]),
  timed("close ends forwarding, and never by answering", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(10, 1, [1]),
    close(20, 1, []),
    look(20, 1, "closed"),
    arm(30, 1, 2),
    commit(40, 1, 2),
    look(40, 1, "open"),
  ]),
  timed("what is shut does not forward, and has lost what it was told to disarm", [
    arm(0, 1, 1),
    forward(10, 1, [1], "refused"),
    look(10, 1, "closed"),
    commit(20, 1, 1, "refused"),
    arm(30, 1, 2),
    commit(40, 1, 2),
    look(40, 1, "open"),
  ]),
  timed("what shut by itself does not forward", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(240, 1, [], "refused"),
    look(240, 1, "closed"),
  ]),

  timed("a relay ends with its time", [
    relay(0, 1, 150),
    look(0, 1, "relay"),
    look(120, 1, "relay"),
    look(180, 1, "closed"),
  ]),
  timed("repeating a relay starts its time over", [
    relay(0, 1, 150),
    relay(100, 1, 150),
    look(210, 1, "relay"),
    look(290, 1, "closed"),
  ]),
  timed("a repeated relay may be shorter than the first", [
    relay(0, 1, 300),
    relay(20, 1, 60),
    look(50, 1, "relay"),
    look(120, 1, "closed"),
  ]),
  timed("the first commit ends the relay, which does not come back behind it", [
    relay(0, 1, 450),
    arm(10, 1, 1),
    look(10, 1, "relay"),
    commit(30, 1, 1),
    look(30, 1, "open"),
    look(200, 1, "open"),
    look(270, 1, "closed"),
  ]),
  timed("a refused commit leaves the relay", [
    relay(0, 1, 200),
    arm(0, 1, 1),
    commit(10, 1, 2, "refused"),
    look(10, 1, "relay"),
    commit(130, 1, 1, "refused"),
    look(130, 1, "relay"),
  ]),
  timed("close ends the relay", [
    relay(0, 1, 300),
    close(20, 1, []),
    look(20, 1, "closed"),
    relay(40, 1, 100),
    look(60, 1, "relay"),
  ]),
  timed("what is open does not become a relay", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    relay(20, 1, 400, "refused"),
    look(20, 1, "open"),
    look(240, 1, "closed"),
  ]),
  timed("a relay does not forward and goes on", [
    relay(0, 1, 200),
    arm(0, 1, 1),
    forward(10, 1, [1], "refused"),
    look(10, 1, "relay"),
    commit(20, 1, 1, "refused"),
  ]),
  timed("what forwards may relay besides: what remains when the deadline came is the relay", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(20, 1, [1]),
    relay(40, 1, 250),
    look(40, 1, "forward"),
    look(170, 1, "forward"),
    look(240, 1, "relay"),
    relay(250, 1, 150),
    look(370, 1, "relay"),
    look(440, 1, "closed"),
  ]),
  timed("close ends forwarding and relay together", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(10, 1, [1]),
    relay(20, 1, 300),
    close(30, 1, []),
    look(30, 1, "closed"),
    look(240, 1, "closed"),
  ]),
  timed("an old owner that closed after forwarding may relay for its successor", [
    arm(0, 1, 1),
    commit(0, 1, 1),
    forward(10, 1, [1]),
    close(30, 1, []),
    relay(30, 1, 200),
    look(30, 1, "relay"),
    arm(40, 1, 2),
    commit(50, 1, 2),
    look(50, 1, "open"),
  ]),
];

function timed(title: string, steps: readonly FenceStep[]): FenceCase {
  return { title, late_ms: LATE_MS, steps };
}

function prompt(title: string, steps: readonly FenceStep[]): FenceCase {
  return { title, late_ms: PROMPT_MS, steps };
}

function arm(at_ms: number, group: CaseGroup, number: number): FenceStep {
  return { at_ms, act: "arm", group, number, expect: "done" };
}

function commit(at_ms: number, group: CaseGroup, number: number, expect: FenceOutcome = "done"): FenceStep {
  return { at_ms, act: "commit", group, number, expect };
}

function close(at_ms: number, group: CaseGroup, armed: readonly number[]): FenceStep {
  return { at_ms, act: "close", group, armed, expect: "done" };
}

function forward(at_ms: number, group: CaseGroup, armed: readonly number[], expect: FenceOutcome = "done"): FenceStep {
  return { at_ms, act: "forward", group, armed, expect };
}

function relay(at_ms: number, group: CaseGroup, for_ms: number, expect: FenceOutcome = "done"): FenceStep {
  return { at_ms, act: "relay", group, for_ms, expect };
}

function look(at_ms: number, group: CaseGroup, expect: FenceState): FenceStep {
  return { at_ms, act: "look", group, expect };
}
