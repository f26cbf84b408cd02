/** Spreads a heartbeat that is too large for one datagram over several, each complete in itself. */
import { ByteWriter } from "./byte-writer.ts";
import {
  ENTRY_WRITERS,
  MAXIMUM_HEARD,
  writeAboutSection,
  writeDrainReason,
  writeEcho,
  writeHead,
} from "./heartbeat.ts";
import type { ListName } from "./heartbeat.ts";
import type { Heartbeat } from "./messages.ts";

/**
 * What a heartbeat may have so that its datagram fits an MTU of 1500 bytes: less IPv6 header 40, UDP header 8,
 * seal header 28, tag 16, and 36 kept in reserve for tunnels and tags.
 */
export const MAXIMUM_BYTES = 1372;

/** Type and length. */
export const SECTION_HEAD_BYTES = 3;
/** What the seal (agent/seal) adds: header 28, tag 16. */
export const SEAL_BYTES = 44;

/** What the leases need comes first, what is for people last. */
const ORDER: readonly ListName[] = ["heard", "lease", "groups", "adapters", "requests", "outcomes", "events"];

type Draft = { -readonly [List in ListName]: Heartbeat[List][number][] };

/**
 * One heartbeat that holds everything when it fits into `maximumBytes`, else several. The first keeps the number, `extra`,
 * echo, what the node says of itself, and heard reports; each further one takes its number from `nextMessage` and is
 * `extra`, for it is no beat of its own. The order within each list is kept. An entry that is larger than `maximumBytes`
 * by itself goes alone and is too long.
 */
export function splitHeartbeat(h: Heartbeat, maximumBytes: number, nextMessage: () => number): Heartbeat[] {
  const scratch = new ByteWriter();
  writeHead(scratch, h);
  writeDrainReason(scratch, h.drainReason);
  const headBytes = scratch.length;
  writeEcho(scratch, h.echo);
  writeAboutSection(scratch, h);
  let room = maximumBytes - scratch.length;
  let draft = emptyDraft();
  const drafts = [draft];
  let empty = true;

  const place = <List extends ListName>(list: List, entry: Heartbeat[List][number]): void => {
    const write: (out: ByteWriter, entry: Heartbeat[List][number], version: number) => void = ENTRY_WRITERS[list];
    const before = scratch.length;
    write(scratch, entry, h.version);
    const bytes = scratch.length - before;
    const cost = bytes + (draft[list].length === 0 ? SECTION_HEAD_BYTES : 0);
    const full = cost > room || (list === "heard" && draft.heard.length === MAXIMUM_HEARD);
    if (full && !empty) {
      draft = emptyDraft();
      drafts.push(draft);
      room = maximumBytes - headBytes - bytes - SECTION_HEAD_BYTES;
    } else {
      room -= cost;
    }
    (draft[list] as Heartbeat[List][number][]).push(entry);
    empty = false;
  };

  for (const list of ORDER) {
    if (list === "adapters" && h.version < 2) continue;
    for (const entry of h[list]) place(list, entry);
  }
  if (drafts.length === 1) return [h];
  return drafts.map((lists, i) =>
    i === 0
      ? { ...h, ...lists }
      : { ...h, ...lists, echo: undefined, about: undefined, message: nextMessage(), extra: true },
  );
}

function emptyDraft(): Draft {
  return { adapters: [], heard: [], groups: [], lease: [], events: [], requests: [], outcomes: [] };
}
