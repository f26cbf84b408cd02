/** What one client saw between two numbers of its probe: lost packets, the longest outage, who answered. Pure. */

/** One numbered request; `node` is who answered it, undefined: nobody did. */
export interface Sample {
  readonly number: number;
  readonly sent_ms: number;
  readonly node: string | undefined;
}

export interface Outage {
  readonly sent: number;
  readonly lost: number;
  /** Longest run of requests without an answer. */
  readonly longest_run: number;
  /**
   * The longest time without service: from the first lost request of a run to the next answered one, both at the
   * moment they were sent, so that a late reader does not count. 0 when nothing was lost.
   */
  readonly outage_ms: number;
  /** The last run had ended when the record did. */
  readonly restored: boolean;
  /** Who answered first and last; undefined when nobody did. */
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly answered: Readonly<Record<string, number>>;
}

/** Samples in the order of their numbers; numbers that were never sent are simply absent. */
export function measureOutage(samples: Iterable<Sample>): Outage {
  let sent = 0;
  let lost = 0;
  let run = 0;
  let longest_run = 0;
  let outage_ms = 0;
  let runStart_ms = 0;
  let last_ms = 0;
  let before: string | undefined;
  let after: string | undefined;
  const answered: Record<string, number> = {};
  for (const sample of samples) {
    sent++;
    last_ms = sample.sent_ms;
    if (sample.node === undefined) {
      lost++;
      if (run++ === 0) runStart_ms = sample.sent_ms;
      longest_run = Math.max(longest_run, run);
      continue;
    }
    if (run > 0) outage_ms = Math.max(outage_ms, sample.sent_ms - runStart_ms);
    run = 0;
    before ??= sample.node;
    after = sample.node;
    answered[sample.node] = (answered[sample.node] ?? 0) + 1;
  }
  if (run > 0) outage_ms = Math.max(outage_ms, last_ms - runStart_ms + 1);
  return {
    sent,
    lost,
    longest_run,
    outage_ms: Math.round(outage_ms * 10) / 10,
    restored: run === 0,
    before,
    after,
    answered,
  };
}

/** Another node began to answer the client. */
export interface OwnerChange {
  /** When the first request that the new node answered was sent, milliseconds of CLOCK_MONOTONIC. */
  readonly at_ms: number;
  readonly from: string;
  readonly to: string;
}

export function ownerChanges(samples: Iterable<Sample>): readonly OwnerChange[] {
  const changes: OwnerChange[] = [];
  let owner: string | undefined;
  for (const { node, sent_ms } of samples) {
    if (node === undefined || node === owner) continue;
    if (owner !== undefined) changes.push({ at_ms: sent_ms, from: owner, to: node });
    owner = node;
  }
  return changes;
}

/** The worse of two clients' views, for one verdict over IPv4 and IPv6. */
export function worse(a: Outage, b: Outage): Outage {
  if (a.restored !== b.restored) return a.restored ? b : a;
  return b.outage_ms > a.outage_ms ? b : a;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
