/**
 * A voter that holds nothing beats together with its answer to a holder: one datagram a link instead of two, and one
 * wake-up instead of two. Its own timer comes last, an eighth of an interval later, for when no holder asks.
 */
import type { NodeState } from "./state.ts";
import { after, between, earliest, type Instant, type Milliseconds, milliseconds } from "../units/time.ts";

/** The longest time between two regular heartbeats of a node that follows a holder. */
function patience(state: NodeState): Milliseconds {
  return milliseconds((state.cluster.timing.heartbeat * 9) / 8);
}

/**
 * After a heartbeat was taken in: true when it brought a holder's request and the regular heartbeat goes with the answer.
 * Too early for that, the next one is put off bit by bit until the holder comes first.
 */
export function followHolder(state: NodeState, now: Instant): boolean {
  if (!state.outbox.some(({ to, entry }) => entry.kind === "grant" && to !== state.self.name)) return false;
  // C4: a holder asks by its own timer alone.
  for (const group of state.groups.values()) if (group.lease.state.role !== "idle") return false;
  const { heartbeat } = state.cluster.timing;
  const early = between(now, state.nextBeat) > heartbeat / 2;
  const next = early ? after(state.nextBeat, heartbeat / 8) : after(now, patience(state));
  state.nextBeat = early ? earliest(next, after(state.lastBeat, patience(state))) : next;
  return !early;
}
