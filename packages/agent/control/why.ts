/** The answer to "why is it so?": one sentence, the events that led there, and what keeps each other node from owning. */
import type { Event, Why } from "@holdfast/api/schema.ts";
import type { GroupView, NodeView, PeerView } from "@holdfast/core/view.ts";
import { adapterLines, failedAdapters } from "./adapter-status.ts";
import { conflictsNow } from "./conflicts.ts";
import { drainSentence } from "./health.ts";
import { linkRows } from "./link-table.ts";
import { ownershipChange } from "./ownership-change.ts";
import { ago, list } from "./sentences.ts";
import type { Seen } from "./view-source.ts";

const NODE_EVIDENCE_MAX = 10;
const NODE_CODES = new Set([
  "node-started",
  "node-alive",
  "node-dead",
  "node-stopping",
  "drained",
  "undrained",
  "interface-down",
  "interface-up",
  "adapter-failed",
  "adapter-restored",
  "adapter-undecided",
  "fail-standby",
  "standby-adapter-restored",
  "network-down",
  "network-restored",
  "stalled",
  "reluctant",
  "reluctant-over",
  "node-unfit",
  "node-fit",
]);
/** These name their subject in the text only: another node reports them. */
const TOLD_BY_OTHERS = new Set(["node-alive", "node-dead", "link-up", "link-down"]);

/** Undefined when there is no such group. */
export function whyGroup(seen: Seen, events: readonly Event[], name: string, wall_ms: number): Why | undefined {
  const { view, stale } = seen;
  const group = view.groups.find((candidate) => candidate.name === name);
  if (!group) return undefined;
  const others = view.nodes.filter((node) => node.name !== group.owner || group.claimed.length > 1);
  return {
    schema: "holdfast.why/1",
    subject: name,
    answer: stale ? unknown(seen) : groupAnswer(group),
    evidence: withConflicts(ownershipChange(events, name, group.owner !== undefined), events, name, wall_ms),
    others: stale ? [] : others.map((node) => ({ node: node.name, text: notOwner(view, group, node, wall_ms) })),
  };
}

/** What led to the change, and strangers that claim an address now, whenever they came. */
function withConflicts(change: readonly Event[], events: readonly Event[], name: string, wall_ms: number): Event[] {
  return [...change, ...conflictsNow(events, wall_ms, name).filter((event) => !change.includes(event))];
}

function unknown({ view, age_ms }: Seen): string {
  return `not known: the engine on ${view.node} has not answered for ${ago(age_ms)}`;
}

function groupAnswer(group: GroupView): string {
  const because = group.cause ? `: ${group.cause}` : "";
  if (group.claimed.length > 1) return `${group.name} is claimed by ${list(group.claimed)} at once${because}`;
  if (!group.owner) return `${group.name} has no owner${because}`;
  const adapter = group.adapter === 0 ? "" : ", there on a standby adapter";
  return `${group.name} is on ${group.owner}${adapter}${because}`;
}

function notOwner(view: NodeView, group: GroupView, node: PeerView, wall_ms: number): string {
  const word = group.candidates.find((candidate) => candidate.node === node.name)?.ineligible;
  switch (word) {
    case "":
      return waiting(group, node);
    case "witness":
      return "is a witness: it votes and never owns";
    case "drained":
      return `${drainSentence(node).slice(node.name.length + 1)}; to change that: holdfast undrain ${node.name}`;
    case "stopping":
      return "is stopping";
    case "interface-down":
      return `its interface for ${group.name} is down`;
    case "adapters-failed":
      return failedAdapters(view, group, node.name);
    case "address-failed":
      return `could not put the address of ${group.name} on its interface`;
    case "generation":
      return `works from another configuration (generation ${node.generation ?? "unknown"}, here ${view.generation})`;
    case "crashing":
      return "crashed three times in a minute: it may own again when a minute has passed without a crash";
    case "yielded":
      return `gives way: another station keeps an address of ${group.name} (on_conflict: yield)`;
    case "down":
      return down(node, wall_ms);
    case "not-preferred":
    default:
      if (node.role === "witness") return "is a witness: it votes and never owns";
      return `is not in prefer of ${group.name}`;
  }
}

