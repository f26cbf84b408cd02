/**
 * What is known of one of this node's adapters, and what follows from it (requirement A7). Nothing here asks or waits: who
 * is asked, and when, is in ../node/adapters.ts.
 *
 * A quiet network is no failure: an adapter counts as silent only when somebody else is known to hear its network.
 */
import type { AdapterState } from "../wire/messages.ts";
import type { InterfaceName } from "../units/names.ts";
import { after, between, type Instant, type Milliseconds } from "../units/time.ts";

export type Down = "administratively" | "missing" | "no-carrier";

/** Mutable: one adapter that a group of this node may use. */
export interface Adapter {
  readonly interface: InterfaceName;
  /** As groups name it; each of them is one network on every node. */
  names: readonly string[];
  /** The first of a segment. */
  service: boolean;
  /** A heartbeat link of this node is on it. */
  linked: boolean;
  /** An address of a group that this node holds is on it. */
  used: boolean;
  down: Down | undefined;
  /** It cannot have heard anything before. */
  upAt: Instant;
  /** The latest time at which a frame of anybody may have come; undefined: none has. */
  heardAt: Instant | undefined;
  /** The latest time after which one certainly came. */
  surelyHeardAt: Instant | undefined;
  /** A heartbeat came over a link on it. */
  linkHeardAt: Instant | undefined;
  /** A reference address answered through it. */
  referenceAt: Instant | undefined;
  /** Frames it had received when it was last counted, and when that was. */
  frames: number | undefined;
  countedAt: Instant | undefined;
  /** Counts in a row that found nothing new. */
  idleCounts: number;
  /** Questions in a row that brought nothing. */
  unansweredProbes: number;
  nextLook: Instant;
  nextProbe: Instant;
  /** In this silence: since when somebody else is known to hear its network. */
  contradictedSince: Instant | undefined;
  /** Since when another node misses a node on this network, or hears nothing there itself. */
  missedSince: Instant | undefined;
  nextTell: Instant;
  state: AdapterState;
  stateSince: Instant;
  /** After a silence: since when it hears again. */
  hearsAgainSince: Instant | undefined;
  /** When it last failed, some times. */
  failures: Instant[];
  /** A failure was told of and its end was not. */
  told: boolean;
  undecidedToldAt: Instant | undefined;
}

export function newAdapter(name: InterfaceName, now: Instant): Adapter {
  return {
    interface: name,
    names: [],
    service: false,
    linked: false,
    used: false,
    down: undefined,
    upAt: now,
    heardAt: undefined,
    surelyHeardAt: undefined,
    linkHeardAt: undefined,
    referenceAt: undefined,
    frames: undefined,
    countedAt: undefined,
    idleCounts: 0,
    unansweredProbes: 0,
    nextLook: now,
    nextProbe: now,
    contradictedSince: undefined,
    missedSince: undefined,
    nextTell: now,
    state: "undecided",
    stateSince: now,
    hearsAgainSince: undefined,
    failures: [],
    told: false,
    undecidedToldAt: undefined,
  };
}

/** A frame of somebody came between `since` and now. */
export function heardFrame(adapter: Adapter, since: Instant, limit_ms: number, now: Instant): void {
  if (silence(adapter, now) >= limit_ms) adapter.hearsAgainSince = now;
  adapter.heardAt = now;
  adapter.surelyHeardAt = since > (adapter.surelyHeardAt ?? since - 1) ? since : adapter.surelyHeardAt;
  adapter.idleCounts = 0;
  adapter.unansweredProbes = 0;
  adapter.contradictedSince = undefined;
}

/** How long nothing at all has been received, as far as it was up. */
export function silence(adapter: Adapter, now: Instant): Milliseconds {
  return between(silentSince(adapter), now);
}

export function silentSince({ heardAt, upAt }: Adapter): Instant {
  return heardAt === undefined || heardAt < upAt ? upAt : heardAt;
}

/**
 * The counter was read. What was counted longer ago than `recent_ms` says nothing of when frames came since: then it only
 * begins a comparison.
 */
export function framesCounted(
  adapter: Adapter,
  frames: number,
  times: { readonly recent_ms: number; readonly limit_ms: number },
  now: Instant,
): void {
  const { frames: before, countedAt } = adapter;
  adapter.frames = frames;
  adapter.countedAt = now;
  if (before === undefined || countedAt === undefined || between(countedAt, now) > times.recent_ms) {
    adapter.idleCounts = 0;
    return;
  }
  if (frames === before) adapter.idleCounts += 1;
  else heardFrame(adapter, countedAt, times.limit_ms, now);
}

