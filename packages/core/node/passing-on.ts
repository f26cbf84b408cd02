/**
 * Requests for a node that the asking one does not hear: it gives them to the voters it hears, a voter gives them to the node
 * itself, and the outcome goes the same way back. However many voters pass it on, the request is done once (serving.ts).
 */
import type { NodeState } from "./state.ts";
import { tellEverybody } from "./state.ts";
import { votes } from "./overhearing.ts";
import type { OperatorOutcome, OperatorRequest } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { after, type Instant } from "../units/time.ts";

const PASSED_MAX = 64;
/** Since it was heard last from who asked, in leases: it repeats what has no outcome yet. */
const KEPT_LEASES = 3;

/** Mutable: another's request on its way through this voter. */
export interface PassedRequest {
  readonly request: OperatorRequest;
  outcome: OperatorOutcome | undefined;
  until: Instant;
}

/** This node's own requests to give to `peer` for a node that it does not hear itself. */
export function isFor(state: NodeState, request: OperatorRequest, peer: NodeName): boolean {
  if (request.target === peer) return true;
  return !state.peers.has(request.target) && request.target !== state.self.name && state.voters.includes(peer);
}

/** A request that is for another node. */
export function passOn(state: NodeState, request: OperatorRequest, now: Instant): void {
  if (!votes(state) || !state.peers.has(request.target) || request.origin === request.target) return;
  const until = after(now, KEPT_LEASES * state.cluster.timing.dead);
  const known = state.passed.find((passed) => isSame(passed.request, request));
  if (known !== undefined) {
    known.until = until;
    return;
  }
  if (state.passed.length >= PASSED_MAX) return;
  state.passed.push({ request, outcome: undefined, until });
  tellEverybody(state);
}

/** An outcome that is for another node. */
export function passBack(state: NodeState, outcome: OperatorOutcome): void {
  const passed = state.passed.find(({ request }) => isSame(request, outcome));
  if (passed === undefined || passed.outcome !== undefined) return;
  passed.outcome = outcome;
  tellEverybody(state);
}

export function passedRequestsFor(state: NodeState, peer: NodeName): readonly OperatorRequest[] {
  if (state.passed.length === 0) return [];
  const open = state.passed.filter(({ request, outcome }) => request.target === peer && outcome === undefined);
  return open.map(({ request }) => request);
}

export function passedOutcome(state: NodeState, request: OperatorRequest): OperatorOutcome | undefined {
  return state.passed.find((passed) => isSame(passed.request, request))?.outcome;
}

export function expirePassed(state: NodeState, now: Instant): void {
  for (let i = state.passed.length - 1; i >= 0; i--) {
    const passed = state.passed[i];
    if (passed !== undefined && now >= passed.until) state.passed.splice(i, 1);
  }
}

type Identity = Pick<OperatorRequest, "origin" | "boot" | "number">;

function isSame(a: Identity, b: Identity): boolean {
  return a.origin === b.origin && a.boot === b.boot && a.number === b.number;
}
