/** Carrier of an interface comes or goes: what it means for its addresses follows in the same turn. */
import { setCarrier } from "./adapters.ts";
import { downText } from "./adapter-events.ts";
import { happened } from "./events.ts";
import { announce } from "./leases.ts";
import { placeGroup } from "./moves.ts";
import { type NodeState, tellEverybody } from "./state.ts";
import { placeOnAdapters } from "./swapping.ts";
import type { Input } from "../effects.ts";
import type { Instant } from "../units/time.ts";

export function interfaceChanged(
  state: NodeState,
  input: Extract<Input, { kind: "interfaceChanged" }>,
  now: Instant,
): void {
  const { interface: name, up } = input;
  const adapter = state.adapters.get(name);
  const down = up ? undefined : (input.down ?? "no-carrier");
  if (state.interfacesDown.has(name) !== up) {
    // Why it does not work may be told later than that.
    if (adapter !== undefined && adapter.down !== down) setCarrier(state, adapter, down, now);
    return;
  }
  if (up) state.interfacesDown.delete(name);
  else state.interfacesDown.add(name);
  happened(state, now, {
    code: up ? "interface-up" : "interface-down",
    level: up ? "info" : "alarm",
    text: `interface ${name} of ${state.self.name} ${up ? "has a carrier again" : downText(down)}`,
  });
  if (adapter !== undefined) {
    setCarrier(state, adapter, down, now);
    placeOnAdapters(state, now);
  }
  for (const group of state.groups.values()) {
    if (!group.segments.some(({ adapters, inUse }) => adapters[inUse] === name)) continue;
    placeGroup(state, group, now);
    // What was announced while the carrier was away reached nobody.
    if (up && group.addressesPlaced) announce(state, group);
  }
  tellEverybody(state);
}
