/**
 * What control answers over its socket and what the commands print under --json: shapes with a version in their name.
 * HTTP/1.1 over the Unix socket; bodies are JSON, streams are NDJSON. Fields are added, never renamed, inside a version.
 *
 *   GET  /v1/status  /v1/links  /v1/history?group=G&limit=N  /v1/why/group/G  /v1/why/node/N
 *   GET  /v1/events?follow=1&since=N&last=N NDJSON, one Event a line; since: milliseconds since 1970
 *   POST /v1/reload {dry_run?, config?, confirm_ms?}  the answering node takes its configuration file over    -> Reload
 *        confirm_ms: it is rolled back after that time, unless POST /v1/confirm {} comes before    -> Reload
 *        config: digest of the plan agreed to; status 200 done, planned or unchanged, 409 refused, 422 invalid, 502 failed
 *   POST /v1/restart {}   replaces the engine that answers, in place                -> Outcome, before it happens
 *   POST /v1/acknowledge {}  the alarms so far have been seen: they leave every node's status      -> Outcome
 *   POST /v1/move {group, target?}  /v1/drain {node, reason}  /v1/undrain {node}     -> Outcome
 *   POST /v1/pause {group?, for_ms, reason?}  /v1/resume {group?}   without a group: all of them   -> Outcome
 *        each with timeout_ms (default 10000); status 200 done, 409 refused, 502 failed, 504 timeout
 */
export type Health = "ok" | "degraded" | "outage";

export interface Status {
  readonly schema: "holdfast.status/1";
  readonly cluster: string;
  /** The node that answers. */
  readonly node: string;
  readonly health: Health;
  /** This node hears, itself included, a majority of the voters. */
  readonly quorum: boolean;
  /** `quorum: available` is configured: two nodes may own in a cut of all links. */
  readonly available: boolean;
  /** With `quorum: available`: this node counts its own grant as enough; the other may own too, in a cut. */
  readonly alone: boolean;
  readonly generation: number;
  readonly config: string;
  /** Nodes whose configuration differs from the answering node's. */
  readonly config_differs: readonly string[];
  /** Milliseconds since the engine was heard from; more than the dead time: all below is stale. */
  readonly engine_age_ms: number;
  /** The engine of the answering node as a process. */
  readonly engine: EngineStatus;
  readonly timing: {
    readonly heartbeat_ms: number;
    readonly dead_ms: number;
    readonly window_ms: number;
    readonly keep_ms: number;
  };
  readonly nodes: readonly NodeStatus[];
  readonly groups: readonly GroupStatus[];
  /** What was tried against the cluster and nobody has acknowledged, the last first; at most 50. */
  readonly alarms: readonly Alarm[];
  /** Sentences for a person: what is wrong and the command that shows more. */
  readonly warnings: readonly Warning[];
}

/** Stays until `holdfast acknowledge`: it is over by itself, but somebody shall have seen it. */
export interface Alarm {
  /** When it was told last. */
  readonly time: string;
  readonly node: string;
  /** Of the event, such as `heartbeat-rejected`. */
  readonly code: string;
  readonly text: string;
  /** How often it was told since the last acknowledgement; an event is told once a minute at most. */
  readonly count: number;
}

export interface EngineStatus {
  /** New at each start. */
  readonly boot: string;
  readonly pid: number;
  /** Runs from the bundle instead of the source tree. */
  readonly bundled: boolean;
  /** All its threads are scheduled in real time (SCHED_FIFO). */
  readonly real_time: boolean;
  /** The kernel's refusal, such as "EPERM"; null: none. */
  readonly not_real_time_because: string | null;
  /** Milliseconds from exec to the first turn of its loop. */
  readonly ready_ms: number;
  /** Milliseconds from exec to the first renewal that was granted and committed; null: none yet. */
  readonly first_renewal_ms: number | null;
  /** Daemons before it that ended without a word, each within a minute of the next. */
  readonly crashes: number;
  /** Milliseconds until its configuration is rolled back unless confirmed; null: it stays. */
  readonly unconfirmed_ms: number | null;
  /** How late its loop wakes, past each deadline. */
  readonly lateness: {
    /** Half an interval: more is late, and leases are checked before anything is sent. */
    readonly tolerated_ms: number;
    /** Since its start. */
    readonly wakeups: number;
    readonly late: number;
    readonly max_ms: number;
    /** Over the last minute. */
    readonly minute: { readonly wakeups: number; readonly p99_ms: number; readonly max_ms: number };
  };
}

export interface Warning {
  readonly text: string;
  readonly command: string | undefined;
}

export interface NodeStatus {
  readonly name: string;
  readonly role: "member" | "witness";
  readonly alive: boolean;
  readonly state: "up" | "down" | "drained" | "stopping" | "stalled" | "abstaining" | "reluctant" | "unknown";
  /** Milliseconds since last heard; 0 for the answering node; null: never. */
  readonly age_ms: number | null;
  /** Whose word `alive` and `age_ms` are: of a node that the answering one does not hear itself, the voters'; else empty. */
  readonly heard_by: readonly string[];
  readonly links: readonly {
    readonly name: string;
    readonly state: "ok" | "LOSS" | "DOWN";
    readonly loss_percent: number;
  }[];
  readonly drained: boolean;
  readonly drain_reason: string | null;
  /** What keeps it from owning a group that prefers it, such as `interface-down`. */
  readonly failing: readonly string[];
  /** Those that its groups may use, once for each name that groups have for them; empty when it does not say. */
  readonly adapters: readonly AdapterStatus[];
  /** Of its software; empty when the answering node does not know it. */
  readonly version: string;
  /** Ids of the keys that it opens, 8 hex digits each, the one it seals with first; empty when it does not say. */
  readonly keys: readonly string[];
}

