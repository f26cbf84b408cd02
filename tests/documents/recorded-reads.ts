/** What the heartbeat's parser reads from a message, field by field: for comparison with docs/protocol.md. */
import assert from "node:assert/strict";
import { ByteReader } from "@holdfast/core/wire/byte-reader.ts";
import { parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";

export interface Read {
  /** As the document says it: a number of octets, `name`, `optional name`, `text` or `flag`. */
  readonly octets: string;
  /** As the parser names it, such as "heard.roundTrip". */
  readonly field: string;
  /** Of a code: its words, by number. */
  readonly words?: readonly string[];
  /** Of a text. */
  readonly atMost?: number;
}

type Method = "u8" | "u16" | "u32" | "u48" | "flag" | "word" | "name" | "optionalName" | "hex" | "raw" | "text";

/** What a call of each method reads, by its arguments. */
const READS: Readonly<Record<Method, (args: readonly unknown[]) => Read>> = {
  u8: ([what]) => ({ octets: "1", field: String(what) }),
  u16: ([what]) => ({ octets: "2", field: String(what) }),
  u32: ([what]) => ({ octets: "4", field: String(what) }),
  u48: ([what]) => ({ octets: "6", field: String(what) }),
  flag: ([what]) => ({ octets: "flag", field: String(what) }),
  word: ([words, what]) => ({ octets: "1", field: String(what), words: words as readonly string[] }),
  name: ([what]) => ({ octets: "name", field: String(what) }),
  optionalName: ([what]) => ({ octets: "optional name", field: String(what) }),
  hex: ([count, what]) => ({ octets: String(count), field: String(what) }),
  raw: ([count, what]) => ({ octets: String(count), field: String(what) }),
  text: ([atMost, what]) => ({ octets: "text", field: String(what), atMost: Number(atMost) }),
};

/** The reads of one message that is well formed, in their order; what is read for another read is not one of its own. */
export function readsOf(message: Uint8Array): Read[] {
  const reads: Read[] = [];
  const prototype = ByteReader.prototype as unknown as Record<Method, (...args: unknown[]) => unknown>;
  const originals = new Map<Method, (...args: unknown[]) => unknown>();
  let depth = 0;
  for (const [name, read] of Object.entries(READS) as [Method, (args: readonly unknown[]) => Read][]) {
    const original = prototype[name];
    originals.set(name, original);
    prototype[name] = function recorded(this: ByteReader, ...args: unknown[]): unknown {
      if (depth === 0) reads.push(read(args));
      depth += 1;
      try {
        return original.apply(this, args);
      } finally {
        depth -= 1;
      }
    };
  }
  try {
    const parsed = parseHeartbeat(message);
    assert.ok(parsed.ok, JSON.stringify(parsed));
  } finally {
    for (const [name, original] of originals) prototype[name] = original;
  }
  return reads;
}
