/**
 * One peer: which daemon of it we talk to, what it said last, whether it is alive.
 *
 * A boot of a peer is believed only after a message of it named our own boot: a recorded datagram from before our
 * restart can not know that, so replaying it proves nothing and moves nothing.
 */
import { ageOf, excuse, forgetMessages, type Hearing, isHeard, newHearing } from "./hearing.ts";
import type { NodeConfig } from "../cluster.ts";
import type {
  AdapterReport,
  GroupReport,
  Heartbeat,
  HeardReport,
  NodeReport,
  OperatorRequest,
} from "../wire/messages.ts";
import type { BootId, GroupName, KernelId, LinkName } from "../units/names.ts";
import { type Instant, type Milliseconds } from "../units/time.ts";

const SENT_REMEMBERED = 64;
const PROCESSED_REMEMBERED = 256;
const FORMER_REMEMBERED = 8;
/** No copy is later than this many messages; a number so far ahead was damaged and must not stand in the way of others. */
const LATEST_COPY = 65_536;

/** Mutable. */
export interface Peer {
  config: NodeConfig;
  readonly links: Map<LinkName, Hearing>;
  /** The boot that has shown it knows ours. */
  boot: BootId | undefined;
  kernel: KernelId | undefined;
  /** The highest version of the heartbeat that its daemon reads; 1 until it has said more. */
  speaks: number;
  /** Boots it had before: a late datagram of one of them must not bring it back while `boot` lives. */
  readonly formerBoots: BootId[];
  /** Where that daemon is heard from, for people. */
  source: string | undefined;
  /** Another machine under this name, heard while this one lives. */
  twin: { readonly boot: BootId; readonly since: Instant; readonly told: boolean } | undefined;
  /** What it said that cannot be, and when that was told last. */
  readonly nonsenseToldAt: Map<string, Instant>;
  /** A boot that was heard and has not shown it yet. */
  candidate: BootId | undefined;
  candidateAnsweredAt: Instant | undefined;
  alive: boolean;
  aliveSince: Instant | undefined;
  /** When it was last counted as dead; undefined: never. */
  deaths: Instant[];
  /** Since when it is known to be in this node's generation or a later one (G3); undefined: it is not. */
  generationSince: Instant | undefined;
  /** Since when it works from this node's configuration; undefined: it does not. */
  agreesSince: Instant | undefined;
  /** The last message that was regular, and when it came. */
  last: Heartbeat | undefined;
  lastAt: Instant | undefined;
  readonly groups: Map<GroupName, GroupReport>;
  heard: readonly HeardReport[];
  /** When it said so: over a slow line not with every beat. */
  heardAt: Instant | undefined;
  /** In a large cluster instead, by node and link: what it told bit by bit. */
  readonly heardParts: Map<string, { readonly report: HeardReport; readonly at: Instant }>;
  about: NodeReport | undefined;
  adapters: readonly AdapterReport[];
  /** Its last reports of links, and of adapters, were made after this; undefined: not known. */
  reportedAt: Instant | undefined;
  adaptersAt: Instant | undefined;
  /** What its operators ask of this node, as it said last. */
  requests: readonly OperatorRequest[];
  /** Our messages to this peer. */
  messagesSent: number;
  readonly sentAt: Float64Array;
  /** Its messages that were processed: later copies on other links are not. */
  readonly processed: Float64Array;
  /** Its events that we have, and ours that it has. */
  eventsHad: number;
  /** The number of an event far ahead of the last one, which counts when it is told again. */
  eventLeap: number;
  eventsSeen: number;
}

export function newPeer(config: NodeConfig, links: readonly LinkName[]): Peer {
  return {
    config,
    links: new Map(links.map((link) => [link, newHearing()])),
    boot: undefined,
    kernel: undefined,
    speaks: 1,
    formerBoots: [],
    source: undefined,
    twin: undefined,
    nonsenseToldAt: new Map(),
    candidate: undefined,
    candidateAnsweredAt: undefined,
    alive: false,
    aliveSince: undefined,
    deaths: [],
    generationSince: undefined,
    agreesSince: undefined,
    last: undefined,
    lastAt: undefined,
    groups: new Map(),
    heard: [],
    heardAt: undefined,
    heardParts: new Map(),
    about: undefined,
    adapters: [],
    reportedAt: undefined,
    adaptersAt: undefined,
    requests: [],
    messagesSent: 0,
    sentAt: new Float64Array(SENT_REMEMBERED),
    processed: new Float64Array(PROCESSED_REMEMBERED),
    eventsHad: 0,
    eventLeap: 0,
    eventsSeen: 0,
  };
}

/** Another daemon of the same node: everything that belonged to the earlier one is forgotten. */
export function adoptBoot(peer: Peer, boot: BootId, kernel: KernelId): void {
  if (peer.boot !== undefined) peer.formerBoots.push(peer.boot);
  if (peer.formerBoots.length > FORMER_REMEMBERED) peer.formerBoots.shift();
  peer.boot = boot;
  peer.kernel = kernel;
  peer.candidate = undefined;
  peer.source = undefined;
  peer.twin = undefined;
  peer.groups.clear();
  peer.heard = [];
  peer.heardAt = undefined;
  peer.heardParts.clear();
  peer.about = undefined;
  peer.adapters = [];
  peer.reportedAt = undefined;
  peer.requests = [];
  peer.processed.fill(0);
  peer.eventsHad = 0;
  peer.eventLeap = 0;
  peer.eventsSeen = 0;
  for (const hearing of peer.links.values()) forgetMessages(hearing);
}

/** True for a boot that another one has replaced, as long as that one is heard. */
export function isFormerBoot(peer: Peer, boot: BootId, dead: Milliseconds, now: Instant): boolean {
  return boot !== peer.boot && peer.formerBoots.includes(boot) && isAlive(peer, dead, now);
}

/** False for a copy of a message that was processed already. */
export function firstCopy(peer: Peer, message: number): boolean {
  const slot = message % PROCESSED_REMEMBERED;
  const before = peer.processed[slot] ?? 0;
  // A slot holds the latest number that fell on it: an older one is a very late copy.
  if (before >= message && before - message < LATEST_COPY) return false;
  peer.processed[slot] = message;
  return true;
}

export function nextMessage(peer: Peer, now: Instant): number {
  peer.messagesSent += 1;
  peer.sentAt[peer.messagesSent % SENT_REMEMBERED] = now;
  return peer.messagesSent;
}

/** When a message of ours went out; undefined when that is too long ago. */
export function whenSent(peer: Peer, message: number): number | undefined {
  if (message > peer.messagesSent || message <= peer.messagesSent - SENT_REMEMBERED || message < 1) return undefined;
  return peer.sentAt[message % SENT_REMEMBERED];
}

/** Alive = any link heard within `dead`. */
export function isAlive(peer: Peer, dead: Milliseconds, now: Instant): boolean {
  if (peer.boot === undefined) return false;
  for (const hearing of peer.links.values()) if (isHeard(hearing, dead, now)) return true;
  return false;
}

/** Age of the latest message on any link; undefined: never heard. */
export function peerAge(peer: Peer, now: Instant): Milliseconds | undefined {
  let age: Milliseconds | undefined;
  for (const hearing of peer.links.values()) {
    const linkAge = ageOf(hearing, now);
    if (linkAge !== undefined && (age === undefined || linkAge < age)) age = linkAge;
  }
  return age;
}

export function excusePeer(peer: Peer, gap: Milliseconds, now: Instant): void {
  for (const hearing of peer.links.values()) excuse(hearing, gap, now);
}
