/** What engine and control say to each other over their socket pair: one JSON object a line. Control is never trusted with an address. */
import type { ClusterEvent, EventLevel, OperatorAction, OutcomeCode } from "@holdfast/core/wire/messages.ts";
import type { NodeView } from "@holdfast/core/view.ts";

/** An event with what only the node itself knows: milliseconds from detection to each phase. */
export interface RecordedEvent extends ClusterEvent {
  readonly phases: Readonly<Record<string, number>> | undefined;
}

export type ToControl =
  | {
      readonly kind: "hello";
      readonly socket: string;
      readonly stateDirectory: string;
      readonly cluster: string;
      readonly node: string;
      /** Numeric ids to drop to before listening; undefined: stay (no right to change). */
      readonly user: { readonly uid: number; readonly gid: number } | undefined;
      readonly dead_ms: number;
    }
  | { readonly kind: "view"; readonly id: number; readonly view: NodeView }
  | { readonly kind: "event"; readonly event: RecordedEvent }
  | { readonly kind: "reply"; readonly id: number; readonly code: OutcomeCode; readonly text: string }
  /** Write or remove the drain mark in the state directory. */
  | { readonly kind: "saveDrained"; readonly reason: string | undefined };

export type ToEngine =
  /** The socket is listening. */
  | { readonly kind: "listening" }
  | { readonly kind: "view"; readonly id: number }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly target: string;
      readonly action: OperatorAction;
      readonly timeout_ms: number;
    }
  /** Control can not do its work (disk full, say), or can again (info): becomes an event every node sees. */
  | { readonly kind: "trouble"; readonly code: string; readonly text: string; readonly level: EventLevel };
