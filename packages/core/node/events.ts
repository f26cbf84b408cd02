/** What happened, for people and for every node: numbered, kept a while, told to control and to the peers. */
import type { NodeState } from "./state.ts";
import type { ClusterEvent, EventLevel } from "../wire/messages.ts";
import type { Peer } from "../membership/peer.ts";
import type { GroupName } from "../units/names.ts";
import type { Instant } from "../units/time.ts";

const KEPT = 200;
/** Events that ride in one heartbeat; the rest follows in the next ones. */
export const EVENTS_A_BEAT = 4;

export interface EventText {
  readonly code: string;
  readonly text: string;
  readonly level?: EventLevel;
  readonly group?: GroupName;
  readonly phases?: Readonly<Record<string, number>>;
}

/** Record an event of this node. */
export function happened(state: NodeState, now: Instant, event: EventText): void {
  state.eventNumber += 1;
  const made: ClusterEvent = {
    node: state.self.name,
    boot: state.boot,
    number: state.eventNumber,
    wall_ms: Math.round(now + state.wallOffset_ms),
    level: event.level ?? "info",
    code: event.code,
    group: event.group,
    text: event.text,
  };
  state.events.push(made);
  if (state.events.length > KEPT) state.events.shift();
  state.effects.push({ kind: "record", event: { ...made, phases: event.phases } });
}

/** What a peer has not yet seen of this node's events, oldest first. */
export function eventsFor(state: NodeState, peer: Peer): readonly ClusterEvent[] {
  if (peer.eventsSeen >= state.eventNumber) return [];
  return state.events.filter((event) => event.number > peer.eventsSeen).slice(0, EVENTS_A_BEAT);
}

/** Events of a peer that came with its heartbeat: each is told once, in order. */
export function takeEvents(state: NodeState, peer: Peer, events: readonly ClusterEvent[]): void {
  const leapBefore = peer.eventLeap;
  for (const event of events) {
    if (event.node !== peer.config.name || event.boot !== peer.boot || event.number <= peer.eventsHad) continue;
    // Of more than it keeps a peer may have forgotten some; but one damaged number must not end its reports. It repeats them.
    if (event.number > peer.eventsHad + KEPT && event.number !== leapBefore) {
      peer.eventLeap = event.number;
      return;
    }
    peer.eventsHad = event.number;
    state.effects.push({ kind: "record", event: { ...event, phases: undefined } });
  }
}
