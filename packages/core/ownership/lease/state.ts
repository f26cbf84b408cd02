/** The state of one group's candidate and holder, and what the machine asks of the node around it (ownership.md sections 2 and 5). */
import { type Ballot, type Holder, ROUND_MAX } from "./ballot.ts";
import { nextRandom, type RandomState } from "../../random.ts";
import type { Effect, VoterRecord } from "../../effects.ts";
import type { Timing } from "../../cluster.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { Mac } from "../../units/mac.ts";
import type { BootId, GroupName, NodeName } from "../../units/names.ts";
import { after, type Instant, type Milliseconds, milliseconds, NEVER } from "../../units/time.ts";

/** Not standing; stands when eligible, `notBefore` has passed and the own voter's lease of another is over (C1). */
export interface Idle {
  readonly role: "idle";
  notBefore: Instant;
  /** `notBefore` already has the rank's wait in it; without, that wait comes after it. */
  ranked: boolean;
}

/** Asked for promises; `since` is when (C2). */
export interface Preparing {
  readonly role: "preparing";
  readonly ballot: Ballot;
  readonly since: Instant;
  repeatAt: Instant;
  readonly promises: Set<NodeName>;
  /** When a voter that refused is expected to be free. */
  readonly refusals: Map<NodeName, Instant>;
  /** Voters to ask the same again, and when: their lease of another ends inside the window. */
  readonly askAgain: Map<NodeName, Instant>;
}

/** Has a majority of promises, or was nominated: asks for grants each interval (C4 to C8). */
export interface Holding {
  readonly role: "holding";
  ballot: Ballot;
  /** The outstanding request, 0 without one. */
  number: number;
  readonly grants: Set<NodeName>;
  readonly refusals: Set<NodeName>;
  /** The outstanding number has its majority and was committed. */
  committed: boolean;
  askedAt: Instant;
  repeatAt: Instant;
  /** No commit yet under this lease. */
  first: boolean;
  /** Numbers asked for before the first commit. */
  tries: number;
  /** Times the ballot was raised before the first commit. */
  raises: number;
  /** The highest ballot a voter said it had promised instead. */
  hint: Ballot | undefined;
  /** Last majority, or when holding began. */
  majorityAt: Instant;
  /** The fence is open until then at the latest; before any commit: the past. */
  openUntil: Instant;
  /** The fence ended by itself and that was told. */
  lapsed: boolean;
  /** `on_quorum_loss: hold`: when the outstanding request is committed although no majority granted it. */
  holdAt: Instant;
  /** The last commit had no majority: another owner by a majority, or by a later ballot, goes first. */
  alone: boolean;
  /** A voter said that another holds its lease: until then nothing is held alone. */
  yieldUntil: Instant;
  /** Numbers that may still be armed in the kernel, oldest first. */
  readonly armed: { readonly number: number; readonly until: Instant }[];
  /** N4: carried before the propose until the first commit. */
  readonly nomination: Extract<LeaseEntry, { kind: "nominate" }> | undefined;
  handOver: HandOver | undefined;
}

/** N1: the owner's side of a planned move that was not yet agreed. */
export interface HandOver {
  readonly successor: NodeName;
  /** The offer goes out after the next commit. */
  offered: boolean;
  /** Given up when there is no ready by then. */
  readonly until: Instant;
}

/** The fence is being closed (F3) or goes over to forwarding (F4); `next` follows when the kernel confirmed it. */
export interface Closing {
  readonly role: "closing";
  readonly ballot: Ballot;
  readonly next: AfterClose;
  /** F4: what is being set up instead of a plain close. */
  readonly forwarding: Forwarding | undefined;
  /** Set when closing failed: every right has ended by then (F3). */
  readonly certainAt: Instant | undefined;
}

/** The old owner's side of a planned move: what arrives goes on to the successor (ownership.md section 6). */
export interface Forwarding {
  readonly successor: NodeName;
  /** The successor's station in each of the group's segments. */
  readonly macs: readonly Mac[];
  /** The fence's own deadline, which bounds the forwarding too. */
  readonly until: Instant;
  readonly armed: readonly number[];
}

export type AfterClose =
  | { readonly kind: "release"; readonly notBefore: Instant }
  | { readonly kind: "nominate"; readonly successor: Holder; readonly boot: BootId };

export type Role = Idle | Preparing | Holding | Closing;

/** One group's lease on this node. */
export interface Lease {
  readonly group: GroupName;
  state: Role;
  /** C9: releases that are repeated in each beat until all live voters confirmed or T passed. */
  releasing:
    | {
        readonly entry: Extract<LeaseEntry, { kind: "release" }>;
        readonly until: Instant;
        readonly confirmed: Set<NodeName>;
      }
    | undefined;
  /** N2: the one nomination of an ended lease, repeated identically for T. */
  nominated: { readonly entry: Extract<LeaseEntry, { kind: "nominate" }>; readonly until: Instant } | undefined;
  /** N3: nominations taken up; each once. */
  readonly adopted: string[];
}

