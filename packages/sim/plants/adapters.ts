/** Faults in how a node judges and changes its adapters, which the scenario `adapters` has to find. */
import type { Around, Plant } from "../plant.ts";
import { between, instant } from "@holdfast/core/units/time.ts";

/** Nothing is heard of the peers on it: it is not asked who else hears its network. */
const swapsOnSilence: Around = (_node, { state }, input, take, now) => {
  for (const adapter of state.adapters.values()) {
    if (adapter.linked && between(adapter.linkHeardAt ?? now, now) >= state.cluster.timing.dead)
      adapter.state = "silent";
  }
  return take(input);
};

/** The addresses are on another adapter, and the clients still ask the one before. */
const announcesOnce: Around = (node, _daemon, input, take) =>
  take(input).filter(
    (effect) =>
      effect.kind !== "announce" ||
      input.kind !== "addressesPlaced" ||
      node.announcing.get(effect.group) !== effect.term,
  );

/** Whatever works counts as having worked for ever. */
const neverSettles: Around = (_node, { state }, input, take) => {
  for (const adapter of state.adapters.values()) if (adapter.state === "ok") adapter.stateSince = instant(-1e9);
  return take(input);
};

/** The frames that others count prove nothing, and only heartbeats do: with two nodes nobody can tell any more. */
const countsNothing: Around = (_node, _daemon, input, take) => {
  if (input.kind === "framesCounted" || (input.kind === "answered" && input.of === undefined)) return [];
  return take(input);
};

export const ADAPTER_PLANTS = {
  swap_on_silence: { around: swapsOnSilence },
  no_announce_after_swap: { around: announcesOnce },
  return_without_settle: { around: neverSettles },
  frames_not_counted: { around: countsNothing },
} satisfies Readonly<Record<string, Plant>>;
