/** Planned moves: by an operator, by failback, because this node must leave; one at a time for each group. */
import { happened } from "./events.ts";
import { failbackTarget, ineligibility, peerIneligibility, standbys } from "./eligibility.ts";
import { successorAnswers } from "./handing-over.ts";
import { leaseContext } from "./leases.ts";
import { staysByPause } from "./pausing.ts";
import { isReluctant } from "./reluctance.ts";
import { finishRequest } from "./requests.ts";
import type { Group, NodeState } from "./state.ts";
import { endHolding } from "../ownership/lease/holder.ts";
import { startHandOver } from "../ownership/lease/hand-over.ts";
import type { OperatorRequest } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { after, between, earliest, type Instant, NEVER } from "../units/time.ts";

const REASONS: Readonly<Record<string, string>> = {
  witness: "is a witness now",
  "not-preferred": "is no longer in prefer",
  drained: "is drained",
  stopping: "is stopping",
  "interface-down": "has lost the interface of its addresses",
  "adapters-failed": "has no adapter left for its addresses",
  "address-failed": "cannot place its addresses",
  generation: "has another configuration than the cluster",
  crashing: "crashed too often to own anything now",
  yielded: "gives way to another station that keeps an address of it",
  unfit: "is not fit to own anything",
};

/** Decide whether this node should give the group to another now. Called each beat and when something changed. */
export function placeGroup(state: NodeState, group: Group, now: Instant): void {
  const { lease } = group;
  if (lease.state.role !== "holding" || group.move !== undefined) return;
  const unfit = ineligibility(state, group);
  if (staysByPause(group, unfit)) return;
  if (unfit !== "") {
    const cause =
      unfit === "drained"
        ? `${state.self.name} is drained (${state.drained})`
        : `${state.self.name} ${REASONS[unfit] ?? unfit}`;
    return startMove(state, group, undefined, cause, undefined, now);
  }
  if (lease.state.first) return;
  const better = failbackTarget(state, group, now);
  if (better === undefined || better.at > now) return;
  startMove(state, group, better.node, better.why, undefined, now);
}

export function startMove(
  state: NodeState,
  group: Group,
  target: NodeName | undefined,
  cause: string,
  request: OperatorRequest | undefined,
  now: Instant,
): void {
  group.move = { target, cause, startedAt: now, tried: new Set(), request, handedTo: undefined };
  continueMove(state, group, "no other node can take it", now);
}

/** Offer the group to the next candidate; without one, stay, or release when this node must leave. */
export function continueMove(state: NodeState, group: Group, failure: string, now: Instant): void {
  const { move, lease } = group;
  if (move === undefined || lease.state.role !== "holding") return;
  // A stranger is in the way of every node.
  const yields = ineligibility(state, group) === "yielded";
  const others = move.target === undefined ? standbys(state, group, now) : [move.target];
  const candidates = yields ? [] : others;
  const context = leaseContext(state, group, now);
  for (const candidate of candidates) {
    if (move.tried.has(candidate)) continue;
    if (startHandOver(lease, context, candidate)) return;
  }
  const mustLeave = ineligibility(state, group) !== "";
  if (mustLeave) {
    endHolding(lease, context, "released", now);
    return finishMove(state, group, "done", `${group.config.name} released: ${failure}`);
  }
  happened(state, now, {
    code: "move-refused",
    level: "warning",
    group: group.config.name,
    text: `${group.config.name} stays on ${state.self.name}: ${failure}`,
  });
  group.settledAt = now;
  finishMove(state, group, "failed", `${group.config.name} stays on ${state.self.name}: ${failure}`);
}

function finishMove(state: NodeState, group: Group, code: "done" | "failed", text: string): void {
  const request = group.move?.request;
  group.move = undefined;
  if (request !== undefined) finishRequest(state, request, code, text);
}

/** The lease ended by itself before a successor was found: there is nothing left to move. */
export function abandonMove(state: NodeState, group: Group): void {
  if (group.move === undefined || group.move.handedTo !== undefined) return;
  const left = ineligibility(state, group) !== "";
  finishMove(state, group, left ? "done" : "failed", `${state.self.name} no longer holds ${group.config.name}`);
}

/** Follow a move until the successor is seen to answer; called when a report of it came, and each beat. */
export function followMove(state: NodeState, group: Group, now: Instant): void {
  const { move } = group;
  if (move?.handedTo === undefined) return;
  const { name } = group.config;
  if (state.peers.get(move.handedTo)?.groups.get(name)?.fence === "open") {
    group.owner = move.handedTo;
    group.ownerSince = now;
    successorAnswers(state, group, now);
    return finishMove(state, group, "done", `${name} is on ${move.handedTo}`);
  }
  const patience = after(move.startedAt, 3 * state.cluster.timing.dead);
  if (now < patience) return;
  finishMove(state, group, "failed", `${name} was handed to ${move.handedTo}, which was not seen to take it`);
}

export function failbackDeadline(state: NodeState, now: Instant): Instant {
  let next = NEVER;
  for (const group of state.groups.values()) {
    if (group.lease.state.role !== "holding" || group.move !== undefined) continue;
    if (group.config.failback.kind === "manual" && !isReluctant(state)) continue;
    const better = failbackTarget(state, group, now);
    if (better !== undefined && better.at > now) next = earliest(next, better.at);
  }
  return next;
}

/** Why an operator's move cannot be done; undefined when it can. */
export function moveObstacle(
  state: NodeState,
  group: Group,
  target: NodeName | undefined,
  now: Instant,
): string | undefined {
  const { name, prefer } = group.config;
  if (group.lease.state.role !== "holding" || group.lease.state.first) return `${state.self.name} does not own ${name}`;
  if (group.move !== undefined) return `${name} is being moved already`;
  if (target === undefined) {
    return standbys(state, group, now).length > 0 ? undefined : `no other node can take ${name} now`;
  }
  if (!prefer.includes(target)) return `${target} is not in prefer of ${name}`;
  const why = peerIneligibility(state, group, target, now);
  if (why === "") {
    const peer = state.peers.get(target);
    const recent = peer?.lastAt !== undefined && between(peer.lastAt, now) < 1.5 * state.cluster.timing.heartbeat;
    return recent ? undefined : `${target} was not heard in the last interval`;
  }
  return why === "down" ? `${target} is down` : `${target} ${REASONS[why] ?? `may not own it (${why})`}`;
}
