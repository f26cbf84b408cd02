/** Splitting: nothing is lost, nothing is said twice, every part fits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FULL, typicalHeartbeat } from "./heartbeat-samples.ts";
import { MAXIMUM_BYTES, splitHeartbeat } from "./heartbeat-split.ts";
import { emitHeartbeat, parseHeartbeat } from "./heartbeat.ts";
import type { GroupName, NodeName } from "../units/names.ts";
import type { Heartbeat } from "./messages.ts";

function split(h: Heartbeat, maximumBytes = MAXIMUM_BYTES): Heartbeat[] {
  let message = h.message;
  return splitHeartbeat(h, maximumBytes, () => ++message);
}

const LISTS = ["adapters", "heard", "groups", "lease", "events", "requests", "outcomes"] as const;

test("a message that fits is left as it is", () => {
  assert.deepEqual(split(FULL), [FULL]);
  assert.equal(split(FULL)[0], FULL);
  const exact = emitHeartbeat(FULL).length;
  assert.equal(split(FULL, exact).length, 1);
  assert.equal(split(FULL, exact - 1).length, 2);
});

test("parts fit, hold everything once and in order, and only the first is a beat", async (t) => {
  const long = "x".repeat(32);
  const event = FULL.events[0];
  const adapter = FULL.adapters[0];
  assert.ok(event && adapter);
  const rows: [string, Heartbeat, number][] = [
    ["40 groups", typicalHeartbeat(6, 40), MAXIMUM_BYTES],
    ["longest names", rename(typicalHeartbeat(6, 40), long), MAXIMUM_BYTES],
    ["255 heard of longest names", rename(typicalHeartbeat(255, 3), long), MAXIMUM_BYTES],
    ["300 heard", typicalHeartbeat(300, 3), 60_000],
    [
      "many events",
      { ...FULL, events: Array.from({ length: 50 }, (_, i) => ({ ...event, number: i, text: "y".repeat(200) })) },
      MAXIMUM_BYTES,
    ],
    [
      "30 adapters",
      { ...FULL, adapters: Array.from({ length: 30 }, (_, i) => ({ ...adapter, name: `${i}`.padEnd(32, "x") })) },
      MAXIMUM_BYTES,
    ],
    ["everything, small parts", FULL, 400],
  ];
  for (const [name, h, maximumBytes] of rows) {
    await t.test(name, () => {
      const parts = split(h, maximumBytes);
      assert.ok(parts.length > 1);
      for (const list of LISTS)
        assert.deepEqual(
          parts.flatMap<unknown>((part) => part[list]),
          h[list],
          list,
        );
      parts.forEach((part, i) => {
        const bytes = emitHeartbeat(part);
        assert.ok(bytes.length <= maximumBytes, `part ${i} has ${bytes.length} bytes`);
        assert.deepEqual(parseHeartbeat(bytes), { ok: true, value: part });
        assert.deepEqual(
          [part.message, part.extra, part.echo, part.about],
          i === 0 ? [h.message, h.extra, h.echo, h.about] : [h.message + i, true, undefined, undefined],
        );
      });
    });
  }
});

test("what version 1 does not have is in no part of a message of version 1", () => {
  const h = { ...FULL, version: 1 };
  const parts = split(h, 400);
  assert.ok(parts.length > 1);
  for (const part of parts) {
    const parsed = parseHeartbeat(emitHeartbeat(part));
    assert.ok(parsed.ok);
    assert.deepEqual([parsed.value.version, parsed.value.speaks, parsed.value.about], [1, 2, undefined]);
    assert.deepEqual([part.adapters, parsed.value.adapters], [[], []]);
  }
  for (const list of ["lease", "events", "requests", "outcomes"] as const)
    assert.deepEqual(
      parts.flatMap<unknown>((part) => part[list]),
      h[list],
    );
});

test("an entry larger than the bound goes alone instead of going on for ever", () => {
  const parts = split({ ...typicalHeartbeat(2, 2), echo: undefined }, 10);
  assert.deepEqual(
    parts.map((part) => part.heard.length + part.lease.length + part.groups.length),
    [1, 1, 1, 1, 1, 1],
  );
});

function rename(h: Heartbeat, name: string): Heartbeat {
  const node = name as NodeName;
  const numbered = (i: number): GroupName => (name.slice(0, 30) + String(i % 100).padStart(2, "0")) as GroupName;
  return {
    ...h,
    node,
    heard: h.heard.map((each) => ({ ...each, peer: node })),
    groups: h.groups.map((each, i) => ({
      ...each,
      group: numbered(i),
      owner: node,
      ballot: { round: 1, node, boot: h.boot },
    })),
    lease: h.lease.map((each, i) => ({ ...each, group: numbered(i), ballot: { round: 1, node, boot: h.boot } })),
  };
}
