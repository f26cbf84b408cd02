/** Clients that send garbage, too much, too slowly, or never read: each costs little, and nobody else anything. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { ask, eventually, scriptedEngine, type ScriptedEngine } from "./scripted-engine.ts";

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
