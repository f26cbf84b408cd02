/**
 * Stall honesty over time (requirement E5): a node that stalls again and again, or has hardly any memory left, prefers not to
 * own. It ranks behind all that do not, gives what it owns to one of those, and keeps it where there is none.
 */
import { happened } from "./events.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import { after, between, type Instant, type Milliseconds } from "../units/time.ts";

/** So many stalls within so long. */
const STALLS_MAX = 3;
const STALLS_WITHIN_MS = 60_000;
/** So long without one, and it is as good as any other. */
const OVER_AFTER_MS = 300_000;

export interface Reluctance {
  /** Of the last `STALLS_WITHIN_MS`, oldest first. */
  stalls: Instant[];
  until: Instant | undefined;
  /** What is scarce, and how scarce. */
  readonly strains: Map<string, string>;
}

export function newReluctance(): Reluctance {
  return { stalls: [], until: undefined, strains: new Map() };
}

export function isReluctant({ reluctance }: NodeState): boolean {
  return reluctance.until !== undefined || reluctance.strains.size > 0;
}

/** Shorter ones cost nobody anything: requests are repeated, and the fence is open for longer. */
export function countStall(state: NodeState, late: Milliseconds, cause: string, now: Instant): void {
  const { reluctance, cluster, self } = state;
  if (late < Math.max(cluster.timing.heartbeat, cluster.timing.keep / 2)) return;
  reluctance.stalls = reluctance.stalls.filter((at) => between(at, now) < STALLS_WITHIN_MS);
  reluctance.stalls.push(now);
  if (reluctance.until === undefined && reluctance.stalls.length < STALLS_MAX) return;
  const before = isReluctant(state);
  reluctance.until = after(now, OVER_AFTER_MS);
  if (before) return;
  const why = cause === "" ? "" : `, the last time because it was ${cause}`;
  happened(state, now, {
    code: "reluctant",
    level: "warning",
    text: `${self.name} prefers not to own anything: it stalled ${STALLS_MAX} times in a minute${why}`,
  });
  tellEverybody(state);
}

/** `detail` undefined: there is enough again. */
export function changeStrain(state: NodeState, what: string, detail: string | undefined, now: Instant): void {
  const { reluctance, self } = state;
  const before = isReluctant(state);
  if (detail === undefined) reluctance.strains.delete(what);
  else reluctance.strains.set(what, detail);
  if (detail !== undefined && !before)
    happened(state, now, {
      code: "reluctant",
      level: "alarm",
      text: `${self.name} prefers not to own anything: ${detail}`,
    });
  if (before) noLonger(state, now);
  tellEverybody(state);
}

/** Each tick. */
export function watchReluctance(state: NodeState, now: Instant): void {
  const { reluctance } = state;
  if (reluctance.until === undefined || now < reluctance.until) return;
  reluctance.until = undefined;
  noLonger(state, now);
}

function noLonger(state: NodeState, now: Instant): void {
  if (isReluctant(state)) return;
  happened(state, now, { code: "reluctant-over", text: `${state.self.name} may own groups as any other again` });
  tellEverybody(state);
}