export interface AdapterStatus {
  /** As groups name it. */
  readonly name: string;
  /** The kernel's name on that node. */
  readonly interface: string;
  /**
   * `down` (not there or administratively down), `no-carrier` and `silent` (nothing is received, though others hear its
   * network) cannot carry addresses; in `network-down` (nobody hears anything there) and `undecided` nothing moves.
   */
  readonly state: "ok" | "down" | "no-carrier" | "silent" | "network-down" | "undecided";
  /** Addresses of a group are on it. */
  readonly used: boolean;
  /** Milliseconds since a frame of anybody was received; null: never, or longer than a minute, or not looked at. */
  readonly heard_ms: number | null;
  /** The same for an answer of a reference address. */
  readonly reference_ms: number | null;
}

export interface GroupStatus {
  readonly name: string;
  readonly owner: string | null;
  readonly term: number;
  /** Milliseconds that this owner has held it, as far as the answering node knows; null without an owner. */
  readonly since_ms: number | null;
  readonly addresses: readonly string[];
  readonly standbys: readonly string[];
  /** Which adapter of the owner carries it: 0 the service adapter, then the standby adapters; the worst of its segments. */
  readonly adapter: number;
  readonly state: "owned" | "moving" | "unowned" | "two-owners" | "unknown";
  /** The answering node does not hear all of its candidates: what is told of those is what the voters say. */
  readonly by_voters: boolean;
  /** Addresses of it that somebody else removed on the answering node, put back each time, since its daemon started. */
  readonly addresses_restored: number;
  /** When its pause ends, by the answering node's wall clock, and how long that is; null: not paused. */
  readonly paused_until: string | null;
  readonly pause_remaining_ms: number | null;
  /** What was said when it was paused; null when not known. */
  readonly pause_text: string | null;
  readonly last_move: {
    readonly cause: string;
    readonly outage_ms: number | null;
    /** From the first announcement to an echo having come back to each address; null: not, not yet, or another node owns it. */
    readonly confirm_ms: number | null;
  } | null;
}

export interface Links {
  readonly schema: "holdfast.links/1";
  readonly node: string;
  readonly rows: readonly LinkRow[];
  readonly rejected: readonly {
    readonly link: string;
    readonly reason: string;
    readonly source: string;
    readonly count: number;
  }[];
}

/** `listener` hears `speaker`'s heartbeats on `link`: one direction. */
export interface LinkRow {
  readonly link: string;
  readonly kind: "udp" | "ethernet" | "serial";
  /** The listener's interface or tty; null: the answering node does not know it. */
  readonly adapter: string | null;
  readonly listener: string;
  readonly speaker: string;
  readonly state: "ok" | "LOSS" | "DOWN" | "UNKNOWN";
  readonly age_ms: number | null;
  readonly loss_percent: number;
  readonly round_trip_ms: number | null;
  readonly jitter_ms: number | null;
  /** Why it is DOWN; null in any other state. */
  readonly reason: string | null;
}

export interface Event {
  readonly schema: "holdfast.event/1";
  readonly time: string;
  readonly node: string;
  readonly number: number;
  readonly level: "info" | "warning" | "alarm";
  readonly code: string;
  readonly group: string | null;
  readonly text: string;
  readonly phases: Readonly<Record<string, number>> | null;
}

export interface History {
  readonly schema: "holdfast.history/1";
  readonly node: string;
  readonly events: readonly Event[];
  /** Why the history on disk is behind or absent; null when all is recorded. */
  readonly trouble: string | null;
}

export interface Why {
  readonly schema: "holdfast.why/1";
  readonly subject: string;
  /** One sentence: the answer. */
  readonly answer: string;
  readonly evidence: readonly Event[];
  /** Why each other node is not the owner, or what would change the answer. */
  readonly others: readonly { readonly node: string; readonly text: string }[];
}

export interface Outcome {
  readonly schema: "holdfast.outcome/1";
  readonly code: "done" | "failed" | "refused" | "timeout";
  readonly text: string;
  readonly events: readonly Event[];
}

/** What became of a reload on the answering node, or with dry_run what would. */
export interface Reload {
  readonly schema: "holdfast.reload/1";
  /** `invalid`: the file, the key file or this machine do not allow it; whatever is not `done` changed nothing. */
  readonly code: "done" | "planned" | "unchanged" | "refused" | "invalid" | "failed";
  readonly text: string;
  readonly node: string;
  readonly file: string;
  /** Digest of the configuration in the file; when it is invalid, of the running one. */
  readonly config: string;
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
  /** The errors as check-config prints them. */
  readonly error_text: string;
}

/** Every error, of the API and of the commands under --json. */
export interface ApiError {
  readonly schema: "holdfast.error/1";
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** Exit codes of every command. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  degraded: 3,
  outage: 4,
  refused: 5,
  timeout: 6,
  unreachable: 7,
} as const;
