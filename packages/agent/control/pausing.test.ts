/** What control makes of pauses: asked for through any node, shown in status and why, kept on disk and read again. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exampleEngine, exampleLinks, exampleGroup, exampleView } from "./example-view.ts";
import { ask, eventually, scriptedEngine } from "./scripted-engine.ts";
import { status } from "./status.ts";
import { whyGroup } from "./why.ts";
import { readPauses } from "../engine/marks.ts";
import { parseControlLine } from "../engine/control-message.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

const room = mkdtempSync(join(tmpdir(), "holdfast-pause-"));
after(() => rmSync(room, { recursive: true }));
const WALL = Date.UTC(2026, 10, 21, 14, 0, 0);
const pause = { remaining_ms: 3_540_000, lastOwner: "lb1" as NodeName };

function seenWith(changes: Parameters<typeof exampleGroup>[3]): Parameters<typeof status>[0] {
  const view = exampleView({ groups: [exampleGroup("web", "lb1", ["lb2"], changes)] });
  return { view, engine: exampleEngine(), links: exampleLinks(), age_ms: 5, stale: false };
}

const context = { events: [], alarms: [], trouble: undefined, version: "0.1.0", wall_ms: WALL };

test("a paused group: degraded, a sentence with the command that ends it, and when it ends by itself", () => {
  const answer = status(seenWith({ pause }), context);
  assert.equal(answer.health, "degraded");
  assert.deepEqual(answer.warnings[0], {
    text: "web is PAUSED for 59m0s more: nobody takes over, nothing moves by itself",
    command: "holdfast resume web",
  });
  const [web] = answer.groups;
  assert.deepEqual([web?.pause_remaining_ms, web?.paused_until], [3_540_000, "2026-11-21T14:59:00.000Z"]);
  const other = status(seenWith({}), context).groups[0];
  assert.deepEqual([other?.pause_remaining_ms, other?.paused_until, other?.pause_text], [null, null, null]);
});

test("why names the pause for each node that it holds back", () => {
  const why = whyGroup(seenWith({ pause, owner: undefined, claimed: [] }), [], "web", WALL);
  const texts = new Map(why?.others.map(({ node, text }) => [node, text]));
  assert.match(texts.get("lb2") ?? "", /does not take it: web is paused for 59m0s more.*holdfast resume web/);
  assert.doesNotMatch(texts.get("lb1") ?? "", /paused/);
});

test("pause and resume go to the engine of the node that is asked; nonsense is refused before", async () => {
  const engine = await scriptedEngine();
  try {
    for (const [path, body, code] of [
      ["/v1/pause", { group: "web" }, "bad-request"],
      ["/v1/pause", { group: "web", for_ms: 0 }, "bad-request"],
      ["/v1/pause", { group: "web", for_ms: 8 * 86_400_000 }, "bad-request"],
      ["/v1/pause", { group: "web", for_ms: 1000, reason: "x".repeat(101) }, "bad-request"],
      ["/v1/pause", { group: "nothing", for_ms: 1000 }, "unknown-group"],
      ["/v1/resume", { group: "nothing" }, "unknown-group"],
    ] as const) {
      const refused = await ask(engine.socket, "POST", path, JSON.stringify(body));
      assert.equal(refused.body["code"], code, JSON.stringify(body));
    }
  } finally {
    await engine.leave();
  }
});

test("what control may ask of the engine is checked again there", () => {
  const line = (action: object): string =>
    JSON.stringify({ kind: "request", id: 1, target: "lb1", action, timeout_ms: 1000 });
  const parsed = (action: object): object | undefined => {
    const message = parseControlLine(line(action));
    return message?.kind === "request" ? message.action : undefined;
  };
  assert.deepEqual(parsed({ kind: "pause", group: "web", for_ms: 5, reason: "r" }), {
    kind: "pause",
    group: "web",
    for_ms: 5,
    reason: "r",
  });
  assert.deepEqual(parsed({ kind: "resume" }), { kind: "resume", group: undefined });
  for (const wrong of [
    { kind: "pause", group: "web", reason: "r" },
    { kind: "pause", group: "web", for_ms: 2 ** 32, reason: "r" },
    { kind: "pause", group: "web", for_ms: 1.5, reason: "r" },
    { kind: "pause", group: "Web!", for_ms: 5, reason: "r" },
    { kind: "pause", group: 7, for_ms: 5, reason: "r" },
    { kind: "resume", group: {} },
  ])
    assert.equal(parsed(wrong), undefined, JSON.stringify(wrong));
});

test("the pauses are kept on disk, also those that ended, and read again; a damaged file means none", async () => {
  const engine = await scriptedEngine();
  const file = join(engine.stateDirectory, "paused");
  engine.tell({
    kind: "savePauses",
    pauses: [
      { group: "web" as never, stamp: 3, until_ms: WALL, remaining_ms: 5, owner: "lb1" as NodeName },
      { group: "db" as never, stamp: 2, until_ms: undefined, remaining_ms: 0, owner: undefined },
    ],
  });
  await eventually(() => assert.match(readFileSync(file, "utf8"), /"stamp":3/));
  assert.deepEqual(readPauses(engine.stateDirectory), [
    { group: "web", stamp: 3, until_ms: WALL, remaining_ms: 5, owner: "lb1" },
    { group: "db", stamp: 2, until_ms: undefined, remaining_ms: 0, owner: undefined },
  ]);
  await engine.leave();
  for (const text of ["", "{", "[]", '{"pauses":7}', '{"pauses":[{"group":"web"},null,{"group":"web","stamp":-1}]}']) {
    writeFileSync(join(room, "paused"), text);
    assert.deepEqual(readPauses(room), [], text);
  }
  assert.deepEqual(readPauses(join(room, "nowhere")), []);
});
