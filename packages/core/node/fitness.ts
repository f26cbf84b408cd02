/**
 * Own failures (requirement B4): what this machine finds broken in itself. While anything is, it owns nothing: what it holds
 * is released at once, or handed over where it still serves.
 */
import { happened } from "./events.ts";
import { leaseContext } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { changeStrain } from "./reluctance.ts";
import { type Group, type NodeState, tellEverybody } from "./state.ts";
import type { Input } from "../effects.ts";
import { endHolding } from "../ownership/lease/holder.ts";
import { becomeIdle } from "../ownership/lease/state.ts";
import type { Instant } from "../units/time.ts";

/** Scarce, not gone: no reason to leave a group without an owner. */
const STRAINS: ReadonlySet<string> = new Set(["memory"]);
/** What goes on serving for a while without these can be handed over without a gap. */
const STILL_SERVES: ReadonlySet<string> = new Set(["netlink"]);

export function takeFitness(state: NodeState, input: Extract<Input, { kind: "fitness" }>, now: Instant): void {
  const { what, fit, detail } = input;
  if (STRAINS.has(what)) return changeStrain(state, what, fit ? undefined : detail, now);
  const { name } = state.self;
  if (fit) {
    if (!state.unfit.delete(what)) return;
    const left = [...state.unfit.keys()].join(", ");
    const text =
      left === "" ? `${name} is fit to own groups again` : `${name} is still not fit to own anything (${left})`;
    happened(state, now, { code: "node-fit", text: `${text}: ${detail}` });
    return tellEverybody(state);
  }
  const told = state.unfit.has(what);
  state.unfit.set(what, detail);
  if (told) return;
  happened(state, now, {
    code: "node-unfit",
    level: "alarm",
    text: `${name} is not fit to own anything (${what}): ${detail}`,
  });
  for (const group of state.groups.values()) giveUp(state, group, STILL_SERVES.has(what), now);
  tellEverybody(state);
}

function giveUp(state: NodeState, group: Group, serves: boolean, now: Instant): void {
  const { lease } = group;
  if (lease.state.role === "preparing") return becomeIdle(lease, now);
  if (lease.state.role !== "holding") return;
  if (serves && !lease.state.first) return placeGroup(state, group, now);
  // Nobody is served here: what a hand-over would save is lost already, and its steps take time.
  endHolding(lease, leaseContext(state, group, now), "released", now);
}

/** In words, for people; undefined: it is fit. */
export function unfitText(state: NodeState): string | undefined {
  if (state.unfit.size === 0) return undefined;
  return [...state.unfit].map(([what, detail]) => `${what}: ${detail}`).join("; ");
}
