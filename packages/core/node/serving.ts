/** What this node does for operators: each request once, however often it is heard. */
import { happened } from "./events.ts";
import { standbys } from "./eligibility.ts";
import { moveObstacle, placeGroup, startMove } from "./moves.ts";
import { passOn } from "./passing-on.ts";
import { servePause, settlePauses } from "./pausing.ts";
import { finishRequest, reply, sameRequest } from "./requests.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import type { Input } from "../effects.ts";
import type { OperatorAction, OperatorRequest } from "../wire/messages.ts";
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
  if (!state.cluster.nodes.some((node) => node.name === input.target)) {
    return reply(state, input.request, "refused", `there is no node ${input.target}`);
  }
  const heard = input.target === state.self.name || state.peers.has(input.target);
  if (!heard && !state.voters.some((voter) => state.peers.get(voter)?.alive === true))
    return reply(state, input.request, "refused", `${input.target} is told by voters, and none of them is heard`);
  if (state.pending.length >= PENDING_MAX) return reply(state, input.request, "refused", "too many requests at once");
  state.pending.push({ local: input.request, request, until: after(now, input.timeout_ms) });
  if (input.target === state.self.name) serve(state, request, now);
  else tellEverybody(state);
}

/**
 * Requests that came with a peer's heartbeat. An outcome that is known goes with the next beat: to answer at once what is
 * itself asked at once would keep two nodes that ask each other busy with nothing else.
 */
export function hearRequests(state: NodeState, requests: readonly OperatorRequest[], now: Instant): void {
  for (const request of requests) {
    if (request.target === state.self.name) serve(state, request, now);
    else passOn(state, request, now);
  }
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
    case "acknowledge":
      return serveAcknowledge(state, request, now);
    case "pause":
    case "resume":
      return servePause(state, request, action, now);
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

/** Each node's control takes the alarms before this event for seen: it goes the way of the alarms themselves. */
function serveAcknowledge(state: NodeState, request: OperatorRequest, now: Instant): void {
  const text = `the alarms so far were acknowledged on ${state.self.name}`;
  happened(state, now, { code: "alarms-acknowledged", text });
  finishRequest(state, request, "done", text);
}

/** Each beat: what was asked for and takes its time. */
export function settleRequests(state: NodeState): void {
  settleDrain(state);
  settlePauses(state);
}

/** A drain is done when nothing is held here any more and every hand-over was seen to end. */
function settleDrain(state: NodeState): void {
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
