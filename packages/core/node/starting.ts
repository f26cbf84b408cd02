/** A node at its start: its state, and what it can know of its adapters. */
import { configureAdapters } from "./adapters.ts";
import { type Beginning, newState, type NodeState } from "./state.ts";
import { placeOnAdapters } from "./swapping.ts";
import type { Instant } from "../units/time.ts";

export function newNode(beginning: Beginning, now: Instant): NodeState {
  const state = newState(beginning, now);
  configureAdapters(state, now);
  placeOnAdapters(state, now);
  return state;
}
