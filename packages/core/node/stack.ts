/**
 * Whether it is this node's IP stack that is dead, by what others hear (requirement B4): a peer is heard on a link without IP
 * and on none with it, and it hears others with IP.
 */
import type { NodeState } from "./state.ts";
import { isHeard } from "../membership/hearing.ts";
import { heardReportsOf } from "../membership/heard-reports.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import type { LinkName } from "../units/names.ts";
import { between, type Instant } from "../units/time.ts";

/** A report tells of the moment when it was made. */
const RECENT_MS = 2000;

/** `own`: others hear each other with IP, this node hears and is heard by none. `somebody's`: the other side may be the one. */
export function deadStack(state: NodeState, now: Instant): "none" | "somebody's" | "own" {
  const internet = new Set(state.cluster.links.flatMap((link) => (link.kind === "udp" ? [link.name] : [])));
  if (internet.size === state.cluster.links.length) return "none";
  const silent: Peer[] = [];
  for (const peer of state.peers.values()) {
    if (!isAlive(peer, state.cluster.timing.dead, now) || ![...peer.links.keys()].some((link) => internet.has(link)))
      continue;
    // One that is heard with IP: there is nothing to explain by this node's stack.
    if (isHeardByIp(state, peer, internet, now)) return "none";
    silent.push(peer);
  }
  if (silent.length === 0) return "none";
  return silent.some((peer) => hearsOthers(state, peer, internet, now)) ? "own" : "somebody's";
}

function isHeardByIp(state: NodeState, peer: Peer, internet: ReadonlySet<LinkName>, now: Instant): boolean {
  return [...peer.links].some(
    ([link, hearing]) => internet.has(link) && isHeard(hearing, state.cluster.timing.dead, now),
  );
}

function hearsOthers(state: NodeState, peer: Peer, internet: ReadonlySet<LinkName>, now: Instant): boolean {
  const last_ms = peer.lastAt === undefined ? Number.POSITIVE_INFINITY : between(peer.lastAt, now);
  // In a small cluster everything is said with every beat.
  const reports = [...peer.heard.map((report) => ({ report, since_ms: last_ms })), ...heardReportsOf(peer, now)];
  return reports.some(
    ({ report, since_ms }) =>
      since_ms < RECENT_MS &&
      report.age_ms < state.cluster.timing.dead &&
      report.peer !== state.self.name &&
      internet.has(report.link),
  );
}
