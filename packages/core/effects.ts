/**
 * Everything the core can ask of the world, and everything the world can tell it, as data.
 *
 * Effects are performed in the order given, at once, by the engine. What an effect brings back is an input, queued in
 * that order and taken before any other. So a failed `arm` or `saveVotes` is known before the `flush` behind it comes
 * back, and what may only be sent after them is sent by that `flush` or not at all.
 */
import type { Cluster } from "./cluster.ts";
import type { Ballot, Holder } from "./ownership/lease/ballot.ts";
import type { ClusterEvent, EventLevel, Heartbeat, OperatorAction, OutcomeCode } from "./wire/messages.ts";
import type { GroupName, InterfaceName, LinkName, NodeName } from "./units/names.ts";
import type { IpAddress } from "./units/ip.ts";
import type { Mac } from "./units/mac.ts";
import type { Instant } from "./units/time.ts";

/** A voter's record of one group (ownership.md section 2), as it is kept across restarts of the daemon (V2). */
export interface VoterRecord {
  readonly promised: Ballot | undefined;
  readonly accepted: Accepted | undefined;
  /** For each maker (node and boot) the highest ballot that was released. */
  readonly closed: readonly Ballot[];
}

export interface Accepted {
  readonly ballot: Ballot;
  readonly holder: Holder;
  readonly number: number;
  /** On the monotonic clock of this kernel, which a restarted daemon shares. */
  readonly expires: number;
}

/** A pause as it outlives its daemon, on every node. */
export interface StoredPause {
  readonly group: GroupName;
  /** 1 to 2^32 - 1. */
  readonly stamp: number;
  /** Wall clock in milliseconds since 1970; undefined: it has ended. */
  readonly until_ms: number | undefined;
  /** What was left when this was kept: it is never longer, whatever the wall clock says. */
  readonly remaining_ms: number;
  /** Who answered last, and may take the group again. */
  readonly owner: NodeName | undefined;
}

export type Effect =
  /** Send over the named links; the engine seals one datagram a link. */
  | { readonly kind: "send"; readonly to: NodeName; readonly links: readonly LinkName[]; readonly heartbeat: Heartbeat }
  /** V2: write the group's record to tmpfs, before the reply is sent. Failure: input `saveFailed`. */
  | { readonly kind: "saveVotes"; readonly group: GroupName; readonly record: VoterRecord }
  /** F1: arm the number, before anything that carries it is sent. Failure: input `armFailed`. */
  | { readonly kind: "arm"; readonly group: GroupName; readonly number: number }
  /** Bring the input `flush` once all effects before this one are done. */
  | { readonly kind: "flush" }
  /** F2: extend the fence; brings `committed` or `commitRefused`. */
  | { readonly kind: "commit"; readonly group: GroupName; readonly number: number }
  /** F3: end the right to answer, the given armed numbers first; brings `closed` or `closeFailed`. */
  | { readonly kind: "close"; readonly group: GroupName; readonly armed: readonly number[] }
  /**
   * F4: nothing can be committed any more, and what arrives for the group goes on to the successor at `macs` (one for each
   * segment) for as long as the fence would have answered. Brings `forwarded` or `forwardFailed` (then it still answers).
   */
  | {
      readonly kind: "forward";
      readonly group: GroupName;
      readonly armed: readonly number[];
      readonly macs: readonly Mac[];
    }
  /**
   * F5: closed, but what comes from these stations (one for each segment) is answered, for `for_ms`; the first commit and
   * every close end it. Brings `relaying` or `relayFailed`.
   */
  | { readonly kind: "relay"; readonly group: GroupName; readonly macs: readonly Mac[]; readonly for_ms: number }
  /** Open, but TCP connections that did not begin here go to the old owner at `macs`, for `for_ms`; 0 ends it. */
  | {
      readonly kind: "passConnections";
      readonly group: GroupName;
      readonly macs: readonly Mac[];
      readonly for_ms: number;
    }
  /** Reset the TCP connections of clients to the group's addresses on this node. */
  | { readonly kind: "resetConnections"; readonly group: GroupName }
  /**
   * Desired state: the group's addresses are on this node, or not. Brings `addressesPlaced` when on. `adapters`: the
   * interface for each of the group's segments; addresses that are on another one of this node leave it.
   */
  | {
      readonly kind: "placeAddresses";
      readonly group: GroupName;
      readonly wanted: boolean;
      readonly adapters: readonly InterfaceName[];
    }
  /**
   * Desired state: announce the group's addresses as owner of this term, on the schedule of the steering method.
   * `provesFrom`: until then the old owner may pass on what arrives there, and that it comes back here proves nothing.
   */
  | { readonly kind: "announce"; readonly group: GroupName; readonly term: number; readonly provesFrom?: Instant }
  | { readonly kind: "stopAnnouncing"; readonly group: GroupName }
  /**
   * Ask on the network whether anybody answers for these addresses, once: for a group's as who has none of them, for the
   * reference (no group) from an own address. Each answer is an input `answered`. `through`: by this interface alone.
   */
  | {
      readonly kind: "probe";
      readonly of: GroupName | undefined;
      readonly addresses: readonly IpAddress[];
      readonly through?: InterfaceName;
    }
  /** How many frames of others has each of these interfaces received? Brings `framesCounted` for each that can tell. */
  | { readonly kind: "countFrames"; readonly interfaces: readonly InterfaceName[] }
  /** The group left the configuration, and nothing of it is here any more: its fence may go. */
  | { readonly kind: "forgetGroup"; readonly group: GroupName }
  /** Tell control: goes to the history, `events` and the log. */
  | { readonly kind: "record"; readonly event: LocalEvent }
  /** The outcome of an operator's request that came in through this node. */
  | { readonly kind: "reply"; readonly request: number; readonly code: OutcomeCode; readonly text: string }
  /** Survives a restart: this node is drained, or no longer. */
  | { readonly kind: "saveDrained"; readonly reason: string | undefined }
  /** Survives a restart: all pauses there are or were. */
  | { readonly kind: "savePauses"; readonly pauses: readonly StoredPause[] }
  /** All is released after `stop`: leave. */
  | { readonly kind: "exit" };

