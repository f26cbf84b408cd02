/**
 * Links that carry little: a serial line takes as long for one full heartbeat as a request and its grant may take together.
 * So over such a link a beat has what proves life and moves leases, and now and then a further message has of the reports
 * what there is room for, each kind and entry in turn (docs/protocol.md, section 1).
 */
import type { Cluster, SerialLink, Timing } from "../cluster.ts";
import type { Heartbeat, LeaseEntry } from "../wire/messages.ts";
import type { BootId, KernelId, LinkName, NodeName } from "../units/names.ts";
import { ByteWriter } from "../wire/byte-writer.ts";
import { ENTRY_WRITERS, HEARTBEAT_VERSION, type ListName, writeAboutSection, writeHead } from "../wire/heartbeat.ts";
import { MAXIMUM_BYTES, SEAL_BYTES, SECTION_HEAD_BYTES } from "../wire/heartbeat-split.ts";
import { framedBytes } from "../wire/serial-frame.ts";
import type { Instant } from "../units/time.ts";

/** Octets of a heartbeat, before it is sealed and framed. */
export interface Room {
  /** A beat, which must be answered within the window. */
  readonly beat: number;
  /** A message of reports, which fits between two beats. */
  readonly reports: number;
}

/** By name; links that are not in it carry whatever fits a datagram. */
export type NarrowLinks = ReadonlyMap<LinkName, Room>;

/** A start bit, eight of data, a stop bit. */
const BITS_A_BYTE = 10;
/** Of the window: as much for the answer, the rest for both machines. */
const BEAT_SHARE = 0.4;
/** Of the interval: reports leave when requests and answers are through, and are through before the next. */
const REPORTS_SHARE = 0.4;
/** Reports ride with one beat of so many: they go over the other links too, whose loss is counted by the same numbers. */
const REPORTS_EVERY = 5;
/** An echo as a section. */
const ECHO_BYTES = 13;
/** A heard report with the longest names, as a section. */
const ONE_REPORT_BYTES = 81;
const OVERHEAD_BYTES = framedBytes(SEAL_BYTES);

function bytesIn(link: SerialLink, duration_ms: number): number {
  return (duration_ms * link.baud) / BITS_A_BYTE / 1000;
}

export function narrowLinks({ links, timing }: Cluster): NarrowLinks {
  const rooms = new Map<LinkName, Room>();
  for (const link of links) {
    if (link.kind !== "serial") continue;
    rooms.set(link.name, {
      beat: Math.floor(BEAT_SHARE * bytesIn(link, timing.window)) - OVERHEAD_BYTES,
      reports: Math.min(MAXIMUM_BYTES, Math.floor(REPORTS_SHARE * bytesIn(link, timing.heartbeat)) - OVERHEAD_BYTES),
    });
  }
  return rooms;
}

/** Counts the intervals, so that turns are taken whatever else is sent between them. */
export function turnAt(now: Instant, { heartbeat }: Timing): number {
  return Math.floor(now / heartbeat);
}

/** Reports go out in this turn. */
export function isReportTurn(turn: number): boolean {
  return turn % REPORTS_EVERY === 0;
}

const NOTHING = {
  about: undefined,
  adapters: [],
  heard: [],
  groups: [],
  lease: [],
  events: [],
  requests: [],
  outcomes: [],
} as const;

/**
 * The beat itself: all its lease entries, whatever the room, and of the group reports at least one, for who owns what is
 * what the others decide by. A further part of a large heartbeat has no more than its lease entries.
 */
export function narrowBeat(whole: Heartbeat, room: number, turn: number): Heartbeat {
  const beat = { ...whole, ...NOTHING, drainReason: "", lease: whole.lease };
  const fill = new Filling(beat, room);
  const groups = rotated(whole.groups, turn);
  return { ...beat, groups: fill.take("groups", groups, groups.length === 0 ? 0 : 1) };
}

/** What the beats leave out, as far as there is room, in a message of its own; undefined when there is room for nothing. */
export function narrowReports(whole: Heartbeat, room: number, turn: number): Heartbeat | undefined {
  const reports = { ...whole, ...NOTHING, drainReason: "", echo: undefined, extra: true };
  const fill = new Filling(reports, room - ECHO_BYTES);
  const round = Math.floor(turn / REPORTS_EVERY);
  // Without one of these the receiver takes the message for a further part of another; half of the room is for the rest.
  const heard = fill.half((half) => half.take("heard", rotated(whole.heard, round), 0));
  if (heard.length === 0) return undefined;
  const taken: { -readonly [List in ListName]: Heartbeat[List] } = { ...NOTHING, heard };
  const whenDrained = fill.hasRoom(whole.drainReason.length + SECTION_HEAD_BYTES + 2) ? whole.drainReason : "";
  let { about } = whole;
  for (const kind of rotated(["operators", "events", "groups", "adapters", "about"] as const, round)) {
    if (kind === "operators") {
      taken.outcomes = fill.take("outcomes", whole.outcomes, 0);
      taken.requests = fill.take("requests", whole.requests, 0);
    } else if (kind === "events") taken.events = fill.inOrder("events", whole.events);
    else if (kind === "groups") taken.groups = fill.take("groups", rotated(whole.groups, round), 0);
    else if (kind === "adapters") taken.adapters = fill.adapters(whole.adapters);
    else if (!fill.about(whole)) about = undefined;
  }
  return { ...reports, ...taken, about, drainReason: whenDrained };
}

/** It is for people and can wait until the line is idle between two beats. */
export function canWait({ extra, lease, heard }: Heartbeat): boolean {
  return extra && lease.length === 0 && heard.length > 0;
}

