/** What a heartbeat carries, as values. The bytes are in heartbeat.ts; the rules that make and read these in ../ownership/lease. */
import type { Ballot, Holder } from "../ownership/lease/ballot.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "../units/names.ts";
import type { Mac } from "../units/mac.ts";

/** Why a voter does not grant or promise (ownership.md section 2). */
export type RefuseReason = "held" | "promised" | "closed" | "abstaining" | "generation";

/** One lease message; complete in itself, any number ride in a heartbeat (ownership.md section 2). */
export type LeaseEntry =
  | { readonly kind: "prepare"; readonly group: GroupName; readonly ballot: Ballot; readonly holder: Holder }
  | { readonly kind: "promise"; readonly group: GroupName; readonly ballot: Ballot }
  | {
      readonly kind: "propose";
      readonly group: GroupName;
      readonly ballot: Ballot;
      /** Request number, unsigned 48 bits: at 10 ms and a thousand groups it lasts 90 years. */
      readonly number: number;
      readonly holder: Holder;
      /** T in milliseconds, unsigned 16 bits. */
      readonly lease_ms: number;
    }
  | { readonly kind: "grant"; readonly group: GroupName; readonly ballot: Ballot; readonly number: number }
  | {
      readonly kind: "refuse";
      readonly group: GroupName;
      readonly ballot: Ballot;
      readonly promised: Ballot;
      /** Who holds the voter's lease, when somebody does. */
      readonly owner: NodeName | undefined;
      /** What is left of that lease in milliseconds, unsigned 16 bits, rounded up; 0 without one. */
      readonly remaining_ms: number;
      readonly reason: RefuseReason;
    }
  | { readonly kind: "release"; readonly group: GroupName; readonly ballot: Ballot; readonly holder: Holder }
  /** A voter's confirmation that it has processed a release of this ballot (C9). */
  | { readonly kind: "released"; readonly group: GroupName; readonly ballot: Ballot }
  | {
      readonly kind: "offer";
      readonly group: GroupName;
      readonly ballot: Ballot;
      /** The owner's station in each of the group's segments, at most 255; empty: it cannot forward. */
      readonly macs: readonly Mac[];
    }
  | {
      readonly kind: "ready";
      readonly group: GroupName;
      readonly ballot: Ballot;
      readonly holder: Holder;
      readonly boot: BootId;
      /** The successor's station in each of the group's segments, at most 255; empty: it does not relay. */
      readonly macs: readonly Mac[];
    }
  | {
      readonly kind: "nominate";
      readonly group: GroupName;
      readonly fromBallot: Ballot;
      readonly ballot: Ballot;
      readonly holder: Holder;
      readonly holderBoot: BootId;
    };

export type FenceState = "closed" | "relay" | "open" | "forward";

/** Why a node would not own a group now; "" when it would (it is eligible). */
export type Ineligibility =
  | ""
  | "witness"
  | "not-preferred"
  | "drained"
  | "stopping"
  | "interface-down"
  | "address-failed"
  | "generation"
  | "crashing"
  /** All adapters of one of its segments have failed. */
  | "adapters-failed"
  /** This node itself is unfit: no netlink, no IP stack, no memory. */
  | "unfit"
  /** It gave the group up because a stranger keeps one of its addresses (`on_conflict: yield`). */
  | "yielded";

/** What a node says of one group in every heartbeat. */
export interface GroupReport {
  readonly group: GroupName;
  readonly fence: FenceState;
  readonly ineligible: Ineligibility;
  /** The record of the sender's own voter: who holds the lease, under which ballot, and for how long yet. */
  readonly owner: NodeName | undefined;
  readonly ballot: Ballot | undefined;
  /** Milliseconds, unsigned 16 bits. */
  readonly remaining_ms: number;
  /** The group's adapter in use on the sender: 0 the service adapter, then the standby adapters; the worst of its segments. */
  readonly adapter: number;
  readonly pause: PauseReport;
}

/** Automation of a group that an operator has frozen; the report with the highest stamp counts. */
export interface PauseReport {
  /** Raised by one with each pause and resume, unsigned 32 bits; 0: never paused. */
  readonly stamp: number;
  /** Until it ends by itself, unsigned 32 bits; 0: not paused. */
  readonly remaining_ms: number;
}

/** What the evidence of an adapter says (requirement A7). */
export type AdapterState =
  | "ok"
  /** Not there, or administratively down. */
  | "down"
  | "no-carrier"
  /** Nothing is received at all, while another node hears this network: the adapter or its port. */
  | "silent"
  /** Nobody hears anything on this network. */
  | "network-down"
  /** The evidence does not decide. */
  | "undecided";

/** One adapter of the sender that a group may use. */
export interface AdapterReport {
  /** As groups name it: a logical name, or the kernel's. Adapters of one name are of one network on every node. */
  readonly name: string;
  /** The kernel's name on the sender. */
  readonly interface: InterfaceName;
  readonly state: AdapterState;
  /** An address of a group is on it. */
  readonly used: boolean;
  /** Milliseconds since a frame of anybody was received, unsigned 16 bits; 65535: never or longer, or not looked at. */
  readonly heardAge_ms: number;
  /** The same for an answer of a reference address. */
  readonly referenceAge_ms: number;
}

