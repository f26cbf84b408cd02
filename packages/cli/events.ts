/** `holdfast events [-f]`: the last events of all nodes, and new ones as they come. */
import { ApiFailure, streamLines } from "@holdfast/api/client.ts";
import { EXIT, type Event } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";
import { eventLine } from "./event-line.ts";

const LAST_SHOWN = 20;
const RETRY_MS = 1000;

export async function events(context: Context, options: { readonly follow: boolean }): Promise<number> {
  let last_ms = 0;
  let atLast = new Set<string>();
  const show = (line: string): void => {
    const event = JSON.parse(line) as Event;
    const time = Date.parse(event.time);
    const identity = `${event.node} ${event.number}`;
    // After a new connection the stream begins a little before the last event seen.
    if (time === last_ms && atLast.has(identity)) return;
    if (time > last_ms) {
      last_ms = time;
      atLast = new Set();
    }
    atLast.add(identity);
    context.print(context.json ? line : eventLine(event, context.terminal, context.now()));
  };
  if (!options.follow) {
    await streamLines(context.socket, `/v1/events?last=${LAST_SHOWN}`, show);
    return EXIT.done;
  }
  await streamLines(context.socket, `/v1/events?follow=1&last=${LAST_SHOWN}`, show);
  return resume(context, show, () => last_ms);
}

/** Control was restarted, or cut us off for reading too slowly: goes on where the last event was. Without the daemon: 7. */
async function resume(context: Context, show: (line: string) => void, last: () => number): Promise<number> {
  let failures = 0;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    try {
      await streamLines(context.socket, `/v1/events?follow=1&since=${Math.max(0, last() - 1)}`, show);
      failures = 0;
    } catch (error) {
      if (!(error instanceof ApiFailure) || ++failures >= 10) throw error;
    }
  }
}