function rotated<Item>(items: readonly Item[], turn: number): readonly Item[] {
  if (items.length < 2) return items;
  const first = turn % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** Fills what is left of a message's room. */
class Filling {
  readonly #scratch = new ByteWriter();
  readonly #version: number;
  #room: number;

  constructor(message: Heartbeat, room: number) {
    this.#version = message.version;
    writeHead(this.#scratch, message);
    this.#room = room - this.#scratch.length - ECHO_BYTES;
    if (message.lease.length > 0) this.#room -= SECTION_HEAD_BYTES;
    for (const entry of message.lease) this.#room -= this.#bytesOf("lease", entry);
  }

  hasRoom(bytes: number): boolean {
    if (bytes > this.#room) return false;
    this.#room -= bytes;
    return true;
  }

  /** Those that fit, in the order given; at least so many whether they fit or not. */
  take<List extends ListName>(list: List, entries: Heartbeat[List], atLeast: number): Heartbeat[List] {
    let head = SECTION_HEAD_BYTES;
    const taken = (entries as readonly Heartbeat[List][number][]).filter((entry, i) => {
      if (!this.hasRoom(head + this.#bytesOf(list, entry)) && i >= atLeast) return false;
      head = 0;
      return true;
    });
    return taken as unknown as Heartbeat[List];
  }

  /** Half of what is left may be filled, and one entry in any case that there is room for. */
  half<Taken>(fill: (half: Filling) => Taken): Taken {
    const kept = Math.min(Math.floor(this.#room / 2), Math.max(0, this.#room - ONE_REPORT_BYTES));
    this.#room -= kept;
    const taken = fill(this);
    this.#room += kept;
    return taken;
  }

  /** The first ones, up to one that does not fit: who has the later knows the earlier. */
  inOrder<List extends ListName>(list: List, entries: Heartbeat[List]): Heartbeat[List] {
    let head = SECTION_HEAD_BYTES;
    const all = entries as readonly Heartbeat[List][number][];
    let count = 0;
    while (count < all.length && this.hasRoom(head + this.#bytesOf(list, all[count] as Heartbeat[List][number]))) {
      head = 0;
      count += 1;
    }
    return all.slice(0, count) as unknown as Heartbeat[List];
  }

  /** All of them or none: the receiver takes them for all that there are. */
  adapters(entries: Heartbeat["adapters"]): Heartbeat["adapters"] {
    let bytes = SECTION_HEAD_BYTES;
    for (const entry of entries) bytes += this.#bytesOf("adapters", entry);
    return this.hasRoom(bytes) ? entries : [];
  }

  about(message: Heartbeat): boolean {
    this.#scratch.clear();
    writeAboutSection(this.#scratch, message);
    return this.hasRoom(this.#scratch.length);
  }

  #bytesOf<List extends ListName>(list: List, entry: Heartbeat[List][number]): number {
    const write: (out: ByteWriter, entry: Heartbeat[List][number], version: number) => void = ENTRY_WRITERS[list];
    this.#scratch.clear();
    write(this.#scratch, entry, this.#version);
    return this.#scratch.length;
  }
}

/** What a serial link would have to carry, for the check of a configuration; all in octets on the line. */
export interface SerialNeed {
  readonly inInterval: number;
  readonly inWindow: number;
  /** The shortest beat, with a request for every group. */
  readonly beat: number;
  /** That beat and its answer: more than `inWindow`, and no lease can be renewed over this link alone. */
  readonly renewal: number;
}

export function serialNeed(cluster: Cluster, link: SerialLink): SerialNeed {
  const longest = cluster.nodes.map((node) => node.name).toSorted((a, b) => b.length - a.length)[0] ?? ("" as NodeName);
  const ballot = { round: 1, node: longest, boot: "0".repeat(16) as BootId };
  const holder = { node: longest, kernel: "0".repeat(16) as KernelId };
  const requests = cluster.groups.map(({ name: group }): LeaseEntry => {
    return { kind: "propose", group, ballot, number: 1, holder, lease_ms: cluster.timing.dead };
  });
  const answers = cluster.groups.map(({ name: group }): LeaseEntry => ({ kind: "grant", group, ballot, number: 1 }));
  const [beat, answer] = [bytesWith(longest, requests), bytesWith(longest, answers)];
  return {
    inInterval: Math.floor(bytesIn(link, cluster.timing.heartbeat)),
    inWindow: Math.floor(bytesIn(link, cluster.timing.window)),
    beat,
    renewal: beat + answer,
  };
}

function bytesWith(node: NodeName, lease: readonly LeaseEntry[]): number {
  const out = new ByteWriter();
  writeHead(out, { ...EMPTY_HEAD, node });
  const entries = lease.reduce((sum, entry) => {
    const one = new ByteWriter();
    ENTRY_WRITERS.lease(one, entry, HEARTBEAT_VERSION);
    return sum + one.length;
  }, 0);
  const section = lease.length === 0 ? 0 : SECTION_HEAD_BYTES;
  return framedBytes(SEAL_BYTES + out.length + ECHO_BYTES + section + entries);
}

const EMPTY_HEAD: Heartbeat = {
  ...NOTHING,
  version: HEARTBEAT_VERSION,
  speaks: HEARTBEAT_VERSION,
  node: "" as NodeName,
  boot: "0".repeat(16) as BootId,
  kernel: "0".repeat(16) as KernelId,
  generation: 1,
  digest: "00000000",
  toBoot: "0".repeat(16) as BootId,
  message: 1,
  extra: false,
  drained: false,
  drainReason: "",
  stopping: false,
  stalled: false,
  abstaining: false,
  reluctant: false,
  eventsSeen: 0,
  echo: undefined,
};
