/** Placement: who may own a group now, and in which order (requirement C1). */
import { isReluctant } from "./reluctance.ts";
import type { Group, NodeState } from "./state.ts";
import { adapterIneligibility } from "./swapping.ts";
import type { Ineligibility } from "../wire/messages.ts";
import { isAlive } from "../membership/peer.ts";
import type { NodeName } from "../units/names.ts";
import { after, between, type Instant, type Milliseconds, milliseconds } from "../units/time.ts";

/** Why this node would not own the group; "" when it would. */
export function ineligibility(state: NodeState, group: Group): Ineligibility {
  if (state.self.role === "witness") return "witness";
  if (group.leaving || !group.config.prefer.includes(state.self.name)) return "not-preferred";
  if (state.misconfigured) return "generation";
  if (state.unfit.size > 0) return "unfit";
  if (state.crashingUntil !== undefined) return "crashing";
  if (state.stopping) return "stopping";
  if (state.drained !== undefined) return "drained";
  const adapters = adapterIneligibility(state, group);
  if (adapters !== undefined) return adapters;
  if (group.addressTrouble !== undefined) return "address-failed";
  if (group.config.onConflict === "yield" && group.conflicts.yielded) return "yielded";
  return "";
}

/** Why a peer would not own it; "down" when it is not heard or has not said. */
export function peerIneligibility(
  state: NodeState,
  group: Group,
  node: NodeName,
  now: Instant,
): Ineligibility | "down" {
  const peer = state.peers.get(node);
  if (peer === undefined || !isAlive(peer, state.cluster.timing.dead, now)) return "down";
  if (peer.config.role === "witness") return "witness";
  if (!group.config.prefer.includes(node)) return "not-preferred";
  return peer.groups.get(group.config.name)?.ineligible ?? "down";
}

/** Eligible nodes other than this one, most wanted first; those that are reluctant come last (E5). */
export function standbys(state: NodeState, group: Group, now: Instant): readonly NodeName[] {
  const eligible = group.config.prefer.filter(
    (node) => node !== state.self.name && peerIneligibility(state, group, node, now) === "",
  );
  return eligible.some((node) => reluctant(state, node))
    ? eligible.toSorted((a, b) => Number(reluctant(state, a)) - Number(reluctant(state, b)))
    : eligible;
}

function reluctant(state: NodeState, node: NodeName): boolean {
  return node === state.self.name ? isReluctant(state) : state.peers.get(node)?.last?.reluctant === true;
}

/** This node's place among the eligible, 0 is first; those before it that are dead or ineligible do not count. */
export function ownRank(state: NodeState, group: Group, now: Instant): number {
  const { prefer } = group.config;
  const own = prefer.indexOf(state.self.name);
  const last = isReluctant(state);
  return prefer.filter((node, i) => {
    if (i === own || peerIneligibility(state, group, node, now) !== "") return false;
    const theirs = reluctant(state, node);
    return theirs === last ? i < own : last;
  }).length;
}

/** How far back deaths of a node count against it. */
const FLAP_MEMORY_MS = 600_000;

/** Failback waits longer for a node that keeps dying: settle, doubled by each death of the last ten minutes after the first. */
export function flapPenalty(state: NodeState, group: Group, node: NodeName, now: Instant): Milliseconds {
  const deaths = state.peers.get(node)?.deaths.filter((at) => between(at, now) < FLAP_MEMORY_MS).length ?? 0;
  if (deaths < 2) return milliseconds(0);
  return milliseconds(group.config.settle * 2 ** Math.min(deaths - 1, 10));
}

export interface Better {
  readonly node: NodeName;
  readonly at: Instant;
  /** For people. */
  readonly why: string;
}

/**
 * The node that should have the group instead of this owner, by `failback` or because this one is reluctant; undefined when it should stay. With
 * `at` when it is only a question of time.
 */
export function failbackTarget(state: NodeState, group: Group, now: Instant): Better | undefined {
  const { failback, prefer, settle } = group.config;
  if (isReluctant(state)) {
    const better = standbys(state, group, now)[0];
    if (better === undefined || reluctant(state, better)) return undefined;
    return {
      node: better,
      at: after(group.settledAt, settle),
      why: `${state.self.name} is reluctant, ${better} is not`,
    };
  }
  if (failback.kind === "manual") return undefined;
  const best = prefer[0] === state.self.name ? undefined : standbys(state, group, now)[0];
  if (best === undefined || reluctant(state, best) || prefer.indexOf(best) > prefer.indexOf(state.self.name))
    return undefined;
  const since = state.peers.get(best)?.aliveSince ?? now;
  const delay = failback.kind === "after" ? failback.delay : 0;
  const at = Math.max(since + delay, since + flapPenalty(state, group, best, now), group.settledAt + settle);
  return { node: best, at: at as Instant, why: `failback to ${best}, which comes first in prefer` };
}
