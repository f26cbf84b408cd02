/** What operators ask: taken in on any node, carried by heartbeats to the node that can do it, done once, answered. */
import { happened } from "./events.ts";
import { standbys } from "./eligibility.ts";
import { moveObstacle, placeGroup, startMove } from "./moves.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import type { Peer } from "../membership/peer.ts";
import type { Input } from "../effects.ts";
import type { OperatorAction, OperatorOutcome, OperatorRequest, OutcomeCode } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { after, type Instant } from "../units/time.ts";

/** How long a node remembers a request and its outcome: longer than anybody repeats it. */
const REMEMBERED_MS = 120_000;
const SERVED_MAX = 64;
const PENDING_MAX = 64;

/** A request from this node's control process. */
export function takeRequest(state: NodeState, input: Extract<Input, { kind: "request" }>, now: Instant): void {
  state.requestNumber += 1;
  const request: OperatorRequest = {
    origin: state.self.name,
    boot: state.boot,
    number: state.requestNumber,
    target: input.target,
    action: input.action,
  };
  if (!state.voters.includes(input.target)) {
    return reply(state, input.request, "refused", `there is no node ${input.target}`);
  }
  if (state.pending.length >= PENDING_MAX) return reply(state, input.request, "refused", "too many requests at once");
  state.pending.push({ local: input.request, request, until: after(now, input.timeout_ms) });
  if (input.target === state.self.name) serve(state, request, now);
  else tellEverybody(state);
}

function reply(state: NodeState, request: number, code: OutcomeCode, text: string): void {
  state.effects.push({ kind: "reply", request, code, text });
}

/** Requests that came with a peer's heartbeat. */
export function hearRequests(state: NodeState, requests: readonly OperatorRequest[], now: Instant): void {
  for (const request of requests) {
    if (request.target === state.self.name) serve(state, request, now);
  }
  if (requests.length > 0) tellEverybody(state);
}

function serve(state: NodeState, request: OperatorRequest, now: Instant): void {
  if (state.served.some((served) => sameRequest(served.request, request))) return;
  state.served.push({ request, outcome: undefined, until: after(now, REMEMBERED_MS) });
  if (state.served.length > SERVED_MAX) state.served.shift();
  const { action } = request;
  switch (action.kind) {
    case "move":
      return serveMove(state, request, action, now);
    case "drain":
      return serveDrain(state, request, action.reason, now);
    case "undrain":
      return serveUndrain(state, request, now);
  }
}

function serveMove(
  state: NodeState,
  request: OperatorRequest,
  action: Extract<OperatorAction, { kind: "move" }>,
  now: Instant,
): void {
  const group = state.groups.get(action.group);
  if (group === undefined) return finishRequest(state, request, "refused", `there is no group ${action.group}`);
  if (action.target === state.self.name && group.owner === state.self.name) {
    return finishRequest(state, request, "done", `${action.group} is on ${action.target} already`);
  }
  const obstacle = moveObstacle(state, group, action.target, now);
  if (obstacle !== undefined) return finishRequest(state, request, "refused", obstacle);
  startMove(state, group, action.target, `asked for on ${request.origin}`, request, now);
}

function serveDrain(state: NodeState, request: OperatorRequest, reason: string, now: Instant): void {
  for (const group of state.groups.values()) {
    if (group.lease.state.role === "holding" && standbys(state, group, now).length === 0) {
      const text = `draining ${state.self.name} would leave ${group.config.name} without an owner: no other node can take it`;
      return finishRequest(state, request, "refused", text);
    }
  }
  state.drained = reason === "" ? "no reason given" : reason;
  state.effects.push({ kind: "saveDrained", reason: state.drained });
  happened(state, now, { code: "drained", level: "warning", text: `${state.self.name} drained: ${state.drained}` });
  for (const group of state.groups.values()) placeGroup(state, group, now);
  settleDrain(state);
}

function serveUndrain(state: NodeState, request: OperatorRequest, now: Instant): void {
  if (state.drained !== undefined) {
    state.drained = undefined;
    state.effects.push({ kind: "saveDrained", reason: undefined });
    happened(state, now, { code: "undrained", text: `${state.self.name} is no longer drained` });
  }
  finishRequest(state, request, "done", `${state.self.name} may own groups again`);
}

/** A drain is done when nothing is held here any more and every hand-over was seen to end. */
export function settleDrain(state: NodeState): void {
  const draining = state.served.find(
    (served) => served.outcome === undefined && served.request.action.kind === "drain",
  );
  if (draining === undefined) return;
  for (const group of state.groups.values()) {
    if (group.move !== undefined || group.lease.state.role === "holding" || group.lease.state.role === "closing")
      return;
  }
  finishRequest(state, draining.request, "done", `${state.self.name} is drained and owns nothing`);
}

export function finishRequest(state: NodeState, request: OperatorRequest, code: OutcomeCode, text: string): void {
  const served = state.served.find((entry) => sameRequest(entry.request, request));
  const outcome: OperatorOutcome = { origin: request.origin, boot: request.boot, number: request.number, code, text };
  if (served !== undefined) served.outcome = outcome;
  if (request.origin === state.self.name) hearOutcomes(state, [outcome]);
  else tellEverybody(state);
}

export function hearOutcomes(state: NodeState, outcomes: readonly OperatorOutcome[]): void {
  for (const outcome of outcomes) {
    if (outcome.origin !== state.self.name || outcome.boot !== state.boot) continue;
    const index = state.pending.findIndex((pending) => pending.request.number === outcome.number);
    const pending = state.pending[index];
    if (pending === undefined) continue;
    state.pending.splice(index, 1);
    reply(state, pending.local, outcome.code, outcome.text);
  }
}

/** Requests to repeat to a peer, and outcomes it may be waiting for. */
export function requestsFor(state: NodeState, peer: NodeName): readonly OperatorRequest[] {
  if (state.pending.length === 0) return [];
  return state.pending.filter((pending) => pending.request.target === peer).map((pending) => pending.request);
}

/** Outcomes go out for as long as the asking node repeats its request. */
export function outcomesFor(state: NodeState, peer: Peer): readonly OperatorOutcome[] {
  const asked = peer.requests;
  if (asked.length === 0) return [];
  const outcomes = asked.map((request) => state.served.find((served) => sameRequest(served.request, request))?.outcome);
  return outcomes.filter((outcome) => outcome !== undefined);
}

export function expireRequests(state: NodeState, now: Instant): void {
  for (let i = state.pending.length - 1; i >= 0; i--) {
    const pending = state.pending[i];
    if (pending === undefined || now < pending.until) continue;
    state.pending.splice(i, 1);
    reply(state, pending.local, "timeout", `${pending.request.target} did not say in time that it is done`);
  }
  while (state.served[0] !== undefined && now >= state.served[0].until) state.served.shift();
}

function sameRequest(a: OperatorRequest, b: OperatorRequest): boolean {
  return a.origin === b.origin && a.boot === b.boot && a.number === b.number;
}