/** What a node says of itself as a whole. */
export interface NodeReport {
  /** Version of the software, at most 32 bytes. */
  readonly software: string;
  /** Ids of the keys it accepts, the active one first; at most 16. */
  readonly keys: readonly number[];
}

/** How the sender hears one peer on one link. */
export interface HeardReport {
  readonly peer: NodeName;
  readonly link: LinkName;
  /** Milliseconds since the last authentic heartbeat, unsigned 16 bits; 65535: never or longer. */
  readonly age_ms: number;
  /** Lost heartbeats of the last 100, in units of 1/1000; unsigned 16 bits. */
  readonly loss_permille: number;
  /** Last round trip in microseconds, unsigned 32 bits; 0: not known. */
  readonly roundTrip_us: number;
  /** Mean distance of beats from their interval in microseconds, unsigned 32 bits; 0 from a peer of version 1. */
  readonly jitter_us: number;
}

/** Lets the receiver measure the round trip of this link: its own message, and how long we kept it. */
export interface Echo {
  /** `message` of the receiver's heartbeat that the sender heard last on this link. */
  readonly message: number;
  /** Microseconds since then, unsigned 32 bits. */
  readonly held_us: number;
}

/** Severity, as an operator reads it. */
export type EventLevel = "info" | "warning" | "alarm";

/** Something that happened on a node, told to every node. */
export interface ClusterEvent {
  readonly node: NodeName;
  readonly boot: BootId;
  /** Counts the events of this boot from 1. */
  readonly number: number;
  /** Wall clock of the node where it happened, in milliseconds since 1970; for people only. */
  readonly wall_ms: number;
  readonly level: EventLevel;
  /** A stable word for machines, such as `group-owned`; the list is in docs/events.md. */
  readonly code: string;
  readonly group: GroupName | undefined;
  /** One sentence; at most 200 bytes. */
  readonly text: string;
}

/** What an operator asked a node to do, carried to the node that can do it. */
export type OperatorAction =
  | { readonly kind: "move"; readonly group: GroupName; readonly target: NodeName | undefined }
  | { readonly kind: "drain"; readonly node: NodeName; readonly reason: string }
  | { readonly kind: "undrain"; readonly node: NodeName }
  /** Without a group: of all groups. */
  | {
      readonly kind: "pause";
      readonly group: GroupName | undefined;
      /** 1 to 2^32 - 1. */
      readonly for_ms: number;
      readonly reason: string;
    }
  | { readonly kind: "resume"; readonly group: GroupName | undefined }
  /** The operator has seen the alarms so far. */
  | { readonly kind: "acknowledge" };

export interface OperatorRequest {
  /** The asking node's boot and a counter of it: the request is done once, however often it is heard. */
  readonly origin: NodeName;
  readonly boot: BootId;
  readonly number: number;
  /** Who is asked to act. */
  readonly target: NodeName;
  readonly action: OperatorAction;
}

export interface OperatorOutcome {
  /** The asking node, its boot and the request's number. */
  readonly origin: NodeName;
  readonly boot: BootId;
  readonly number: number;
  readonly code: OutcomeCode;
  readonly text: string;
}

export type OutcomeCode = "done" | "failed" | "refused" | "timeout";

/** One authenticated message from one node to one other, over one link. */
export interface Heartbeat {
  /** The format this message is written in: 1 or 2. */
  readonly version: number;
  /** The highest format its sender understands. */
  readonly speaks: number;
  readonly node: NodeName;
  readonly boot: BootId;
  readonly kernel: KernelId;
  readonly generation: number;
  /** Digest of the sender's configuration; 8 lower-case hex digits. */
  readonly digest: string;
  /** Boot of the receiver as the sender knows it; without it nothing but the sender's boot is learnt from the message. */
  readonly toBoot: BootId | undefined;
  /** The same on every link a message is sent over: later copies count for the link only. Unsigned 48 bits, from 1. */
  readonly message: number;
  /** Sent outside the regular beat (an answer or a repeat): does not count for the interval. */
  readonly extra: boolean;
  readonly drained: boolean;
  /** What the operator said when draining, at most 200 bytes; "" when not drained. */
  readonly drainReason: string;
  readonly stopping: boolean;
  readonly stalled: boolean;
  readonly abstaining: boolean;
  /** It stalls again and again: it prefers not to own. */
  readonly reluctant: boolean;
  /** Events of the receiver that the sender has, up to this number. */
  readonly eventsSeen: number;
  readonly echo: Echo | undefined;
  /** Only in the first part of a full heartbeat, and only in version 2. */
  readonly about: NodeReport | undefined;
  /** Only in version 2. */
  readonly adapters: readonly AdapterReport[];
  readonly heard: readonly HeardReport[];
  readonly groups: readonly GroupReport[];
  readonly lease: readonly LeaseEntry[];
  readonly events: readonly ClusterEvent[];
  readonly requests: readonly OperatorRequest[];
  readonly outcomes: readonly OperatorOutcome[];
}