/** An event of this node, or of another that came by gossip (then without phases). */
export interface LocalEvent extends ClusterEvent {
  /** What happened when, on this node, for the flight recorder: phase name to milliseconds since detection. */
  readonly phases: Readonly<Record<string, number>> | undefined;
}

export type RejectReason =
  | "malformed"
  | "version"
  | "cluster"
  /** Sealed for another link or another node. */
  | "link"
  | "key"
  | "auth"
  | "replay"
  | "sender"
  | "parse"
  /** On a serial line: octets that are no frame. */
  | "garbled"
  /** Dropped by the packet filter: a source that is no node of the link. */
  | "filtered"
  /** Dropped by the packet filter: more than a node of the link ever sends. */
  | "flood";

export type Input =
  /** The deadline came (or the loop woke for another reason: harmless). */
  | { readonly kind: "tick" }
  /** An authentic, parsed heartbeat. */
  | {
      readonly kind: "heartbeat";
      readonly link: LinkName;
      readonly heartbeat: Heartbeat;
      /** Where its daemon was first heard from on this link, for people. */
      readonly source?: string;
    }
  /** Datagrams that were dropped since the last report; at most one input a second a reason. */
  | {
      readonly kind: "rejected";
      readonly link: LinkName;
      readonly source: string;
      readonly reason: RejectReason;
      readonly count: number;
    }
  | {
      readonly kind: "interfaceChanged";
      readonly interface: InterfaceName;
      readonly up: boolean;
      /** Why it is not up: no carrier when absent. */
      readonly down?: "administratively" | "missing" | "no-carrier";
    }
  /** Since the interface came up, own ones not counted. */
  | { readonly kind: "framesCounted"; readonly interface: InterfaceName; readonly frames: number }
  /** On which interface a link works now; undefined: on none. Told at the start too, and it makes no event. */
  | { readonly kind: "linkBound"; readonly link: LinkName; readonly interface: InterfaceName | undefined }
  | { readonly kind: "linkChanged"; readonly link: LinkName; readonly up: boolean; readonly detail: string }
  | { readonly kind: "armFailed"; readonly group: GroupName; readonly number: number; readonly detail: string }
  | { readonly kind: "saveFailed"; readonly group: GroupName; readonly detail: string }
  | { readonly kind: "committed"; readonly group: GroupName; readonly number: number }
  | { readonly kind: "commitRefused"; readonly group: GroupName; readonly number: number; readonly detail: string }
  | { readonly kind: "closed"; readonly group: GroupName }
  | { readonly kind: "closeFailed"; readonly group: GroupName; readonly detail: string }
  | { readonly kind: "forwarded"; readonly group: GroupName }
  | { readonly kind: "forwardFailed"; readonly group: GroupName; readonly detail: string }
  | { readonly kind: "relaying"; readonly group: GroupName }
  | { readonly kind: "relayFailed"; readonly group: GroupName; readonly detail: string }
  /** `macs`: this node's own, one for each segment; empty when an interface has none. */
  | { readonly kind: "addressesPlaced"; readonly group: GroupName; readonly macs: readonly Mac[] }
  | { readonly kind: "addressesFailed"; readonly group: GroupName; readonly detail: string }
  /** Somebody removed an owned address; it was put back. */
  | {
      readonly kind: "addressRestored";
      readonly group: GroupName;
      readonly address: IpAddress;
      readonly interface: InterfaceName;
    }
  /** The rule set had vanished; it was put back, closed (F7). */
  | { readonly kind: "fenceReinstalled"; readonly detail: string }
  /** Another station claims one of the addresses this node announces, `count` times since the last input (1 when absent). */
  | {
      readonly kind: "conflict";
      readonly group: GroupName;
      readonly address: IpAddress;
      readonly mac: Mac;
      readonly interface: InterfaceName;
      readonly count?: number;
      /** The node of the cluster that the station is known to be of. */
      readonly node?: NodeName;
    }
  /** An operator's request through this node's control process; `request` names it in the `reply`. */
  | {
      readonly kind: "request";
      readonly request: number;
      readonly target: NodeName;
      readonly action: OperatorAction;
      readonly timeout_ms: number;
    }
  /** Something this node cannot record or do, found outside the core. */
  | { readonly kind: "trouble"; readonly code: string; readonly text: string; readonly level: EventLevel }
  /**
   * Another configuration, checked by `reloadPlan` in this turn, with this node in it. What it adds is fenced already; what it
   * removes stays fenced until this is done. `interfacesDown`: of this node's interfaces in it.
   */
  | { readonly kind: "reconfigured"; readonly cluster: Cluster; readonly interfacesDown: readonly InterfaceName[] }
  /** A probe was answered by somebody else, or somebody else claimed an address that this node does not announce. */
  | {
      readonly kind: "answered";
      readonly of: GroupName | undefined;
      readonly address: IpAddress;
      readonly mac: Mac;
      readonly interface: InterfaceName;
    }
  /** Requirement A4: a station's answer to the address came back here, or within the time for it none did. */
  | {
      readonly kind: "takeoverChecked";
      readonly group: GroupName;
      readonly term: number;
      readonly address: IpAddress;
      /** Whose answer it was; undefined: nobody's. */
      readonly by: IpAddress | undefined;
      /** Since the first announcement. */
      readonly after_ms: number;
      /** Who answered, or who was asked, in words. */
      readonly detail: string;
      /** Addresses of the group whose check goes on. */
      readonly pending: number;
    }
  /**
   * The loop woke late, and this is what the engine could see of the reason: words that go on after "it was"; "" when it saw
   * none. Given before anything else that came meanwhile.
   */
  | { readonly kind: "stalled"; readonly cause: string }
  /** Requirement B4: something this node cannot own without does not work, or works again. `what`: a stable word. */
  | { readonly kind: "fitness"; readonly what: string; readonly fit: boolean; readonly detail: string }
  /** The whole machine stood still (suspend): its fence and its clock did too, the other nodes' did not. */
  | { readonly kind: "paused"; readonly for_ms: number }
  /** All effects before the `flush` were done, and failures among them were told. */
  | { readonly kind: "flush" }
  /** Wall clock minus monotonic clock in milliseconds, for the times people read; sent again when the wall clock is set. */
  | { readonly kind: "wallClock"; readonly offset_ms: number }
  /** SIGTERM: hand over or release everything, then leave. */
  | { readonly kind: "stop" };
