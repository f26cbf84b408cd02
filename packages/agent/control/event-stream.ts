/** GET /v1/events: past events, then new ones as they come. A client that does not read costs a bounded buffer and then its connection. */
import type { ServerResponse } from "node:http";
import type { Event } from "@holdfast/api/schema.ts";
import type { History } from "./history.ts";

/** What may wait for a client that reads slowly. */
const UNREAD_BYTES_MAX = 256 * 1024;

export interface EventQuery {
  readonly follow: boolean;
  /** Only events later than this, in milliseconds since 1970. */
  readonly since: number | undefined;
  /** Only this many of the past ones. */
  readonly last: number | undefined;
}

/** Without `since` and `last` a follower gets new events only, anybody else all that are in memory. */
export function pastEvents(events: readonly Event[], query: EventQuery): readonly Event[] {
  if (query.follow && query.since === undefined && query.last === undefined) return [];
  const since = query.since;
  const past = since === undefined ? events.slice() : events.filter((event) => Date.parse(event.time) > since);
  return query.last === undefined ? past : past.slice(Math.max(0, past.length - query.last));
}

export function streamEvents(response: ServerResponse, history: History, query: EventQuery): void {
  response.writeHead(200, { "content-type": "application/x-ndjson", "holdfast-api": "1" });
  response.flushHeaders();
  const past = pastEvents(history.events(), query);
  let next = 0;
  const fresh: string[] = [];
  let waiting = 0;

  // Past events are made into text only as fast as the client reads; new ones wait behind them and are counted.
  const pump = (): void => {
    let room = true;
    while (room && next < past.length) room = response.write(`${JSON.stringify(past[next++])}\n`);
    while (room && next >= past.length && fresh[0] !== undefined) {
      const line = fresh.shift() ?? "";
      waiting -= line.length;
      room = response.write(line);
    }
    if (room && !query.follow) response.end();
  };
  response.on("drain", pump);
  if (query.follow) {
    const stop = history.follow((event) => {
      const line = `${JSON.stringify(event)}\n`;
      fresh.push(line);
      waiting += line.length;
      if (waiting > UNREAD_BYTES_MAX) response.destroy();
      else if (!response.writableNeedDrain) pump();
    });
    response.once("close", stop);
  }
  pump();
}
