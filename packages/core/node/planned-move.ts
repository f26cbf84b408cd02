/** What a node remembers of a planned move: as the one that is offered a group, as the one that gave it away, and why. */
import type { LeaseEntry, OperatorRequest } from "../wire/messages.ts";
import type { Mac } from "../units/mac.ts";
import type { NodeName } from "../units/names.ts";
import type { Instant } from "../units/time.ts";

export interface Offer {
  readonly from: NodeName;
  readonly entry: Extract<LeaseEntry, { kind: "offer" }>;
  readonly until: Instant;
}

/** The old owner's part of a planned move after its lease has ended. */
export interface Farewell {
  readonly successor: NodeName;
  readonly macs: readonly Mac[];
  /** The kernel forwards until then at the latest; then the fence is closed for good, or serves what is left. */
  readonly forwardUntil: Instant;
  /** Established connections are served here until then. */
  readonly drainUntil: Instant | undefined;
  /** When the addresses leave, once the successor was seen to answer; in the last two stages, when to go on. */
  withdrawAt: Instant;
  /** The next thing that time alone does. */
  stage: "forwarding" | "draining" | "resetting" | "closing";
  /** The successor was seen to answer. */
  answered: boolean;
}

export interface Move {
  readonly target: NodeName | undefined;
  readonly cause: string;
  readonly startedAt: Instant;
  readonly tried: Set<NodeName>;
  readonly request: OperatorRequest | undefined;
  /** The fence closed here; waiting to see the successor open. */
  handedTo: NodeName | undefined;
}
