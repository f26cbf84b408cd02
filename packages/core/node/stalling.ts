/**
 * Stall honesty (C12, design section 2): a node that was not run for a while first finds out what it still has, then
 * listens, then speaks. Whatever wakes it, a datagram or the timer, comes after that.
 */
import { excuseAdapters } from "./adapters.ts";
import { happened } from "./events.ts";
import { leaseContext, tickLease } from "./leases.ts";
import { countStall } from "./reluctance.ts";
import type { NodeState } from "./state.ts";
import { excusePeer } from "../membership/peer.ts";
import { endHolding, forgetRequest } from "../ownership/lease/holder.ts";
import type { Input } from "../effects.ts";
import { after, between, type Instant, milliseconds } from "../units/time.ts";

const STALLS_TOLD_EVERY_MS = 1000;

/** What the effects of the same turn brought back: the turn itself may have been long, placing addresses for instance. */
const RESULTS: ReadonlySet<Input["kind"]> = new Set([
  "flush",
  "armFailed",
  "saveFailed",
  "committed",
  "commitRefused",
  "closed",
  "closeFailed",
  "forwarded",
  "forwardFailed",
  "relaying",
  "relayFailed",
  "addressesPlaced",
  "addressesFailed",
]);

/** Before every input: woken late, nothing outstanding counts, and the silence of the gap counts against nobody. */
export function noticeStall(state: NodeState, input: Input, now: Instant): void {
  const late = between(state.expectedBy, now);
  const { heartbeat, window } = state.cluster.timing;
  // Inside a turn a request is good for as long as it could be committed.
  const tolerated = RESULTS.has(input.kind) ? Math.max(heartbeat / 2, window) : heartbeat / 2;
  if (late <= tolerated) return;
  const told = between(state.stalledUntil, now) < STALLS_TOLD_EVERY_MS;
  state.stalledUntil = after(now, heartbeat);
  state.expectedBy = now;
  for (const peer of state.peers.values()) excusePeer(peer, milliseconds(late), now);
  excuseAdapters(state, milliseconds(late), now);
  stepBack(state, now);
  state.nextBeat = now;
  if (told) return;
  const cause = input.kind === "stalled" ? input.cause : "";
  const why = cause === "" ? "" : `: it was ${cause}`;
  happened(state, now, {
    code: "stalled",
    level: "warning",
    text: `the daemon on ${state.self.name} was not run for ${Math.round(late)} ms${why}; leases are asked for anew`,
  });
  countStall(state, milliseconds(late), cause, now);
}

/** No request from before the gap leaves or counts, and what ended in it is over before anything is said. */
function stepBack(state: NodeState, now: Instant): void {
  state.outbox = state.outbox.filter(({ entry }) => entry.kind !== "propose");
  for (const group of state.groups.values()) {
    const lease = group.lease.state;
    if (lease.role !== "holding") continue;
    forgetRequest(lease);
    tickLease(state, group, now);
  }
}

/**
 * The machine's timers stood still with it, so what was open would outlive the pause by what was left of it, and others
 * may own by now (ownership.md section 11): everything is closed before anything else.
 */
export function takePause(state: NodeState, for_ms: number, now: Instant): void {
  state.outbox = [];
  for (const peer of state.peers.values()) excusePeer(peer, milliseconds(for_ms), now);
  excuseAdapters(state, milliseconds(for_ms), now);
  for (const group of state.groups.values()) {
    if (group.lease.state.role === "holding")
      endHolding(group.lease, leaseContext(state, group, now), "no-majority", after(now, state.cluster.timing.dead));
    // What is closing is waited for already.
    else if (group.lease.state.role !== "closing")
      state.effects.push({ kind: "close", group: group.config.name, armed: [] });
  }
  state.stalledUntil = after(now, state.cluster.timing.heartbeat);
  state.nextBeat = now;
  happened(state, now, {
    code: "paused",
    level: "alarm",
    text: `the machine of ${state.self.name} stood still for ${Math.round(for_ms)} ms; it closed everything and asks anew`,
  });
}
