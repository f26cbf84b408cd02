/** SIGTERM: hand over or release everything, then leave. */
import { ineligibility } from "./eligibility.ts";
import { happened } from "./events.ts";
import { leaseContext } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import { endHolding } from "../ownership/lease/holder.ts";
import { becomeIdle } from "../ownership/lease/state.ts";
import type { Instant } from "../units/time.ts";

/** SIGTERM: hand over what can be handed over, release the rest, leave when it is done. */
export function stop(state: NodeState, now: Instant): void {
  if (state.stopping) return;
  state.stopping = true;
  happened(state, now, { code: "node-stopping", text: `${state.self.name} is stopping` });
  for (const group of state.groups.values()) {
    if (group.lease.state.role === "preparing") becomeIdle(group.lease, now);
    if (group.lease.state.role === "holding" && group.lease.state.first) {
      endHolding(group.lease, leaseContext(state, group, now), "released", now);
    } else placeGroup(state, group, now);
  }
  tellEverybody(state);
}

export function leaveWhenReleased(state: NodeState, now: Instant): void {
  if (state.exited) return;
  for (const group of state.groups.values()) {
    if (group.lease.state.role !== "idle" || group.lease.releasing !== undefined || group.move !== undefined) return;
    if (ineligibility(state, group) === "" || group.farewell !== undefined) return;
  }
  state.exited = true;
  happened(state, now, { code: "node-stopped", text: `${state.self.name} has released everything and stops` });
  tellEverybody(state);
  state.later.push({ kind: "exit" });
}
