/** What the lab's supervisor and its traffic process say to each other. */
import type { Outage, OwnerChange } from "../outage.ts";
import type { ProbeKind } from "../overlap.ts";
import type { Topology } from "../topology.ts";

export type ToTraffic =
  | { readonly kind: "start"; readonly topology: Topology }
  /** Ends the traffic for a while, or goes on with it: what a node uses when nobody asks it anything. */
  | { readonly kind: "run"; readonly id: number; readonly running: boolean }
  /** Number of the latest probe. */
  | { readonly kind: "position"; readonly id: number }
  /**
   * Answered as soon as one node answered all requests of `for_ms`, none of them older than number `after`, over both
   * IPv4 and IPv6; `other` names a node that must not be the one.
   */
  | {
      readonly kind: "steady";
      readonly id: number;
      readonly after: number;
      readonly for_ms: number;
      readonly other: string | undefined;
      readonly timeout_ms: number;
    }
  | { readonly kind: "report"; readonly id: number; readonly from: number; readonly to: number };

export type FromTraffic =
  | { readonly kind: "started" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "violation"; readonly lines: readonly string[] }
  | { readonly kind: "reply"; readonly id: number; readonly value: Position | Steady | Seen };

export interface Position {
  readonly number: number;
}

/** `node` undefined: time was up. */
export interface Steady {
  readonly node: string | undefined;
  readonly number: number;
}

/** What client and watcher saw between two numbers. */
export interface Seen {
  readonly ipv4: Outage;
  readonly ipv6: Outage;
  /** Each violation's lines; of all time, with their count before `from` left out. */
  readonly violations: readonly (readonly string[])[];
  /** Milliseconds in which the watcher was answered by two nodes. */
  readonly overlap_ms: number;
  /** Over IPv4 or IPv6, whichever saw more. */
  readonly changes: readonly OwnerChange[];
  /** Answers the watcher captured since the start, by node and kind: it is not blind. */
  readonly answers: Readonly<Record<string, Readonly<Record<ProbeKind, number>>>>;
}
