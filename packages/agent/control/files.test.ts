/** What control leaves on disk and finds there: history, drain mark, socket, and whom they belong to. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { exampleGroup, exampleView } from "./example-view.ts";
import { ask, eventually, scriptedEngine } from "./scripted-engine.ts";

const asRoot = process.getuid?.() === 0;

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