/** The gap of a stall counts for nothing. */
export function excuseAdapter(adapter: Adapter, gap: Milliseconds, now: Instant): void {
  const moved = (at: Instant | undefined): Instant | undefined =>
    at === undefined ? undefined : (Math.min(after(at, gap), now) as Instant);
  adapter.heardAt = moved(adapter.heardAt);
  adapter.linkHeardAt = moved(adapter.linkHeardAt);
  adapter.upAt = moved(adapter.upAt) ?? adapter.upAt;
  adapter.idleCounts = 0;
  adapter.unansweredProbes = 0;
  adapter.contradictedSince = undefined;
}

/** What one other node can say of a network. */
export type Witness =
  /** It received something there that this node should have received too, or from others while this node heard nothing. */
  | "hears"
  /** It has an adapter there that works as far as it knows, and hears nothing either. */
  | "deaf"
  /** What it said is older than that. */
  | "not-yet"
  /** It has none there, is itself cut off there, or is not heard at all. */
  | "cannot-tell";

export interface Evidence {
  readonly down: Down | undefined;
  /** How long nothing at all was received. */
  readonly silent_ms: number;
  /** How long that may last before it means something. */
  readonly limit_ms: number;
  /** It was looked at closely in that time: frames were counted again and again, or the reference asked in vain. */
  readonly looked: boolean;
  readonly others: readonly Witness[];
  /** A reference answered here before, so its silence means something. */
  readonly referenceBefore: boolean;
  /** No other node can tell, and another adapter of this one hears a station that used to be heard by this one too. */
  readonly neighbourHears: boolean;
  /** How long somebody else is known to hear its network, and how long that has to be: a network heals here and there. */
  readonly contradicted_ms: number;
  readonly sure_ms: number;
}

/** Undefined: too early to say something else than before. */
export function verdict(evidence: Evidence): AdapterState | undefined {
  if (evidence.down !== undefined) return evidence.down === "no-carrier" ? "no-carrier" : "down";
  const { silent_ms, limit_ms } = evidence;
  if (silent_ms < limit_ms) return "ok";
  if (!evidence.looked) return silent_ms < 2 * limit_ms ? undefined : "undecided";
  const sure = evidence.contradicted_ms >= evidence.sure_ms;
  if (evidence.others.includes("hears")) return sure ? "silent" : undefined;
  // Reports of the others are older than the silence at first.
  if (silent_ms < 2 * limit_ms) return undefined;
  const deaf = evidence.others.filter((other) => other === "deaf").length;
  // Two that hear nothing are as well one that is mute and one that has nobody else to hear.
  if (deaf >= 2 || (deaf === 1 && evidence.referenceBefore)) return "network-down";
  if (evidence.others.includes("not-yet")) return undefined;
  if (!evidence.neighbourHears) return "undecided";
  return sure ? "silent" : undefined;
}

/** It cannot carry an address. */
export function hasFailed(state: AdapterState): boolean {
  return state === "down" || state === "no-carrier" || state === "silent";
}

/** One adapter of a segment, when it is chosen from. */
export interface Choice {
  readonly state: AdapterState;
  /** How long it has been good without a break. */
  readonly good_ms: number;
  /** How long it must have been before addresses come back to it. */
  readonly settle_ms: number;
}

/**
 * Which of a segment's adapters to use, in the order of the configuration; undefined: none can. One that works is only
 * left for one before it that has settled.
 */
export function chooseAdapter(choices: readonly Choice[], inUse: number): number | undefined {
  const current = choices[inUse];
  if (current !== undefined && !hasFailed(current.state)) {
    const better = choices.findIndex(({ good_ms, settle_ms }, i) => i < inUse && good_ms >= settle_ms);
    return better === -1 ? inUse : better;
  }
  for (const wanted of ["ok", "undecided"] as const) {
    const found = choices.findIndex(({ state }) => state === wanted);
    if (found !== -1) return found;
  }
  return undefined;
}

/** Addresses come back to an adapter that has been good for so long: bonding would say `updelay`. */
export const SETTLE_MS = 5000;
const FLAP_MEMORY_MS = 600_000;
const FAILURES_REMEMBERED = 16;

/** SETTLE_MS, doubled by each failure of the last ten minutes after the first. */
export function settleOf(adapter: Adapter, now: Instant): Milliseconds {
  const failures = adapter.failures.filter((at) => between(at, now) < FLAP_MEMORY_MS).length;
  return (SETTLE_MS * 2 ** Math.max(0, Math.min(failures, 10) - 1)) as Milliseconds;
}

export function failed(adapter: Adapter, now: Instant): void {
  adapter.failures.push(now);
  if (adapter.failures.length > FAILURES_REMEMBERED) adapter.failures.shift();
}
