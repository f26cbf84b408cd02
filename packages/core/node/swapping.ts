/**
 * Which adapter carries a group's addresses, segment by segment (requirement A6): another one of this node before another
 * node. A swap changes nothing of the lease: the fence covers every interface and stays open.
 */
import { adapterText } from "./adapter-events.ts";
import { happened } from "./events.ts";
import { wantAddresses } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { isPaused } from "./pausing.ts";
import { type Group, type NodeState, type Segment, tellEverybody } from "./state.ts";
import { type Adapter, chooseAdapter, type Choice, hasFailed, settleOf } from "../membership/adapter.ts";
import type { Ineligibility } from "../wire/messages.ts";
import type { InterfaceName } from "../units/names.ts";
import { between, type Instant } from "../units/time.ts";

/** An adapter on which nothing can be heard has only its carrier to show: it settles longer. */
const UNPROVEN = 4;

/** The adapters changed, or time has passed: each group goes to the best of each segment, or leaves this node. */
export function placeOnAdapters(state: NodeState, now: Instant): void {
  const choices = new Map<InterfaceName, Choice>();
  for (const [name, adapter] of state.adapters) choices.set(name, choiceOf(state, adapter, now));
  for (const group of state.groups.values()) chooseFor(state, group, choices, now);
}

function choiceOf(state: NodeState, adapter: Adapter, now: Instant): Choice {
  const since = between(adapter.stateSince, now);
  const silentByNature = !adapter.linked && (state.stations.get(adapter.interface) ?? []).length === 0;
  const unproven = adapter.state === "undecided" && silentByNature ? since / UNPROVEN : -1;
  return {
    state: adapter.state,
    good_ms: adapter.state === "ok" ? since : unproven,
    settle_ms: settleOf(adapter, now),
  };
}

function chooseFor(state: NodeState, group: Group, known: ReadonlyMap<InterfaceName, Choice>, now: Instant): void {
  const left: Segment[] = [];
  const before = group.segments.map(({ adapters, inUse }) => adapters[inUse]);
  let changed = false;
  for (const segment of group.segments) {
    const choices = segment.adapters.map((name) => known.get(name) as Choice);
    const current = choices[segment.inUse];
    const chosen = chooseAdapter(choices, segment.inUse);
    changed ||= segment.usable !== (chosen !== undefined);
    segment.usable = chosen !== undefined;
    if (chosen === undefined || chosen === segment.inUse) continue;
    // A move under way names the stations of both nodes, and who paused the group works there: nothing comes back then.
    if (current !== undefined && !hasFailed(current.state) && (isMoving(group) || isPaused(group))) continue;
    segment.inUse = chosen;
    left.push(segment);
  }
  if (left.length > 0) swap(state, group, before, now);
  if (!changed && left.length === 0) return;
  placeGroup(state, group, now);
  tellEverybody(state);
}

function isMoving({ move, offer, farewell, drainFrom, lease }: Group): boolean {
  const { role } = lease.state;
  const changing = role === "preparing" || role === "closing" || (role === "holding" && lease.state.first);
  return changing || move !== undefined || offer !== undefined || farewell !== undefined || drainFrom !== undefined;
}

function swap(state: NodeState, group: Group, before: readonly (InterfaceName | undefined)[], now: Instant): void {
  // What was handed over is only forwarded yet, from the station that the successor knows.
  if (!group.addressesWanted || group.farewell !== undefined) return;
  const { lease, config } = group;
  group.addressesPlaced = false;
  group.macs = [];
  // What was offered named the station before: it is offered again when the addresses are in place.
  if (lease.state.role === "holding" && lease.state.handOver !== undefined) lease.state.handOver.offered = false;
  wantAddresses(state, group, true);
  for (const [i, { adapters, inUse }] of group.segments.entries()) {
    const from = before[i];
    const to = adapters[inUse];
    if (from === undefined || to === undefined || from === to) continue;
    const left = state.adapters.get(from);
    const failure = left !== undefined && hasFailed(left.state);
    const why = failure ? `${from} ${adapterText(left, now)}` : `${to} comes first and has settled`;
    happened(state, now, {
      code: "swap-adapter",
      level: failure ? "warning" : "info",
      group: config.name,
      text: `${config.name} on ${state.self.name} goes from ${from} to ${to}: ${why}`,
    });
  }
}

/** Undefined when every segment has an adapter that may be used. */
export function adapterIneligibility(state: NodeState, group: Group): Ineligibility | undefined {
  const lost = group.segments.find(({ usable }) => !usable);
  if (lost === undefined) return undefined;
  const [only, ...others] = new Set(lost.adapters);
  const alone = only !== undefined && others.length === 0;
  return alone && state.interfacesDown.has(only) ? "interface-down" : "adapters-failed";
}

/** For the report: the worst of the segments. */
export function adapterInUse({ segments }: Group): number {
  return Math.max(0, ...segments.map(({ inUse }) => inUse));
}
