/** Alarms stay until they are acknowledged, each kind once, however many an attacker makes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Alarms } from "./alarms.ts";
import type { Event } from "@holdfast/api/schema.ts";

function event(code: string, text: string, node = "lb1", number = 1): Event {
  const time = new Date(1000 * number).toISOString();
  return { schema: "holdfast.event/1", time, node, number, level: "alarm", code, group: null, text, phases: null };
}

const rejected = (count: number, source: string): string =>
  `${count} heartbeats from ${source} on lan dropped by lb1: auth`;

test("an alarm stays with its last text and how often it was told; other events are none", () => {
  const alarms = new Alarms();
  alarms.take(event("heartbeat-rejected", rejected(7, "10.0.0.66"), "lb1", 1));
  alarms.take(event("node-dead", "lb2 is not heard", "lb1", 2));
  alarms.take(event("heartbeat-rejected", rejected(9, "10.0.0.67"), "lb1", 3));
  alarms.take(event("heartbeat-rejected", rejected(5000, "10.0.0.66"), "lb1", 4));
  assert.deepEqual(
    alarms.list().map(({ text, count, time }) => [text, count, time]),
    [
      [rejected(5000, "10.0.0.66"), 2, "1970-01-01T00:00:04.000Z"],
      [rejected(9, "10.0.0.67"), 1, "1970-01-01T00:00:03.000Z"],
    ],
  );
});

test("an acknowledgement on any node clears what was learnt before it, and nothing after", () => {
  const alarms = new Alarms();
  alarms.take(event("heartbeat-rejected", rejected(7, "10.0.0.66")));
  alarms.take(event("alarms-acknowledged", "the alarms so far were acknowledged on lb2", "lb2"));
  assert.deepEqual(alarms.list(), []);
  alarms.take(event("heartbeat-rejected", rejected(8, "10.0.0.66")));
  assert.deepEqual(
    alarms.list().map(({ count }) => count),
    [1],
  );
});

test("of an attacker with many addresses the last 50 are kept", () => {
  const alarms = new Alarms();
  for (let i = 0; i < 1000; i++) alarms.take(event("heartbeat-rejected", rejected(1, `10.0.${i >> 8}.${i & 255}`)));
  assert.equal(alarms.list().length, 50);
  assert.equal(alarms.list()[0]?.text, rejected(1, "10.0.3.231"));
});
