/** What engine and control say to each other over their socket pair: one JSON object a line. Control is never trusted with an address. */
import type { ClusterEvent, EventLevel, OperatorAction, OutcomeCode } from "@holdfast/core/wire/messages.ts";
import type { StoredPause } from "@holdfast/core/effects.ts";
import type { NodeView } from "@holdfast/core/view.ts";

/** An event with what only the node itself knows: milliseconds from detection to each phase. */
export interface RecordedEvent extends ClusterEvent {
  readonly phases: Readonly<Record<string, number>> | undefined;
}

/** How late the engine's loop wakes, in milliseconds past its deadlines. */
export interface LatenessView {
  /** Half an interval: what is later counts as `late`, and the core takes it for a stall. */
  readonly tolerated_ms: number;
  /** Since the start. */
  readonly wakeups: number;
  readonly late: number;
  readonly max_ms: number;
  /** Over the last 50 to 60 s. */
  readonly minute: { readonly wakeups: number; readonly p99_ms: number; readonly max_ms: number };
}

/** The engine as a process. */
export interface EngineView {
  readonly boot: string;
  readonly pid: number;
  /** Runs from one file instead of the source tree. */
  readonly bundled: boolean;
  /** Why not all threads are scheduled in real time; undefined: all are. */
  readonly notRealTime: string | undefined;
  /** From exec to the first turn of the loop. */
  readonly ready_ms: number;
  /** From exec to the first renewal that a majority granted and the kernel took; undefined: none yet. */
  readonly firstRenewal_ms: number | undefined;
  /** Daemons before this one that ended without a word, each within a minute of the next. */
  readonly crashes: number;
  readonly lateness: LatenessView;
  /** Until the configuration that runs is rolled back, unless an operator confirms it; undefined: it stays. */
  readonly unconfirmed_ms?: number | undefined;
}

/** One link of the cluster, and this node's end of it. */
export interface LinkView {
  readonly name: string;
  readonly kind: "udp" | "ethernet" | "serial";
  /** By node: its address, interface or tty there. Nodes without an end are left out. */
  readonly ends: Readonly<Record<string, string>>;
  /** The kernel's interface, or the tty, of this node's end; undefined: it has none, or was never found. */
  readonly device: string | undefined;
  /** Why this node's end does not work; undefined: nothing is known against it. */
  readonly trouble: string | undefined;
}

/** What became, or would become, of a reload on this node. */
export interface ReloadAnswer {
  /** `planned`: a dry run that could be done; `invalid`: the file, the keys or this machine do not allow it. */
  readonly code: "done" | "planned" | "unchanged" | "refused" | "invalid" | "failed";
  /** One sentence. */
  readonly text: string;
  readonly file: string;
  /** Of the configuration in the file; when it is invalid, of the running one. */
  readonly digest: string;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
  readonly errors: readonly {
    readonly code: string;
    readonly file: string;
    readonly line: number | null;
    readonly column: number | null;
    readonly message: string;
    readonly hint: string;
  }[];
  /** The same for a terminal, with excerpts. */
  readonly errorText: string;
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
  | {
      readonly kind: "view";
      readonly id: number;
      readonly view: NodeView;
      readonly engine: EngineView;
      readonly links: readonly LinkView[];
    }
  | { readonly kind: "event"; readonly event: RecordedEvent }
  | { readonly kind: "reply"; readonly id: number; readonly code: OutcomeCode; readonly text: string }
  | { readonly kind: "reloaded"; readonly id: number; readonly answer: ReloadAnswer }
  /** Write or remove the drain mark in the state directory. */
  | { readonly kind: "saveDrained"; readonly reason: string | undefined }
  /** Write the pauses of all groups there. */
  | { readonly kind: "savePauses"; readonly pauses: readonly StoredPause[] };

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
  /** Replace the engine by its successor in place; answered by a `reply`. */
  | { readonly kind: "restart"; readonly id: number; readonly timeout_ms: number }
  /** Take the configuration file over, or say what that would do; answered by `reloaded`. */
  | {
      readonly kind: "reload";
      readonly id: number;
      readonly dryRun: boolean;
      readonly digest: string | undefined;
      /** Rolled back after so many milliseconds, unless confirmed. */
      readonly confirm_ms: number | undefined;
    }
  /** The reload that waits for it stays; answered by `reloaded`. */
  | { readonly kind: "confirm"; readonly id: number }
  /** Control can not do its work (disk full, say), or can again (info): becomes an event every node sees. */
  | { readonly kind: "trouble"; readonly code: string; readonly text: string; readonly level: EventLevel };
