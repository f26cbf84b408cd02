/** What a session reports, one JSON object a line on its standard output. */
import type { FaultName, ProductName, TimingName } from "./plan.ts";

/** What client and watcher saw in one stretch of time. */
export interface Watched {
  /** The longest time without an answer, the worse of IPv4 and IPv6. */
  readonly outage_ms: number;
  /** Requests without an answer, of 1000 a second; the worse of IPv4 and IPv6. */
  readonly lost: number;
  /** Milliseconds in which two nodes answered. */
  readonly overlap_ms: number;
  readonly changes: number;
  /** False: the client was still without steady answers when the watching ended. */
  readonly steady: boolean;
}

/** A gap in the sleep of the control beside the busy loops, and the moves it does not excuse. */
export interface LoadWatched {
  /** Longest sleep of 10 ms, milliseconds. */
  readonly controlWorst_ms: number;
  readonly controlClass: string;
  /** Moves while the control saw no gap over half of `dead`. */
  readonly counted: number;
}

export type Report =
  | { readonly kind: "progress"; readonly text: string }
  | {
      readonly kind: "round";
      readonly fault: FaultName;
      readonly round: number;
      readonly during: Watched;
      /** Absent when there is nothing to heal. */
      readonly healing: Watched | undefined;
      readonly load?: LoadWatched;
    }
  /** The product has nothing that could be measured here. */
  | { readonly kind: "absent"; readonly fault: FaultName; readonly reason: string }
  | { readonly kind: "failed"; readonly fault: FaultName; readonly round: number; readonly reason: string }
  | {
      readonly kind: "idle";
      readonly nodes: number;
      readonly owner: IdleUsage;
      /** Of the others the one that takes most of the processor. */
      readonly standby: IdleUsage;
      readonly scheduling: string;
    }
  | { readonly kind: "done" };

export interface IdleUsage {
  /** Of one core. */
  readonly cpu_percent: number;
  readonly resident_mb: number;
  readonly proportional_mb: number;
  /** Distinct pages of all its processes: what a node would take on a machine of its own. */
  readonly together_mb: number;
  readonly processes: number;
}

/** Everything one session of a product at a timing gave. */
export interface SessionResult {
  readonly product: ProductName;
  readonly timing: TimingName;
  readonly reports: readonly Report[];
}
