/** The control process as a whole: a real process, a real Unix socket, real files; only the engine is a script. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { exampleGroup, exampleView } from "./example-view.ts";
import { ask, eventually, scriptedEngine, type ScriptedEngine } from "./scripted-engine.ts";

const asRoot = process.getuid?.() === 0;

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
    assert.deepEqual(groups[0]?.last_move, { cause: "unknown", outage_ms: 1247 });
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

describe("bad clients", () => {
  let engine: ScriptedEngine;
  before(async () => {
    engine = await scriptedEngine();
  });
  after(async () => {
    assert.equal(await engine.leave(), 0);
  });

  const raw = (bytes: Buffer | string): Promise<string> =>
    new Promise((resolve) => {
      let text = "";
      const socket = connect(engine.socket, () => socket.write(bytes));
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });

  test("garbage is answered 400 at most and closed, and the next client is served", async () => {
    let seed = 20261121;
    const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
    for (let round = 0; round < 50; round++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 300) }, () => Math.floor(random() * 256)),
      );
      // The end of line makes the parser decide; without it it rightly waits for the rest.
      const answer = await raw(Buffer.concat([bytes, Buffer.from("\r\n\r\n")]));
      assert.match(answer, /^(HTTP\/1\.1 400 |$)/);
    }
    assert.equal((await ask(engine.socket, "GET", "/v1/status")).status, 200);
  });

  test("a header over 8 KiB is 431 and closed", async () => {
    assert.match(await raw(`GET /v1/status HTTP/1.1\r\nx: ${"a".repeat(10_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  });

  test("a client that never finishes its request is cut off", async () => {
    const start = performance.now();
    const answers = await Promise.all([
      raw("GET /v1/status HTTP/1.1\r\nhost:"),
      raw(""),
      raw("POST /v1/move HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"),
    ]);
    assert.match(answers[0] ?? "", /^HTTP\/1\.1 408 /);
    assert.ok(performance.now() - start < 9000);
  });

  test("the 65th connection is closed; those before are served", async () => {
    const held = Array.from({ length: 64 }, () => connect(engine.socket));
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    assert.equal(await raw("GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"), "");
    for (const socket of held) socket.destroy();
    await eventually(async () => assert.equal((await ask(engine.socket, "GET", "/v1/status")).status, 200));
  });

  test("a follower that never reads is cut off after a bounded buffer; one that reads misses nothing", async () => {
    const follow = "GET /v1/events?follow=1 HTTP/1.1\r\nhost: x\r\n\r\n";
    const deaf = connect(engine.socket);
    deaf.on("error", () => undefined);
    deaf.pause();
    let heard = "";
    const reader = connect(engine.socket);
    reader.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    for (const socket of [deaf, reader]) socket.write(follow);
    await eventually(() => assert.match(heard, /^HTTP\/1\.1 200 /));
    const count = 10_000;
    for (let i = 0; i < count; i++) {
      engine.tellEvent({ code: "link-up", text: `number ${i}${" ".repeat(150)}` });
      // As a busy cluster would, not in one burst: a reader gets its turns.
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await eventually(() => assert.ok(heard.includes(`number ${count - 1} `)));
    assert.equal(heard.split('"code":"link-up"').length - 1, count);
    const bytes = await new Promise<number>((resolve) => {
      let total = 0;
      deaf.on("data", (chunk: Buffer) => (total += chunk.length));
      deaf.on("close", () => resolve(total));
      deaf.resume();
    });
    assert.ok(bytes < 1024 * 1024, `${bytes} bytes were kept for a client that did not read`);
    reader.destroy();
  });

  test("a move goes on when the client that asked is gone", async () => {
    const asked = new Promise<number>((resolve) => (engine.onRequest = ({ id }) => resolve(id)));
    const client = connect(engine.socket, () =>
      client.write('POST /v1/move HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{"group":"web"}'),
    );
    const id = await asked;
    client.destroy();
    engine.tell({ kind: "reply", id, code: "done", text: "moved" });
    assert.equal((await ask(engine.socket, "GET", "/v1/status")).status, 200);
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
    const engine = await scriptedEngine({ directory });
    engine.view = undefined;
    const answer = await ask(engine.socket, "GET", "/v1/status");
    // The first question is put when control starts, so the script may have answered it before it fell silent.
    if (answer.status === 200) assert.equal(answer.body["health"], "outage");
    else assert.deepEqual([answer.status, answer.body["code"]], [503, "engine-silent"]);
    await engine.leave();
    rmSync(directory, { recursive: true });
  });
});

describe("files", () => {
  test("a restart keeps the history, ignores a torn last line and does not take an event twice", async () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-control-"));
    const first = await scriptedEngine({ directory });
    first.tellEvent({ code: "node-started", number: 1 });
    first.tellEvent({ code: "quorum", number: 2 });
    await eventually(async () =>
      assert.equal(((await ask(first.socket, "GET", "/v1/history")).body["events"] as unknown[]).length, 2),
    );
    await first.leave();
    const file = join(directory, "state", "history.ndjson");
    writeFileSync(file, '{"schema":"holdfast.event/1","time":"2026-', { flag: "a" });
    const second = await scriptedEngine({ directory });
    second.tellEvent({ code: "quorum", number: 2, wall_ms: Date.UTC(2026, 10, 21, 14, 0, 0, 2) });
    second.tellEvent({ code: "link-up", number: 3 });
    const codes = async (): Promise<string[]> =>
      ((await ask(second.socket, "GET", "/v1/history")).body["events"] as { code: string }[]).map(
        (event) => event.code,
      );
    await eventually(async () => assert.deepEqual(await codes(), ["node-started", "quorum", "link-up"]));
    await second.leave();
    assert.equal(JSON.parse(readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "").code, "link-up");
    rmSync(directory, { recursive: true });
  });

  test("the drain mark is written, replaced and removed", async () => {
    const engine = await scriptedEngine();
    const mark = join(engine.stateDirectory, "drained");
    engine.tell({ kind: "saveDrained", reason: "kernel" });
    await eventually(() => assert.deepEqual(JSON.parse(readFileSync(mark, "utf8")), { reason: "kernel" }));
    engine.tell({ kind: "saveDrained", reason: undefined });
    // JSON leaves undefined out.
    await eventually(() => assert.equal(existsSync(mark), false));
    await engine.leave();
  });

  test(
    "a full disk: served from memory, told once, written when there is room again",
    { skip: asRoot ? false : "needs root to mount a small tmpfs" },
    async () => {
      const directory = mkdtempSync(join(tmpdir(), "holdfast-control-"));
      const stateDirectory = join(directory, "full");
      mkdirSync(stateDirectory);
      assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", stateDirectory]).status, 0);
      try {
        writeFileSync(join(stateDirectory, "ballast"), Buffer.alloc(56 * 1024));
        const engine = await scriptedEngine({ directory, stateDirectory });
        for (let i = 0; i < 100; i++) engine.tellEvent({ code: "link-up" });
        const troubles = (): string[] =>
          engine.said.flatMap((message) => (message.kind === "trouble" ? [message.code] : []));
        await eventually(() => assert.deepEqual(troubles(), ["history-unwritable"]));
        const answer = await ask(engine.socket, "GET", "/v1/history");
        assert.equal((answer.body["events"] as unknown[]).length, 100);
        assert.match(String(answer.body["trouble"]), /ENOSPC/);
        engine.tell({ kind: "saveDrained", reason: "kernel" });
        await eventually(() => assert.deepEqual(troubles(), ["history-unwritable", "drain-unsaved"]));
        rmSync(join(stateDirectory, "ballast"));
        // The retry comes after 10 s.
        await eventually(() => assert.equal(troubles().includes("history-writable"), true)).catch(() => undefined);
        await eventually(() =>
          assert.deepEqual(troubles().toSorted(), [
            "drain-saved",
            "drain-unsaved",
            "history-unwritable",
            "history-writable",
          ]),
        );
        const lines = readFileSync(join(stateDirectory, "history.ndjson"), "utf8").trimEnd().split("\n");
        assert.equal(lines.length, 100);
        for (const line of lines) assert.equal(JSON.parse(line).code, "link-up");
        await engine.leave();
      } finally {
        spawnSync("umount", [stateDirectory]);
        rmSync(directory, { recursive: true });
      }
    },
  );

  test(
    "privileges are dropped for good, and the socket and history belong to the user",
    { skip: asRoot ? false : "only root can change its user" },
    async () => {
      const user = { uid: 65534, gid: 65534 };
      const engine = await scriptedEngine({ user });
      const ids = readFileSync(`/proc/${engine.child.pid}/status`, "utf8");
      assert.match(ids, /^Uid:\t65534\t65534\t65534\t65534$/m);
      assert.match(ids, /^Gid:\t65534\t65534\t65534\t65534$/m);
      assert.match(ids, /^CapPrm:\t0+$/m);
      assert.equal(statSync(engine.socket).gid, user.gid);
      engine.tellEvent({ code: "quorum" });
      await eventually(() => assert.equal(statSync(join(engine.stateDirectory, "history.ndjson")).uid, user.uid));
      await engine.leave();
    },
  );

  test("a socket left over by a crash is replaced; one that is served, and any other file, is not", async () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-control-"));
    const first = await scriptedEngine({ directory });
    first.child.kill("SIGKILL");
    await first.leave();
    assert.ok(existsSync(first.socket));
    const second = await scriptedEngine({ directory });
    await assert.rejects(scriptedEngine({ directory }), /another daemon answers on .*holdfast\.sock/);
    assert.equal((await ask(second.socket, "GET", "/v1/status")).status, 200);
    await second.leave();
    rmSync(second.socket, { force: true });
    writeFileSync(second.socket, "mine");
    await assert.rejects(scriptedEngine({ directory }), /is not a socket/);
    assert.equal(readFileSync(second.socket, "utf8"), "mine");
    rmSync(directory, { recursive: true });
  });

  test("control outlives SIGTERM and SIGINT and ends with the engine", async () => {
    const engine = await scriptedEngine();
    engine.child.kill("SIGTERM");
    engine.child.kill("SIGINT");
    assert.equal((await ask(engine.socket, "GET", "/v1/status")).status, 200);
    assert.equal(await engine.leave(), 0);
  });

  test("garbage from the engine's side is skipped", async () => {
    const engine = await scriptedEngine();
    (engine.child.stdio[3] as NodeJS.WritableStream).write('nonsense\n{"kind":"strange"}\n[]\n\n');
    engine.view = exampleView({ groups: [exampleGroup("web", "lb2", ["lb1"])] });
    await eventually(async () =>
      assert.match(JSON.stringify((await ask(engine.socket, "GET", "/v1/status")).body["groups"]), /"owner":"lb2"/),
    );
    await engine.leave();
  });
});
