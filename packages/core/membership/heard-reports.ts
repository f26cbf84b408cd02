/** What a peer says of how it hears the others: all at once in a small cluster, a part with each beat in a large one. */
import type { Peer } from "./peer.ts";
import type { HeardReport } from "../wire/messages.ts";
import { between, type Instant } from "../units/time.ts";

export interface TimedReport {
  readonly report: HeardReport;
  readonly at: Instant;
}

/** `known`: pairs of node and link that there are; others are not kept. */
export function keepHeardReports(
  peer: Peer,
  reports: readonly HeardReport[],
  known: (report: HeardReport) => boolean,
  now: Instant,
): void {
  for (const report of reports)
    if (known(report)) peer.heardParts.set(`${report.peer} ${report.link}`, { report, at: now });
}

export function* heardReportsOf(
  peer: Peer,
  now: Instant,
): Generator<{ readonly report: HeardReport; readonly since_ms: number }> {
  for (const { report, at } of peer.heardParts.values()) yield { report, since_ms: between(at, now) };
}
