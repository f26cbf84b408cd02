/** What operators ask: taken in on any node, carried by heartbeats to the node that can do it, and answered. */
import { expirePassed, isFor, passBack, passedOutcome, passedRequestsFor } from "./passing-on.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import type { Peer } from "../membership/peer.ts";
import type { OperatorOutcome, OperatorRequest, OutcomeCode } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import type { Instant } from "../units/time.ts";

export function reply(state: NodeState, request: number, code: OutcomeCode, text: string): void {
  state.effects.push({ kind: "reply", request, code, text });
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
    if (outcome.origin !== state.self.name) passBack(state, outcome);
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
  const passed = passedRequestsFor(state, peer);
  if (state.pending.length === 0) return passed;
  const own = state.pending.filter(({ request }) => isFor(state, request, peer)).map(({ request }) => request);
  return [...own, ...passed];
}

/** Outcomes go out for as long as the asking node repeats its request. */
export function outcomesFor(state: NodeState, peer: Peer): readonly OperatorOutcome[] {
  const asked = peer.requests;
  if (asked.length === 0) return [];
  const outcomes = asked.map(
    (request) =>
      state.served.find((served) => sameRequest(served.request, request))?.outcome ?? passedOutcome(state, request),
  );
  return outcomes.filter((outcome) => outcome !== undefined);
}

export function expireRequests(state: NodeState, now: Instant): void {
  for (let i = state.pending.length - 1; i >= 0; i--) {
    const pending = state.pending[i];
    if (pending === undefined || now < pending.until) continue;
    state.pending.splice(i, 1);
    reply(state, pending.local, "timeout", `${pending.request.target} did not say in time that it is done`);
  }
  expirePassed(state, now);
  while (state.served[0] !== undefined && now >= state.served[0].until) state.served.shift();
}

export function sameRequest(a: OperatorRequest, b: OperatorRequest): boolean {
  return a.origin === b.origin && a.boot === b.boot && a.number === b.number;
}
