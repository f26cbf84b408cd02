/** When a daemon may be replaced by its successor in place: what it holds was just renewed, and nothing is half done. */
import type { Group, NodeState } from "./state.ts";
import { between, type Instant } from "../units/time.ts";

export type RestartObstacle =
  /** Something is under way that this daemon has to end itself. */
  | { readonly kind: "busy"; readonly text: string }
  /** Only the moment is wrong: right after the next renewal the fence stays open longest. */
  | { readonly kind: "stale"; readonly text: string };

/** Undefined: now. Ask again after each turn of the loop. */
export function restartObstacle(state: NodeState, now: Instant): RestartObstacle | undefined {
  let stale: RestartObstacle | undefined;
  for (const group of state.groups.values()) {
    const busy = underWay(group);
    if (busy !== undefined) return { kind: "busy", text: busy };
    if (!isFresh(state, group, now)) stale ??= { kind: "stale", text: `${group.config.name} waits for a renewal` };
  }
  return stale;
}

function underWay({ config, lease, move, offer, farewell, drainFrom }: Group): string | undefined {
  const { name } = config;
  if (move !== undefined) return `${name} is being moved`;
  if (offer !== undefined) return `${name} is being taken over`;
  if (farewell !== undefined || drainFrom !== undefined) return `connections of ${name} are still served by two nodes`;
  if (lease.releasing !== undefined || lease.state.role === "closing") return `${name} is being released`;
  if (lease.nominated !== undefined) return `${name} was handed over just now`;
  if (lease.state.role === "holding" && lease.state.first) return `${name} is being taken over`;
  return undefined;
}

/** The renewal of all groups comes with the same datagrams: some milliseconds apart at most. */
function isFresh(state: NodeState, group: Group, now: Instant): boolean {
  const { lease } = group;
  if (lease.state.role !== "holding" || lease.state.lapsed) return true;
  const { keep, heartbeat } = state.cluster.timing;
  return between(now, lease.state.openUntil) >= keep - Math.max(4, heartbeat / 8);
}

/** Groups whose fence is open here. */
export function heldGroups(state: NodeState, now: Instant): readonly Group[] {
  return [...state.groups.values()].filter(
    ({ lease }) => lease.state.role === "holding" && !lease.state.first && now < lease.state.openUntil,
  );
}
