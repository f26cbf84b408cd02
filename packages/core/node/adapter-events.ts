/** What becomes of an adapter, in words: every node hears of it (docs/events.md). */
import { happened } from "./events.ts";
import type { NodeState } from "./state.ts";
import { type Adapter, type Down, hasFailed, silence } from "../membership/adapter.ts";
import type { AdapterState } from "../wire/messages.ts";
import { isAlive } from "../membership/peer.ts";
import { between, type Instant } from "../units/time.ts";

const UNDECIDED_TOLD_EVERY_MS = 60_000;

export function downText(down: Down | undefined): string {
  if (down === "administratively") return "is administratively down";
  return down === "missing" ? "is missing" : "has no carrier";
}

/** Why it is not used, or what is wrong with it. */
export function adapterText(adapter: Adapter, now: Instant): string {
  switch (adapter.state) {
    case "down":
    case "no-carrier":
      return downText(adapter.down);
    case "silent":
      return `has received nothing for ${Math.round(silence(adapter, now))} ms, though others hear its network: the adapter or its port`;
    case "network-down":
      return "hears nothing, and nobody else hears anything on its network: nothing is moved";
    case "undecided":
      return "hears nothing, and whose fault that is cannot be told: nothing is moved";
    case "ok":
      return "works";
  }
}

/** It has just become what it is now. */
export function tellAdapter(state: NodeState, adapter: Adapter, before: AdapterState, now: Instant): void {
  const what = `${adapter.service ? "service" : "standby"} adapter ${adapter.interface} (${adapter.names.join(", ")}) of ${state.self.name}`;
  const text = `${what} ${adapterText(adapter, now)}`;
  if (hasFailed(adapter.state)) {
    if (!hasFailed(before)) {
      adapter.told = true;
      happened(state, now, { code: adapter.service ? "adapter-failed" : "fail-standby", level: "alarm", text });
    }
    return;
  }
  switch (adapter.state) {
    case "network-down":
      return happened(state, now, { code: "network-down", level: "alarm", text });
    case "undecided":
      return tellUndecided(state, adapter, text, now);
    case "ok":
      if (before === "network-down")
        happened(state, now, { code: "network-restored", text: `${what} hears its network again` });
      if (!adapter.told) return;
      adapter.told = false;
      return happened(state, now, {
        code: adapter.service ? "adapter-restored" : "standby-adapter-restored",
        text: `${what} works again`,
      });
    case "down":
    case "no-carrier":
    case "silent":
  }
}

/** Worth a word where somebody who lives should be heard: not on a network where nobody says anything. */
function tellUndecided(state: NodeState, adapter: Adapter, text: string, now: Instant): void {
  const { dead } = state.cluster.timing;
  if (!adapter.linked || adapter.heardAt === undefined || adapter.heardAt < adapter.upAt) return;
  if (![...state.peers.values()].some((peer) => isAlive(peer, dead, now))) return;
  const told = adapter.undecidedToldAt;
  if (told !== undefined && between(told, now) < UNDECIDED_TOLD_EVERY_MS) return;
  adapter.undecidedToldAt = now;
  happened(state, now, { code: "adapter-undecided", level: "warning", text });
}