/** What the machine tells the node: everything the group's resources hang on. */
export type LeaseOutcome =
  /** A majority promised, or a nomination was taken up: get the addresses ready behind the closed fence. */
  | { readonly kind: "elected" }
  /** The fence opened: first commit, or first after a lapse. */
  | { readonly kind: "opened"; readonly first: boolean }
  /** What arrives goes on to the successor, and this node's part of the lease is over. */
  | { readonly kind: "forwarding"; readonly forwarding: Forwarding }
  /** The fence ended by itself; still holding and asking. */
  | { readonly kind: "lapsed" }
  /** Closed and no longer holding. */
  | { readonly kind: "ended"; readonly why: EndCause; readonly successor: NodeName | undefined }
  | { readonly kind: "handOverFailed"; readonly successor: NodeName; readonly why: string };

export type EndCause = "released" | "handed-over" | "not-elected" | "no-majority";

/** C6: how often a ballot is raised before the first commit. */
export const RAISES_MAX = 2;

/** What both counters of a boot have reached: one for all groups, never back (I5). */
export interface Counters {
  /** The highest round made or seen. */
  round: number;
  /** The last request number made. */
  number: number;
}

/** What the machine needs to know of its surroundings, and where it puts what it wants. */
export interface LeaseContext {
  readonly now: Instant;
  readonly timing: Timing;
  readonly voters: readonly NodeName[];
  readonly majority: number;
  /** Without a majority the owner goes on alone (`on_quorum_loss: hold`), as far as is known. */
  readonly holds: boolean;
  readonly holder: Holder;
  readonly boot: BootId;
  readonly counters: Counters;
  readonly random: RandomState;
  readonly eligible: boolean;
  /** This node's place among the candidates, 0 is first. */
  readonly rank: number;
  /** This node's station in each of the group's segments; none when its addresses are not in place. */
  readonly macs: readonly Mac[];
  /** The record of this node's own voter; EMPTY_RECORD for a node that does not vote. */
  readonly record: VoterRecord;
  readonly say: (to: NodeName, entry: LeaseEntry) => void;
  readonly effect: (effect: Effect) => void;
  readonly tell: (outcome: LeaseOutcome) => void;
}

export function newLease(group: GroupName, notBefore: Instant): Lease {
  return {
    group,
    state: { role: "idle", notBefore, ranked: false },
    releasing: undefined,
    nominated: undefined,
    adopted: [],
  };
}

export function sayToVoters(context: LeaseContext, entry: LeaseEntry): void {
  for (const voter of context.voters) context.say(voter, entry);
}

/**
 * A ballot that was never made before (I5). When all rounds are used up it is one that was, and voters refuse it: nothing
 * unsafe, but no owner until the daemons' voter records are removed (docs/protocol.md).
 */
export function newBallot(context: LeaseContext): Ballot {
  context.counters.round = Math.min(ROUND_MAX, context.counters.round + 1);
  return { round: context.counters.round, node: context.holder.node, boot: context.boot };
}

/** C1: rank x step, plus up to half a step at random, so that candidates start one after the other. */
export function rankDelay(context: LeaseContext): Milliseconds {
  const step = Math.min(context.timing.heartbeat / 4, 4);
  return milliseconds((context.rank + 0.5 * nextRandom(context.random)) * step);
}

/** With a majority of promises, or by a nomination, which needs no ballot raised above it (N4). */
export function newHolding(ballot: Ballot, nomination: Holding["nomination"], now: Instant): Holding {
  return {
    role: "holding",
    ballot,
    number: 0,
    grants: new Set(),
    refusals: new Set(),
    committed: false,
    askedAt: now,
    repeatAt: NEVER,
    first: true,
    tries: 0,
    raises: nomination === undefined ? 0 : RAISES_MAX,
    hint: undefined,
    majorityAt: now,
    openUntil: now,
    lapsed: false,
    holdAt: NEVER,
    alone: false,
    yieldUntil: now,
    armed: [],
    nomination,
    handOver: undefined,
  };
}

export function becomeIdle(lease: Lease, notBefore: Instant): void {
  lease.state = { role: "idle", notBefore, ranked: true };
}

/** Longer than any right can last once nothing is armed or committed any more: W + K + 20 ms (F3). */
export function certainlyClosed(context: LeaseContext): Instant {
  return after(context.now, context.timing.window + context.timing.keep + 20);
}
