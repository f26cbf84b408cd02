/** Doctor: heartbeats arrive on every link in both directions, as this node's daemon and its peers measure them. */
import type { LinkRow, Links } from "@holdfast/api/schema.ts";
import { fail, type Finding, ok, skip, warn } from "./finding.ts";

const CHECK = "links";

export interface LinkFacts {
  /** Undefined: no daemon answers. */
  readonly links: Links | undefined;
  /** By the name of the link, what goes over it: "7400/udp". */
  readonly carriers: ReadonlyMap<string, string>;
  /** Nodes that are heard on some link. */
  readonly alive: ReadonlySet<string>;
}

export function judgeLinks({ links, carriers, alive }: LinkFacts): readonly Finding[] {
  if (links === undefined) return [skip(CHECK, "without a daemon nobody measures the links")];
  const { node } = links;
  const mine = links.rows.filter(({ listener, speaker }) => listener === node || speaker === node);
  const peers = [...new Set(mine.map(({ listener, speaker }) => (listener === node ? speaker : listener)))];
  const findings = peers.flatMap((peer) => judgePeer(node, peer, mine, carriers, alive));
  if (findings.length > 0) return findings;
  const names = [...new Set(mine.map(({ link }) => link))];
  return [ok(CHECK, `${names.join(", ")}: heartbeats arrive from and at ${peers.join(", ")}`)];
}

function judgePeer(
  node: string,
  peer: string,
  mine: readonly LinkRow[],
  carriers: ReadonlyMap<string, string>,
  alive: ReadonlySet<string>,
): readonly Finding[] {
  const heard = mine.filter(({ listener, speaker }) => listener === node && speaker === peer);
  const told = mine.filter(({ listener, speaker }) => listener === peer && speaker === node);
  if (!alive.has(peer))
    return [fail(CHECK, `${peer} is not heard on any link`, `is its daemon running? then: holdfast doctor on ${peer}`)];
  const what = (row: LinkRow): string => carriers.get(row.link) ?? "heartbeats";
  const arriving = (rows: readonly LinkRow[]): string =>
    rows
      .filter(({ state }) => state === "ok" || state === "LOSS")
      .map(({ link }) => link)
      .join(", ");
  const findings: Finding[] = [];
  for (const row of heard) {
    if (row.state === "DOWN")
      findings.push(
        fail(
          CHECK,
          `${what(row)} from ${peer} arrives on ${arriving(heard) || "no link"}, not on ${row.link}${because(row)}`,
          `look at the way from ${peer} to ${node}: cable, VLAN, packet filter here (see packet-filter), routes`,
        ),
      );
    else if (row.state === "LOSS")
      findings.push(
        warn(CHECK, `${row.loss_percent}% of ${peer}'s are lost on ${row.link}`, `holdfast links ${row.link}`),
      );
  }
  for (const row of told) {
    if (row.state === "DOWN")
      findings.push(
        fail(
          CHECK,
          `${what(row)} from ${node} arrives at ${peer} on ${arriving(told) || "no link"}, not on ${row.link}${because(row)}`,
          `look at the way from ${node} to ${peer}, and: holdfast doctor on ${peer}`,
        ),
      );
    else if (row.state === "LOSS")
      findings.push(
        warn(CHECK, `${peer} loses ${row.loss_percent}% of this node's on ${row.link}`, `holdfast links ${row.link}`),
      );
  }
  return findings;
}

function because({ adapter, reason }: LinkRow): string {
  const on = adapter === null ? "" : ` (${adapter})`;
  return reason === null ? on : `${on}: ${reason}`;
}
