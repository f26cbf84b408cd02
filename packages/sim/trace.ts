/** What a node took and what it did, one line each, for a person who follows a replayed world. */
import type { VirtualNode } from "./virtual-node.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";

export function traceLine(
  at: { readonly now: number; readonly steps: number },
  node: VirtualNode,
  input: Input,
  effects: readonly Effect[],
): string {
  const done = effects.filter((effect) => effect.kind !== "flush").map((effect) => effectText(effect));
  return `${at.now.toFixed(3)} #${at.steps} ${node.name} ${inputText(input)}${done.length === 0 ? "" : ` -> ${done.join("; ")}`}`;
}

function inputText(input: Input): string {
  switch (input.kind) {
    case "heartbeat": {
      const { heartbeat, link } = input;
      return `heartbeat ${heartbeat.node}/${link}#${heartbeat.message}${entriesText(heartbeat.lease)}`;
    }
    case "request":
      return `request ${input.request} to ${input.target}: ${JSON.stringify(input.action)}`;
    case "flush":
    case "tick":
    case "stop":
      return input.kind;
    default: {
      const { kind, ...rest } = input;
      return `${kind} ${JSON.stringify(rest)}`;
    }
  }
}

function effectText(effect: Effect): string {
  switch (effect.kind) {
    case "send":
      return `send ${effect.to}${entriesText(effect.heartbeat.lease)}`;
    case "saveVotes": {
      const { accepted } = effect.record;
      const lease = accepted === undefined ? "nobody" : `${accepted.holder.node} until ${accepted.expires.toFixed(1)}`;
      return `save ${effect.group}: ${lease}`;
    }
    case "record":
      return `event "${effect.event.text}"`;
    default: {
      const { kind, ...rest } = effect;
      return `${kind} ${JSON.stringify(rest)}`;
    }
  }
}

function entriesText(entries: readonly LeaseEntry[]): string {
  return entries.map((entry) => ` [${entryText(entry)}]`).join("");
}

function entryText(entry: LeaseEntry): string {
  const { round, node, boot } = entry.ballot;
  const ballot = `${round}.${node}.${boot.slice(-3)}`;
  const number = "number" in entry ? ` #${entry.number}` : "";
  const reason = entry.kind === "refuse" ? ` ${entry.reason} ${entry.remaining_ms}` : "";
  const to = entry.kind === "nominate" ? ` to ${entry.holder.node}` : "";
  return `${entry.kind} ${entry.group} ${ballot}${number}${reason}${to}`;
}
