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
  const quietSince = lastByIp(state, internet);
  return silent.some((peer) => hearsOthers(state, peer, internet, quietSince, now)) ? "own" : "somebody's";
}

function isHeardByIp(state: NodeState, peer: Peer, internet: ReadonlySet<LinkName>, now: Instant): boolean {
  return [...peer.links].some(
    ([link, hearing]) => internet.has(link) && isHeard(hearing, state.cluster.timing.dead, now),
  );
}

/** When this node heard anybody with IP for the last time; when it started, if it never has. */
function lastByIp(state: NodeState, internet: ReadonlySet<LinkName>): Instant {
  let last = state.startedAt;
  for (const peer of state.peers.values())
    for (const [link, { lastHeard }] of peer.links)
      if (internet.has(link) && lastHeard !== undefined && lastHeard > last) last = lastHeard;
  return last;
}

/** It heard somebody else with IP when this node had heard nobody for `dead`. Over a slow line reports may be old. */
function hearsOthers(
  state: NodeState,
  peer: Peer,
  internet: ReadonlySet<LinkName>,
  quietSince: Instant,
  now: Instant,
): boolean {
  const said_ms = peer.heardAt === undefined ? Number.POSITIVE_INFINITY : between(peer.heardAt, now);
  // In a small cluster everything is said at once.
  const reports = [...peer.heard.map((report) => ({ report, since_ms: said_ms })), ...heardReportsOf(peer, now)];
  const quiet_ms = between(quietSince, now);
  return reports.some(
    ({ report, since_ms }) =>
      since_ms + report.age_ms < quiet_ms - state.cluster.timing.dead &&
      report.peer !== state.self.name &&
      internet.has(report.link),
  );
}
