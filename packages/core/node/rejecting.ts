/**
 * What was dropped of what arrived: counted by link, reason and source, and told to every node. Whoever attacks has many
 * addresses and much time: both the counts and what is told of them are bounded.
 */
import { happened } from "./events.ts";
import type { NodeState } from "./state.ts";
import type { Input } from "../effects.ts";
import { between, type Instant } from "../units/time.ts";

/** Mutable. */
export interface RejectedCount {
  readonly link: string;
  readonly reason: string;
  readonly source: string;
  count: number;
  /** What of `count` has been told. */
  told: number;
  toldAt: Instant | undefined;
  /** Told in other words: the sender has this node's own name. */
  cloned: string | undefined;
}

/** Mutable: how much may be told now. */
export interface Telling {
  left: number;
  since: Instant;
  /** Something is counted and could not be told. */
  waiting: boolean;
}

const COUNTS_MAX = 256;
/** Further sources of a link and reason are one. */
const OTHERS = "others";
const SAME_AGAIN_MS = 60_000;
/** Events in a row, and then one for each of these times: an event goes to every node. */
const AT_ONCE = 16;
const ANOTHER_AFTER_MS = 5000;

const WORDS: Readonly<Record<string, string>> = {
  malformed: "malformed: not a heartbeat",
  version: "version: another version of the seal",
  cluster: "cluster: of another cluster",
  link: "link: sealed for another link or another node",
  key: "key: under no key of the key file",
  auth: "auth: the seal is not authentic",
  replay: "replay: recorded and sent again",
  garbled: "garbled: damaged on the line",
  sender: "sender: a member that is not of this link",
  parse: "parse: authentic and not understood",
  filtered: "filtered: from no node of this link",
  flood: "flood: more than a node ever sends",
};

export function newTelling(now: Instant): Telling {
  return { left: AT_ONCE, since: now, waiting: false };
}

export function countRejected(state: NodeState, input: Extract<Input, { kind: "rejected" }>, now: Instant): void {
  const { link, reason } = input;
  const entry = countOf(state, link, reason, input.source);
  entry.count += input.count;
  tellRejected(state, entry, now);
}

/** Now, or when there is room for it (`tellLater`). */
export function tellRejected(state: NodeState, entry: RejectedCount, now: Instant): void {
  if (entry.toldAt !== undefined && between(entry.toldAt, now) < SAME_AGAIN_MS) return;
  if (!mayTell(state.telling, now)) {
    state.telling.waiting = true;
    return;
  }
  const { link, reason, source } = entry;
  const news = entry.count - entry.told;
  entry.told = entry.count;
  entry.toldAt = now;
  happened(state, now, {
    code:
      entry.cloned !== undefined ? "node-cloned" : reason === "filtered" ? "heartbeats-filtered" : "heartbeat-rejected",
    level: reason === "replay" || reason === "garbled" ? "warning" : "alarm",
    text:
      entry.cloned ??
      `${news} heartbeats from ${source} on ${link} dropped by ${state.self.name}: ${WORDS[reason] ?? reason}`,
  });
}

/** With the regular beat: what came when no more could be told. */
export function tellLater(state: NodeState, now: Instant): void {
  if (!state.telling.waiting) return;
  state.telling.waiting = false;
  for (const entry of state.rejected.values()) {
    if (entry.told < entry.count) tellRejected(state, entry, now);
    if (state.telling.waiting) return;
  }
}

/** The count of a source, or of all others when there are too many. */
export function countOf(state: NodeState, link: string, reason: string, source: string): RejectedCount {
  const known = state.rejected.get(`${link} ${reason} ${source}`);
  if (known !== undefined) return known;
  const shown = state.rejected.size < COUNTS_MAX ? source : OTHERS;
  const key = `${link} ${reason} ${shown}`;
  const others = state.rejected.get(key);
  if (others !== undefined) return others;
  const entry: RejectedCount = { link, reason, source: shown, count: 0, told: 0, toldAt: undefined, cloned: undefined };
  state.rejected.set(key, entry);
  return entry;
}

/** One more event may go out now. */
export function mayTell(telling: Telling, now: Instant): boolean {
  const earned = Math.floor(between(telling.since, now) / ANOTHER_AFTER_MS);
  if (earned > 0) {
    telling.left = Math.min(AT_ONCE, telling.left + earned);
    telling.since = now;
  }
  if (telling.left === 0) return false;
  telling.left -= 1;
  return true;
}
