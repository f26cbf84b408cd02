/** The adapters of each node for `status` and `why`: what they are, and which of them cannot carry an address. */
import type { AdapterStatus, Why } from "@holdfast/api/schema.ts";
import type { GroupView, NodeView, PeerView } from "@holdfast/core/view.ts";
import { list } from "./sentences.ts";

/** Reports count no further than this. */
const AGE_MAX_MS = 65_535;

const SENTENCES: Readonly<Record<AdapterStatus["state"], string>> = {
  ok: "works",
  down: "is missing or administratively down",
  "no-carrier": "has no carrier",
  silent: "receives nothing, though others hear its network: the adapter or its port",
  "network-down": "hears nothing, nor does anybody else on its network: nothing moves",
  undecided: "hears nothing now, which may mean anything or nothing: nothing moves",
};

export function adapterStatus(node: PeerView): readonly AdapterStatus[] {
  const age = (age_ms: number): number | null => (age_ms >= AGE_MAX_MS ? null : age_ms);
  return node.adapters.map(({ name, interface: on, state, used, heardAge_ms, referenceAge_ms }) => ({
    name,
    interface: on,
    state,
    used,
    heard_ms: age(heardAge_ms),
    reference_ms: age(referenceAge_ms),
  }));
}

/** It cannot carry an address, or its network is dead. What is undecided may only be quiet. */
export function isBad({ state }: Pick<AdapterStatus, "state">): boolean {
  return state !== "ok" && state !== "undecided";
}

/** Of a live node: one sentence for each adapter that is bad. */
export function badAdapters(node: PeerView): readonly string[] {
  const bad = new Map<string, string>();
  for (const adapter of node.adapters) {
    if (!isBad(adapter)) continue;
    bad.set(
      adapter.interface,
      `${node.name}: adapter ${adapter.interface} (${adapter.name}) ${SENTENCES[adapter.state]}`,
    );
  }
  return [...bad.values()];
}

/** "web is on a standby adapter of lb1"; undefined when it is where it should be. */
export function onStandbyAdapter(group: GroupView): string | undefined {
  if (group.owner === undefined || group.adapter === 0) return undefined;
  return `${group.name} is on a standby adapter of ${group.owner}`;
}

/** For `why NODE`: all of them, also those that work. */
export function adapterLines(node: PeerView): Why["others"] {
  return node.adapters.map(({ name, interface: on, state, used }) => ({
    node: node.name,
    text: `adapter ${on} (${name}): ${state}${used ? ", in use" : ""}${state === "ok" ? "" : `; it ${SENTENCES[state]}`}`,
  }));
}

/** For `why GROUP`: which of the node's adapters failed. */
export function failedAdapters(view: NodeView, group: GroupView, name: string): string {
  const node = view.nodes.find((each) => each.name === name);
  const failed = (node?.adapters ?? []).filter((adapter) => isBad(adapter));
  const words = [...new Set(failed.map(({ interface: on, state }) => `${on} ${state}`))];
  return `has no adapter left for ${group.name}${words.length === 0 ? "" : `: ${list(words)}`}`;
}
