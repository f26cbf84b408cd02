/**
 * A daemon that keeps crashing must not keep an address: after three crashes in a minute it gives back what the one
 * before it left open, and owns nothing until a minute has passed without another.
 */
import { CRASHES_MAX } from "./crashes.ts";
import { happened } from "./events.ts";
import { wantAddresses } from "./leases.ts";
import type { Group, NodeState } from "./state.ts";
import { sameHolder } from "../ownership/lease/ballot.ts";
import { leaseHolder } from "../ownership/lease/voter.ts";
import { between, type Instant } from "../units/time.ts";

/** Each tick: the first one tells and gives back what is still open; the last one tells that it may own again. */
export function watchCrashes(state: NodeState, now: Instant): void {
  if (state.crashingUntil === undefined) return;
  const { name } = state.self;
  if (now >= state.crashingUntil) {
    state.crashingUntil = undefined;
    return happened(state, now, { code: "crashing-over", text: `${name} ran for a minute and may own groups again` });
  }
  if (state.crashingTold) return;
  state.crashingTold = true;
  const seconds = Math.ceil(between(now, state.crashingUntil) / 1000);
  happened(state, now, {
    code: "crashing",
    level: "alarm",
    text: `the daemon on ${name} crashed ${CRASHES_MAX} times in a minute: it owns nothing for the next ${seconds} s`,
  });
  for (const group of state.groups.values()) giveBack(state, group, now);
}

/** F3 and C9 for a lease of the daemon before. A ballot that this node's own voter does not know, C11 finds. */
function giveBack(state: NodeState, group: Group, now: Instant): void {
  if (group.inheritedUntil === undefined) return;
  group.inheritedUntil = undefined;
  const { accepted } = group.record;
  const holder = leaseHolder(group.record, now);
  if (
    accepted !== undefined &&
    holder !== undefined &&
    sameHolder(holder, { node: state.self.name, kernel: state.kernel })
  )
    group.lease.state = {
      role: "closing",
      ballot: accepted.ballot,
      next: { kind: "release", notBefore: now },
      forwarding: undefined,
      certainAt: undefined,
    };
  state.effects.push({ kind: "close", group: group.config.name, armed: [] });
  wantAddresses(state, group, false);
  happened(state, now, {
    code: "group-released",
    level: "warning",
    group: group.config.name,
    text: `${group.config.name} released by ${state.self.name}: its daemon keeps crashing`,
  });
}
