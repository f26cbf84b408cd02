/** What a node knows, for people: made from the state on demand, never on the heartbeat path. */
import type {
  AdapterReport,
  FenceState,
  GroupReport,
  HeardReport,
  Ineligibility,
  NodeReport,
} from "./wire/messages.ts";
import type { GroupName, LinkName, NodeName } from "./units/names.ts";

export interface NodeView {
  readonly cluster: string;
  readonly node: NodeName;
  readonly generation: number;
  readonly digest: string;
  /** A majority of the voters is alive, this node included when it votes. */
  readonly quorum: boolean;
  /** `quorum: available` is configured. */
  readonly available: boolean;
  /** `quorum: available`: it goes on without the other voter. */
  readonly alone: boolean;
  readonly timing: {
    readonly heartbeat: number;
    readonly dead: number;
    readonly window: number;
    readonly keep: number;
  };
  /** In the order of the configuration; this node is among them. */
  readonly nodes: readonly PeerView[];
  readonly groups: readonly GroupView[];
  readonly rejected: readonly {
    readonly link: string;
    readonly reason: string;
    readonly source: string;
    readonly count: number;
  }[];
}

export interface PeerView {
  readonly name: NodeName;
  readonly role: "member" | "witness";
  readonly self: boolean;
  /** Heard on any link within `dead`; always true for the node itself. */
  readonly alive: boolean;
  /** Milliseconds since last heard on any link; 0 for the node itself; undefined: never. */
  readonly age_ms: number | undefined;
  /** Not heard by this node: the voters that say they hear it; `alive` and `age_ms` are by their word. */
  readonly heardBy?: readonly NodeName[];
  readonly drained: boolean;
  readonly drainReason: string | undefined;
  readonly stopping: boolean;
  readonly stalled: boolean;
  readonly abstaining: boolean;
  /** It stalls again and again, or is short of memory: it prefers not to own. */
  readonly reluctant: boolean;
  /** What is broken in it, in words; of a peer only that something is. Undefined: nothing. */
  readonly unfit: string | undefined;
  /** Undefined before the peer was heard. */
  readonly digest: string | undefined;
  readonly generation: number | undefined;
  /** How this node hears the peer, link by link (empty for itself). */
  readonly heard: readonly LinkView[];
  /** How the peer says it hears everybody, and its age in milliseconds. */
  readonly reports: readonly HeardReport[];
  readonly reportsAge_ms: number | undefined;
  readonly groups: readonly GroupReport[];
  /** Those that groups may use, once for each name that groups have for them. */
  readonly adapters: readonly AdapterReport[];
  /** What it says of itself; undefined: nothing yet, or its daemon is of version 1. */
  readonly about: NodeReport | undefined;
}

export interface LinkView {
  readonly link: LinkName;
  readonly alive: boolean;
  readonly age_ms: number | undefined;
  readonly loss_permille: number;
  readonly roundTrip_us: number | undefined;
  readonly jitter_us: number | undefined;
}

export interface GroupView {
  readonly name: GroupName;
  /** Which adapter of the owner carries it: 0 the service adapter; the worst of its segments. */
  readonly adapter: number;
  /** Whose fence is open, as far as this node knows. */
  readonly owner: NodeName | undefined;
  /** More than one live node reports an open fence. */
  readonly claimed: readonly NodeName[];
  readonly term: number;
  /** Milliseconds since this node saw the owner take it; undefined without an owner. */
  readonly since_ms: number | undefined;
  /** "10.0.0.100/24" */
  readonly addresses: readonly string[];
  readonly prefer: readonly NodeName[];
  /** Live eligible nodes other than the owner, in order of preference. */
  readonly standbys: readonly NodeName[];
  readonly fence: FenceState;
  readonly moving: boolean;
  /** An operator has frozen its automation; undefined: not paused. */
  readonly pause: { readonly remaining_ms: number; readonly lastOwner: NodeName | undefined } | undefined;
  /** How often an address of it was removed here by somebody else and put back, since this daemon started. */
  readonly addressesRestored: number;
  readonly candidates: readonly { readonly node: NodeName; readonly ineligible: Ineligibility | "down" }[];
  /** Why the owner owns it (or why nobody does), in words. */
  readonly cause: string;
  /** This node does not hear all of its candidates: of them the above is by the voters' word. */
  readonly byVoters?: boolean;
}
