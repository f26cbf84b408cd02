/** Control's end of the socket pair to the engine: NDJSON in both directions, bounded, never keeping the engine waiting. */
import type { Duplex } from "node:stream";
import type { ToControl, ToEngine } from "../channel.ts";

/** A line longer than this is dropped; a view of a fleet of hundreds of nodes stays below. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;
/** What may wait for an engine that does not read. */
const UNSENT_BYTES_MAX = 64 * 1024;

export interface EngineChannel {
  /** False when the engine lags and the message was dropped. */
  readonly send: (message: ToEngine) => boolean;
  /** Messages dropped because the engine lagged, and lines of the engine that were not understood. */
  readonly counts: () => { readonly unsent: number; readonly garbled: number };
}

/** Calls `receive` for each message of the engine and `closed` once, when the engine is gone. */
export function engineChannel(
  stream: Duplex,
  receive: (message: ToControl) => void,
  closed: () => void,
): EngineChannel {
  let unsent = 0;
  let garbled = 0;
  const lines = lineReader(LINE_BYTES_MAX, (line) => {
    const message = line === undefined ? undefined : parseMessage(line);
    if (message === undefined) garbled++;
    else receive(message);
  });
  stream.on("data", lines);
  stream.once("close", closed);
  stream.once("end", closed);
  stream.once("error", closed);
  return {
    send(message) {
      if (stream.writableLength > UNSENT_BYTES_MAX || !stream.writable) {
        unsent++;
        return false;
      }
      stream.write(`${JSON.stringify(message)}\n`);
      return true;
    },
    counts: () => ({ unsent, garbled }),
  };
}

function parseMessage(line: string): ToControl | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "kind" in value ? (value as ToControl) : undefined;
  } catch {
    return undefined;
  }
}

/** Cuts chunks into lines; a line over `bytesMax` is dropped as a whole and given as undefined. */
export function lineReader(bytesMax: number, take: (line: string | undefined) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let length = 0;
  let dropping = false;
  const keep = (part: Buffer): void => {
    length += part.length;
    if (length > bytesMax) dropping = true;
    if (dropping) parts = [];
    else parts.push(part);
  };
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      take(dropping ? undefined : Buffer.concat(parts).toString("utf8"));
      parts = [];
      length = 0;
      dropping = false;
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  };
}
