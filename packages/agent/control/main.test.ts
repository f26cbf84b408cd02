/** The control process as a whole: a real process, a real Unix socket, real files; only the engine is a script. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { exampleView } from "./example-view.ts";
import { ask, eventually, scriptedEngine, type ScriptedEngine } from "./scripted-engine.ts";

describe("routes", () => {
  let engine: ScriptedEngine;
  before(async () => {
    engine = await scriptedEngine();
  });
  after(async () => {
    assert.equal(await engine.leave(), 0, "control ends with the engine, without an error");
  });

  test("every route answers with its schema and the API's header", async () => {
    engine.tellEvent({
      code: "group-owned",
      group: "web" as never,
      text: "lb1 owns web, term 17",
      phases: { detect: 1209, elect: 28, claim: 6, announce: 4 },
    });
    await eventually(async () =>
      assert.equal(((await ask(engine.socket, "GET", "/v1/history")).body["events"] as unknown[]).length, 1),
    );
    for (const [path, schema] of [
      ["/v1/status", "holdfast.status/1"],
      ["/v1/links", "holdfast.links/1"],
      ["/v1/history?group=web&limit=5", "holdfast.history/1"],
      ["/v1/why/group/web", "holdfast.why/1"],
      ["/v1/why/node/lb2", "holdfast.why/1"],
    ] as const) {
      const answer = await ask(engine.socket, "GET", path);
      assert.equal(answer.status, 200, path);
      assert.equal(answer.body["schema"], schema);
      assert.equal(answer.headers["holdfast-api"], "1");
    }
    const { groups } = (await ask(engine.socket, "GET", "/v1/status")).body as unknown as {
      groups: { name: string; last_move: object }[];
    };
    assert.deepEqual(groups[0]?.last_move, { cause: "unknown", outage_ms: 1247, confirm_ms: null });
  });

  test("events without follow: those in memory, one a line", async () => {
    const answer = await ask(engine.socket, "GET", "/v1/events?last=1");
    assert.equal(answer.body["schema"], "holdfast.event/1");
    assert.equal(answer.headers["content-type"], "application/x-ndjson");
  });

  for (const [method, path, status, code, body] of [
    ["GET", "/v2/status", 404, "unknown-route", undefined],
    ["GET", "/", 404, "unknown-route", undefined],
    ["GET", "//", 400, "bad-request", undefined],
    ["GET", "/v1/why/group/web/more", 404, "unknown-route", undefined],
    ["POST", "/v1/status", 405, "wrong-method", undefined],
    ["GET", "/v1/move", 405, "wrong-method", undefined],
    ["GET", "/v1/why/group/nope", 404, "unknown-group", undefined],
    ["GET", "/v1/why/node/nope", 404, "unknown-node", undefined],
    ["GET", "/v1/history?limit=-1", 400, "bad-query", undefined],
    ["GET", "/v1/events?since=now", 400, "bad-query", undefined],
    ["POST", "/v1/move", 400, "bad-json", "{"],
    ["POST", "/v1/move", 400, "bad-request", "[]"],
    ["POST", "/v1/move", 400, "bad-request", undefined],
    ["POST", "/v1/move", 400, "bad-request", '{"group":7}'],
    ["POST", "/v1/move", 400, "bad-request", '{"group":"web","timeout_ms":1e9}'],
    ["POST", "/v1/move", 404, "unknown-group", '{"group":"nope"}'],
    ["POST", "/v1/move", 404, "unknown-node", '{"group":"web","target":"nope"}'],
    ["POST", "/v1/drain", 404, "unknown-node", '{"node":"nope"}'],
    ["POST", "/v1/drain", 400, "bad-request", '{"node":"lb2","reason":"\\u001b[2J"}'],
    ["POST", "/v1/drain", 413, "too-large", `{"node":"${"x".repeat(70_000)}"}`],
  ] as const) {
    test(`${method} ${path} ${body?.slice(0, 40) ?? ""}: ${status} ${code}`, async () => {
      const answer = await ask(engine.socket, method, path, body);
      assert.equal(answer.status, status);
      assert.equal(answer.body["schema"], "holdfast.error/1");
      assert.equal(answer.body["code"], code);
    });
  }

  test("move goes to the owner, drain and undrain to the node; the outcome carries what happened meanwhile", async () => {
    const asked: unknown[] = [];
    engine.onRequest = ({ id, target, action }) => {
      asked.push({ target, action });
      if (action.kind === "move") engine.tellEvent({ code: "group-owned", group: action.group, text: "lb2 owns db" });
      engine.tell({ kind: "reply", id, code: "done", text: "moved" });
    };
    const moved = await ask(engine.socket, "POST", "/v1/move", '{"group":"db","target":"lb2"}');
    assert.equal(moved.status, 200);
    assert.equal(moved.body["code"], "done");
    assert.equal((moved.body["events"] as { code: string }[])[0]?.code, "group-owned");
    await ask(engine.socket, "POST", "/v1/drain", '{"node":"lb2","reason":"kernel"}');
    await ask(engine.socket, "POST", "/v1/undrain", '{"node":"lb2"}');
    assert.deepEqual(asked, [
      { target: "lb3", action: { kind: "move", group: "db", target: "lb2" } },
      { target: "lb2", action: { kind: "drain", node: "lb2", reason: "kernel" } },
      { target: "lb2", action: { kind: "undrain", node: "lb2" } },
    ]);
  });

  test("a refusal is 409, silence of the acting node 504 with the outcome timeout", async () => {
    engine.onRequest = ({ id }) =>
      engine.tell({
        kind: "reply",
        id,
        code: "refused",
        text: "lb2 was not heard in the last interval",
      });
    const refused = await ask(engine.socket, "POST", "/v1/move", '{"group":"web"}');
    assert.deepEqual([refused.status, refused.body["code"]], [409, "refused"]);
    engine.onRequest = () => undefined;
    const silent = await ask(engine.socket, "POST", "/v1/move", '{"group":"web","timeout_ms":100}');
    assert.deepEqual([silent.status, silent.body["code"]], [504, "timeout"]);
  });

  test("the socket is for its owner and group only", () => {
    assert.equal(statSync(engine.socket).mode & 0o777, 0o660);
  });

  test("many who ask at once share one answer of the engine", async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const questions = (): number => engine.said.filter((message) => message.kind === "view").length;
    const start = questions();
    await Promise.all(Array.from({ length: 20 }, () => ask(engine.socket, "GET", "/v1/status")));
    assert.ok(questions() - start <= 5, `${questions() - start} questions for 20 requests`);
  });
});

describe("a silent engine", () => {
  test("what was known is shown as unknown, with its growing age, as an outage; then it recovers", async () => {
    const engine = await scriptedEngine();
    await eventually(async () => assert.equal((await ask(engine.socket, "GET", "/v1/status")).body["health"], "ok"));
    engine.view = undefined;
    await new Promise((resolve) => setTimeout(resolve, 30));
    const start = performance.now();
    const first = await ask(engine.socket, "GET", "/v1/status");
    assert.ok(performance.now() - start < 1000);
    const body = first.body as unknown as {
      health: string;
      quorum: boolean;
      engine_age_ms: number;
      nodes: { state: string; alive: boolean }[];
      groups: { owner: null; state: string }[];
    };
    assert.deepEqual([body.health, body.quorum], ["outage", false]);
    assert.ok(body.nodes.every((node) => node.state === "unknown" && !node.alive));
    assert.ok(body.groups.every((group) => group.state === "unknown" && group.owner === null));
    assert.ok(body.engine_age_ms >= 300);
    assert.equal((await ask(engine.socket, "POST", "/v1/move", '{"group":"web"}')).body["code"], "engine-silent");
    const later = (await ask(engine.socket, "GET", "/v1/status")).body["engine_age_ms"] as number;
    assert.ok(later > body.engine_age_ms);
    assert.match(JSON.stringify((await ask(engine.socket, "GET", "/v1/why/group/web")).body["answer"]), /not known/);
    engine.view = exampleView();
    await eventually(async () => assert.equal((await ask(engine.socket, "GET", "/v1/status")).body["health"], "ok"));
    await engine.leave();
  });

  test("an engine that never said anything is 503", async () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-control-"));
    const engine = await scriptedEngine({ directory, silent: true });
    const answer = await ask(engine.socket, "GET", "/v1/status");
    assert.deepEqual([answer.status, answer.body["code"]], [503, "engine-silent"]);
    await engine.leave();
    rmSync(directory, { recursive: true });
  });
});
