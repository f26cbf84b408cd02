/** How many frames an interface has received, by rtnetlink's RTM_GETSTATS: one interface a question, nothing allocated. */
import { endianness } from "node:os";
import { check } from "./load.ts";
import type { Native } from "./native.ts";

const LITTLE = endianness() === "LE";
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const NEW_STATS = 92;
const GET_STATS = 94;
const REQUEST = 0x1;
/** IFLA_STATS_LINK_64: `struct rtnl_link_stats64`, whose first number is the frames received. */
const STATS_LINK_64 = 1;

const HEADER_BYTES = 16;
/** `struct if_stats_msg`: family, interface, filter. */
const MESSAGE_BYTES = 12;
const INDEX_AT = HEADER_BYTES + 4;
const FILTER_AT = HEADER_BYTES + 8;
const ANSWER_BYTES = 4096;
/** What was left unread by a question before: never more than one. */
const MOST_READS = 4;

export class FrameCounters {
  readonly #native: Native;
  #fd: number;
  readonly #question = new Uint8Array(HEADER_BYTES + MESSAGE_BYTES);
  readonly #asked = new DataView(this.#question.buffer);
  readonly #answer = new Uint8Array(ANSWER_BYTES);
  readonly #answered = new DataView(this.#answer.buffer);
  #sequence = 0;

  /** Throws when the socket cannot be had. */
  constructor(native: Native) {
    this.#native = native;
    this.#fd = check("netlink socket", native.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    this.#asked.setUint32(0, this.#question.length, LITTLE);
    this.#asked.setUint16(4, GET_STATS, LITTLE);
    this.#asked.setUint16(6, REQUEST, LITTLE);
    this.#asked.setUint32(FILTER_AT, 1 << (STATS_LINK_64 - 1), LITTLE);
  }

  /** Received since the interface was made, those it sent itself not among them; undefined when there is none of this index. */
  received(index: number): number | undefined {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#asked.setUint32(8, this.#sequence, LITTLE);
    this.#asked.setInt32(INDEX_AT, index, LITTLE);
    if (this.#native.send(this.#fd, this.#question, null) < 0) return undefined;
    for (let i = 0; i < MOST_READS; i++) {
      const length = this.#native.receive(this.#fd, this.#answer, null);
      if (length < HEADER_BYTES) return undefined;
      if (this.#answered.getUint32(8, LITTLE) !== this.#sequence) continue;
      return this.#answered.getUint16(4, LITTLE) === NEW_STATS
        ? this.#frames(Math.min(length, ANSWER_BYTES))
        : undefined;
    }
    return undefined;
  }

  close(): void {
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  #frames(length: number): number | undefined {
    // Before it there may be an attribute that only pads.
    for (let at = HEADER_BYTES + MESSAGE_BYTES; at + 12 <= length;) {
      const size = this.#answered.getUint16(at, LITTLE);
      if (size < 4 || size > length - at) return undefined;
      if (this.#answered.getUint16(at + 2, LITTLE) === STATS_LINK_64 && size >= 12)
        return Number(this.#answered.getBigUint64(at + 4, LITTLE));
      at += (size + 3) & ~3;
    }
    return undefined;
  }
}
