/** What control writes to the engine, and the engine to control: whatever the bytes, a message of the known form or nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./chance.ts";
import { mutate } from "./mutate.ts";
import { lineReader } from "@holdfast/agent/control/channel.ts";
import type { ToEngine } from "@holdfast/agent/channel.ts";
import { parseControlLine } from "@holdfast/agent/engine/control-message.ts";
import { GROUPS, NODES, SealedCluster } from "./sealed-cluster.ts";

const SEED = 6;
const GOOD: readonly ToEngine[] = [
  { kind: "listening" },
  { kind: "view", id: 7 },
  { kind: "restart", id: 8, timeout_ms: 10_000 },
  { kind: "trouble", code: "disk-full", text: "no space \u00e9", level: "alarm" },
  {
    kind: "request",
    id: 1,
    target: "n2",
    action: { kind: "move", group: GROUPS[0], target: NODES[1] },
    timeout_ms: 10_000,
  },
  {
    kind: "request",
    id: 2,
    target: "n2",
    action: { kind: "move", group: GROUPS[0], target: undefined },
    timeout_ms: 100,
  },
  {
    kind: "request",
    id: 3,
    target: "n1",
    action: { kind: "drain", node: NODES[0], reason: "kernel" },
    timeout_ms: 100,
  },
  { kind: "request", id: 5, target: "n1", action: { kind: "acknowledge" }, timeout_ms: 100 },
  { kind: "request", id: 4, target: "n1", action: { kind: "undrain", node: NODES[0] }, timeout_ms: 600_000 },
];
/** Put in the place of a value of JSON. */
const VALUES = [
  "null",
  "[]",
  "{}",
  "0",
  "-1",
  "1e999",
  '""',
  '"__proto__"',
  "true",
  '{"kind":"drain"}',
  '"\\u0000"',
] as const;

test("every message there is comes through", () => {
  for (const message of GOOD) assert.deepEqual(parseControlLine(JSON.stringify(message)), message);
});

test("what is no message, field by field, is nothing", () => {
  for (const line of [
    "",
    "null",
    "[]",
    "{}",
    '{"kind":"__proto__"}',
    '{"kind":"toString"}',
    '{"kind":null}',
    '{"kind":"view"}',
    '{"kind":"view","id":"1"}',
    '{"kind":"trouble","code":"X","text":"","level":"info"}',
    '{"kind":"trouble","code":"x","text":1,"level":"info"}',
    '{"kind":"trouble","code":"x","text":"","level":"constructor"}',
    '{"kind":"request","id":1,"target":"n1","timeout_ms":1}',
    '{"kind":"request","id":1,"target":"n1","action":null,"timeout_ms":1}',
    '{"kind":"request","id":1,"target":"n1","action":{"kind":"drain","node":"n1"},"timeout_ms":1}',
    '{"kind":"request","id":1,"target":"n1","action":{"kind":"move","group":7},"timeout_ms":1}',
    '{"kind":"request","id":1,"target":"n1","action":{"kind":"undrain","node":"n1"},"timeout_ms":-1}',
    '{"kind":"request","id":1,"target":"N1","action":{"kind":"undrain","node":"n1"},"timeout_ms":1}',
  ]) {
    assert.equal(parseControlLine(line), undefined, line);
  }
});

test(`20000 damaged lines (seed ${SEED}): nothing, or a message that the node takes and sends on`, () => {
  const chance = new Chance(SEED);
  const cluster = new SealedCluster(SEED);
  cluster.until(() => cluster.settled, 2000);
  const counts = { nothing: 0, taken: 0 };
  for (let i = 0; i < 20_000; i++) {
    const line = damaged(chance);
    const message = parseControlLine(line);
    if (message === undefined) {
      counts.nothing += 1;
      continue;
    }
    counts.taken += 1;
    assert.ok(JSON.stringify(message).length < 8000, line);
    const { state } = cluster.node("n1").engine;
    if (message.kind === "trouble") cluster.input("n1", message);
    if (message.kind === "request") {
      const { id, action, timeout_ms } = message;
      cluster.input("n1", {
        kind: "request",
        request: id,
        target: message.target as (typeof NODES)[0],
        action,
        timeout_ms,
      });
    }
    if (counts.taken % 20 === 0) cluster.run(60);
    assert.ok(state.pending.length <= 64 && state.events.length <= 200, line);
  }
  assert.ok(counts.nothing > 2000 && counts.taken > 1000, JSON.stringify(counts));
});

function damaged(chance: Chance): string {
  let line = JSON.stringify(GOOD[chance.below(GOOD.length)]);
  if (chance.once(3)) {
    const bytes = mutate(chance, Buffer.from(line), Buffer.from(JSON.stringify(chance.pick([GOOD[2], GOOD[3]]))), 4000);
    return Buffer.from(bytes).toString("utf8");
  }
  // One value becomes another, or another text.
  const values = [...line.matchAll(/:("[^"]*"|\d+|\{[^}]*\})/g)];
  const found = values[chance.below(values.length)];
  if (found === undefined) return line;
  const value = chance.once(2) ? chance.pick(VALUES) : JSON.stringify(chance.hex(chance.below(40)));
  line = line.slice(0, found.index + 1) + value + line.slice(found.index + found[0].length);
  return line;
}

test(`lines cut into any chunks come out as they went in (seed ${SEED}), long ones as nothing`, () => {
  const chance = new Chance(SEED);
  for (let round = 0; round < 300; round++) {
    const lines = Array.from({ length: chance.below(8) }, () => "\u00e9x\u{1f600}".repeat(chance.below(30)));
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join("") + "the rest");
    const taken: (string | undefined)[] = [];
    const take = lineReader(150, (line) => taken.push(line));
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + chance.below(chance.once(2) ? 7 : 300);
      take(bytes.subarray(at, end));
      at = end;
    }
    assert.deepEqual(
      taken,
      lines.map((line) => (Buffer.byteLength(line) > 150 ? undefined : line)),
      `round ${round}`,
    );
  }
});
