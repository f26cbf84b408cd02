/**
 * Heartbeats as bytes: a fixed head, then sections of type, length and value (docs/protocol.md). Parsing never throws.
 *
 * Within a version a section, lease entry or request of an unknown type is skipped, so that new ones can be added; what is
 * known must be exact, and anything else is a reason to drop the whole message. Versions 1 and 2 are read; a message says
 * in which it is written and the highest its sender reads, so that nodes of both can be in one cluster during an upgrade.
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readLeaseEntry, writeLeaseEntry } from "./heartbeat-lease.ts";
import { readAbout, readAdapter, writeAbout, writeAdapter } from "./heartbeat-node.ts";
import {
  readEvent,
  readGroup,
  readHeard,
  readOutcome,
  readRequest,
  REASON_BYTES,
  writeEvent,
  writeGroup,
  writeHeard,
  writeOutcome,
  writeRequest,
} from "./heartbeat-reports.ts";
import { failure, success } from "../units/result.ts";
import type { BootId, KernelId, NodeName } from "../units/names.ts";
import type { ParseError } from "./parse-error.ts";
import type { Result } from "../units/result.ts";
import type { Echo, Heartbeat } from "./messages.ts";

/** The highest version that is written and read here, and the lowest. */
export const HEARTBEAT_VERSION = 2;
export const OLDEST_VERSION = 1;

/** A message that is longer is not parsed, and must not be emitted. */
export const MAXIMUM_HEARTBEAT_BYTES = 65_535;

/** Entries of the heard section. */
export const MAXIMUM_HEARD = 255;

const FLAG = {
  extra: 1,
  drained: 2,
  stopping: 4,
  stalled: 8,
  abstaining: 16,
  toBoot: 32,
  speaks2: 64,
  reluctant: 128,
} as const;
const SECTION = {
  echo: 1,
  heard: 2,
  groups: 3,
  lease: 4,
  events: 5,
  requests: 6,
  outcomes: 7,
  drain: 8,
  about: 9,
  adapters: 10,
} as const;
/** The last section of each version. */
const LAST_SECTION: Readonly<Record<number, number>> = { 1: SECTION.drain, 2: SECTION.adapters };
const NO_BOOT = "0000000000000000";

/** The names of the lists a heartbeat carries. */
export type ListName = "adapters" | "heard" | "groups" | "lease" | "events" | "requests" | "outcomes";

/** How an entry of each list is written in a version. */
export const ENTRY_WRITERS: {
  readonly [List in ListName]: (out: ByteWriter, entry: Heartbeat[List][number], version: number) => void;
} = {
  adapters: writeAdapter,
  heard: writeHeard,
  groups: writeGroup,
  lease: writeLeaseEntry,
  events: writeEvent,
  requests: writeRequest,
  outcomes: writeOutcome,
};

/**
 * The bytes of one message. Durations beyond their field are saturated and texts cut.
 * Throws RangeError above 65535 bytes or 255 heard reports: use `splitHeartbeat` (heartbeat-split.ts) first.
 */
export function emitHeartbeat(h: Heartbeat): Uint8Array {
  return new HeartbeatEmitter().emit(h);
}

/** Emits one message after the other in the same memory, and writes lists that several of them share but once. */
export class HeartbeatEmitter {
  readonly #out = new ByteWriter();
  readonly #heard = new SharedSection("heard");
  readonly #groups = new SharedSection("groups");
  readonly #adapters = new SharedSection("adapters");

  /** As `emitHeartbeat`; the bytes are valid until the next call. */
  emit(h: Heartbeat): Uint8Array {
    if (h.heard.length > MAXIMUM_HEARD) throw new RangeError(`${h.heard.length} heard reports; split the message`);
    const out = this.#out;
    out.clear();
    writeHead(out, h);
    writeEcho(out, h.echo);
    writeDrainReason(out, h.drainReason);
    const { version } = h;
    writeAboutSection(out, h);
    if (version >= 2) this.#adapters.write(out, h.adapters, version);
    this.#heard.write(out, h.heard, version);
    this.#groups.write(out, h.groups, version);
    writeList(out, "lease", h.lease, version);
    writeList(out, "events", h.events, version);
    writeList(out, "requests", h.requests, version);
    writeList(out, "outcomes", h.outcomes, version);
    if (out.length > MAXIMUM_HEARTBEAT_BYTES)
      throw new RangeError(`a heartbeat of ${out.length} bytes; split the message`);
    return out.bytes();
  }
}