/** Eligible, and yet not the owner. */
function waiting(group: GroupView, node: PeerView): string {
  if (group.claimed.includes(node.name)) return "claims it too";
  if (group.pause !== undefined && group.pause.lastOwner !== node.name)
    return `does not take it: ${group.name} is paused for ${ago(group.pause.remaining_ms)} more; to change that: holdfast resume ${group.name}`;
  if (!group.owner) return "could own it: waits for the votes of a majority";
  if (group.prefer.indexOf(node.name) > group.prefer.indexOf(group.owner)) return `after ${group.owner} in prefer`;
  return `before ${group.owner} in prefer: takes it back only as failback says, or by: holdfast move ${group.name} ${node.name}`;
}

function down(node: PeerView, wall_ms: number): string {
  if (node.age_ms === undefined || node.age_ms === null) return "down: never heard since this node started";
  return `down since ${new Date(wall_ms - node.age_ms).toISOString()}, last heard ${ago(node.age_ms)} ago`;
}

/** Undefined when there is no such node. */
export function whyNode(seen: Seen, events: readonly Event[], name: string, wall_ms: number): Why | undefined {
  const { view, stale } = seen;
  const node = view.nodes.find((candidate) => candidate.name === name);
  if (!node) return undefined;
  return {
    schema: "holdfast.why/1",
    subject: name,
    answer: stale ? unknown(seen) : nodeAnswer(view, node, wall_ms),
    evidence: nodeEvidence(events, name),
    others: stale ? [] : [...groupLines(view, node, wall_ms), ...adapterLines(node), ...linkLines(seen, node)],
  };
}

function nodeAnswer(view: NodeView, node: PeerView, wall_ms: number): string {
  if (!node.alive) return `${node.name} is ${down(node, wall_ms)}`;
  const owned = view.groups.filter((group) => group.owner === node.name).map((group) => group.name);
  const states: string[] = [];
  if (node.drained) states.push(drainSentence(node).slice(node.name.length + 1));
  if (node.stopping) states.push("is stopping");
  if (node.stalled) states.push("woke up late (stalled)");
  if (node.abstaining) states.push("abstains from voting");
  if (node.unfit !== undefined) states.push(`is not fit to own anything (${node.unfit})`);
  if (node.reluctant) states.push("prefers not to own anything (it stalls, or is short of memory)");
  if (node.digest !== undefined && node.digest !== view.digest)
    states.push(`works from another configuration (${node.digest}, here ${view.digest})`);
  const state = states.length > 0 ? list(states) : "is up";
  return `${node.name} ${state} and owns ${list(owned)}`;
}

function nodeEvidence(events: readonly Event[], name: string): readonly Event[] {
  const word = new RegExp(`(^|[^a-z0-9-])${name}([^a-z0-9-]|$)`);
  const concerns = (event: Event): boolean => {
    if (TOLD_BY_OTHERS.has(event.code))
      return event.node === name ? event.code.startsWith("link-") : word.test(event.text);
    return event.node === name && (NODE_CODES.has(event.code) || event.group !== null);
  };
  return events.filter(concerns).slice(-NODE_EVIDENCE_MAX);
}

function groupLines(view: NodeView, node: PeerView, wall_ms: number): Why["others"] {
  return view.groups.map((group) => {
    const owned = group.owner === node.name;
    const text = owned
      ? `${group.name}: owns it${group.cause ? `, ${group.cause}` : ""}`
      : `${group.name}: ${notOwner(view, group, node, wall_ms)}`;
    return { node: node.name, text };
  });
}

/** One line a peer: the links on which the two do not hear each other well. */
function linkLines(seen: Seen, node: PeerView): Why["others"] {
  const mine = linkRows(seen).filter((row) => row.listener === node.name || row.speaker === node.name);
  return seen.view.nodes.flatMap((peer) => {
    if (peer.name === node.name) return [];
    const pairs = mine.filter((row) => row.listener === peer.name || row.speaker === peer.name);
    const names = [...new Set(pairs.map((row) => row.link))];
    const words = names.map((link) => {
      const bad = pairs.filter((row) => row.link === link && row.state !== "ok");
      if (bad.length === 0) return `${link} ok`;
      return bad.map((row) => `${link} ${row.listener} hears ${row.speaker}: ${row.state}`).join(", ");
    });
    return words.length === 0 ? [] : [{ node: peer.name, text: `links with ${node.name}: ${words.join(", ")}` }];
  });
}