/** A section whose list is the same one in the heartbeats of an interval to all peers. Lists never change. */
class SharedSection<List extends ListName> {
  readonly #list: List;
  #entries: Heartbeat[List] | undefined;
  #bytes: Uint8Array | undefined;
  #version = 0;

  constructor(list: List) {
    this.#list = list;
  }

  write(out: ByteWriter, entries: Heartbeat[List], version: number): void {
    if (entries.length === 0) return;
    const same = this.#entries === entries && this.#version === version;
    if (this.#bytes !== undefined && same) return out.raw(this.#bytes);
    const start = out.length;
    writeList(out, this.#list, entries, version);
    this.#entries = entries;
    this.#version = version;
    this.#bytes = out.copyFrom(start);
  }
}

export function writeHead(out: ByteWriter, h: Heartbeat): void {
  out.u8(h.version);
  out.u8(
    (h.extra ? FLAG.extra : 0) |
      (h.drained ? FLAG.drained : 0) |
      (h.stopping ? FLAG.stopping : 0) |
      (h.stalled ? FLAG.stalled : 0) |
      (h.abstaining ? FLAG.abstaining : 0) |
      (h.toBoot === undefined ? 0 : FLAG.toBoot) |
      (h.speaks >= 2 ? FLAG.speaks2 : 0) |
      (h.reluctant ? FLAG.reluctant : 0),
  );
  out.hex(h.boot);
  out.hex(h.kernel);
  out.hex(h.toBoot ?? NO_BOOT);
  out.u32(h.generation);
  out.hex(h.digest);
  out.u48(h.message);
  out.u32(h.eventsSeen);
  out.name(h.node);
}

export function writeEcho(out: ByteWriter, echo: Echo | undefined): void {
  if (echo === undefined) return;
  out.u8(SECTION.echo);
  const mark = out.begin();
  out.u48(echo.message);
  out.saturated32(echo.held_us);
  out.end(mark);
}

export function writeDrainReason(out: ByteWriter, reason: string): void {
  if (reason === "") return;
  out.u8(SECTION.drain);
  const mark = out.begin();
  out.text(reason, REASON_BYTES);
  out.end(mark);
}

/** A peer of version 1 would skip it. */
export function writeAboutSection(out: ByteWriter, { about, version }: Heartbeat): void {
  if (about === undefined || version < 2) return;
  out.u8(SECTION.about);
  const mark = out.begin();
  writeAbout(out, about);
  out.end(mark);
}

function writeList<List extends ListName>(
  out: ByteWriter,
  list: List,
  entries: Heartbeat[List],
  version: number,
): void {
  if (entries.length === 0) return;
  const write: (out: ByteWriter, entry: Heartbeat[List][number], version: number) => void = ENTRY_WRITERS[list];
  out.u8(SECTION[list]);
  const mark = out.begin();
  for (const entry of entries) write(out, entry, version);
  out.end(mark);
}

/**
 * The message, or what is wrong with its bytes. Of a message that `isCopy` knows already, having come over another link,
 * only head and echo are read: they are all that counts then.
 */
export function parseHeartbeat(
  bytes: Uint8Array,
  isCopy?: (boot: BootId, message: number) => boolean,
): Result<Heartbeat, ParseError> {
  if (bytes.length > MAXIMUM_HEARTBEAT_BYTES)
    return failure({ kind: "long", at: MAXIMUM_HEARTBEAT_BYTES, what: "heartbeat" });
  const from = new ByteReader(bytes);
  const head = readHead(from);
  const copy = from.error === undefined && isCopy?.(head.boot, head.message) === true;
  const lists = readSections(from, head.version, copy);
  return from.error === undefined ? success({ ...head, ...lists }) : failure(from.error);
}

type Lists = { -readonly [Key in ListName | "echo" | "drainReason" | "about"]: Heartbeat[Key] };

function readHead(from: ByteReader): Omit<Heartbeat, keyof Lists> {
  const version = from.u8("version");
  if (version < OLDEST_VERSION || version > HEARTBEAT_VERSION) from.fail("version", "version");
  const flags = from.u8("flags");
  const boot = from.hex(8, "boot") as BootId;
  const kernel = from.hex(8, "kernel") as KernelId;
  const toBoot = from.hex(8, "toBoot") as BootId;
  const generation = from.u32("generation");
  const digest = from.hex(4, "digest");
  const message = from.u48("message");
  if (message === 0) from.fail("value", "message");
  const eventsSeen = from.u32("eventsSeen");
  return {
    version,
    speaks: (flags & FLAG.speaks2) === 0 ? version : Math.max(version, 2),
    node: from.name("node") as NodeName,
    boot,
    kernel,
    generation,
    digest,
    toBoot: (flags & FLAG.toBoot) === 0 ? undefined : toBoot,
    message,
    extra: (flags & FLAG.extra) !== 0,
    drained: (flags & FLAG.drained) !== 0,
    stopping: (flags & FLAG.stopping) !== 0,
    stalled: (flags & FLAG.stalled) !== 0,
    abstaining: (flags & FLAG.abstaining) !== 0,
    reluctant: (flags & FLAG.reluctant) !== 0,
    eventsSeen,
  };
}

function readSections(from: ByteReader, version: number, copy: boolean): Lists {
  const lists: Lists = {
    echo: undefined,
    drainReason: "",
    about: undefined,
    adapters: [],
    heard: [],
    groups: [],
    lease: [],
    events: [],
    requests: [],
    outcomes: [],
  };
  let seen = 0;
  while (from.more) {
    const type = from.u8("section.type");
    const part = from.part(from.u16("section.length"), "section");
    if (type === 0 || type > (LAST_SECTION[version] ?? 0) || (copy && type !== SECTION.echo)) continue;
    if ((seen & (1 << type)) !== 0) from.fail("duplicate", "section.type");
    seen |= 1 << type;
    readSection(lists, type, part, version);
    from.finish(part, "section");
  }
  return lists;
}

function readSection(lists: Lists, type: number, from: ByteReader, version: number): void {
  switch (type) {
    case SECTION.echo:
      lists.echo = { message: from.u48("echo.message"), held_us: from.u32("echo.held") };
      return;
    case SECTION.heard:
      lists.heard = readList(from, (part) => readHeard(part, version));
      if (lists.heard.length > MAXIMUM_HEARD) from.fail("long", "heard");
      return;
    case SECTION.groups:
      lists.groups = readList(from, (part) => readGroup(part, version));
      return;
    case SECTION.lease:
      lists.lease = readList(from, readLeaseEntry);
      return;
    case SECTION.events:
      lists.events = readList(from, readEvent);
      return;
    case SECTION.requests:
      lists.requests = readList(from, readRequest);
      return;
    case SECTION.drain:
      lists.drainReason = from.text(REASON_BYTES, "drain.reason");
      return;
    case SECTION.about:
      lists.about = readAbout(from);
      return;
    case SECTION.adapters:
      lists.adapters = readList(from, readAdapter);
      return;
    default:
      lists.outcomes = readList(from, readOutcome);
  }
}

/** Entries until the part ends; every successful read consumes bytes, so this ends too. Undefined ones are skipped. */
function readList<Entry>(from: ByteReader, read: (from: ByteReader) => Entry | undefined): Entry[] {
  const entries: Entry[] = [];
  while (from.more) {
    const entry = read(from);
    if (entry !== undefined && from.error === undefined) entries.push(entry);
  }
  return entries;
}
