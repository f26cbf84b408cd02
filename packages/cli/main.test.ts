/** The command as a whole, against a real control process whose engine is a script: exit codes, errors, the way of a move. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { exampleGroup, examplePeer, exampleView } from "@holdfast/agent/control/example-view.ts";
import { eventually, scriptedEngine, type ScriptedEngine } from "@holdfast/agent/control/scripted-engine.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import { runPlan } from "./run.ts";

const MAIN = new URL("main.ts", import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Without a terminal, as a script would. */
function holdfast(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

describe("without a daemon", () => {
  const nowhere = ["--socket", "/nonexistent/holdfast.sock"];
  for (const words of [
    ["status"],
    ["links"],
    ["why", "web"],
    ["events"],
    ["history"],
    ["move", "web", "--yes"],
    ["drain", "lb1", "--yes"],
    ["undrain", "lb1"],
  ]) {
    test(`${words.join(" ")}: exit 7 with a hint`, async () => {
      const ended = await holdfast([...nowhere, ...words]);
      assert.equal(ended.code, EXIT.unreachable);
      assert.equal(ended.out, "");
      assert.match(
        ended.err,
        /^holdfast: no daemon: there is no socket \/nonexistent\/holdfast\.sock\n {2}is it running\?.*--socket/,
      );
    });
  }

  test("--json: the error is an ApiError on standard error", async () => {
    const ended = await holdfast(["status", "--json", ...nowhere]);
    assert.equal(ended.code, EXIT.unreachable);
    const error = JSON.parse(ended.err) as Record<string, unknown>;
    assert.deepEqual([error["schema"], error["code"]], ["holdfast.error/1", "unreachable"]);
  });

  for (const [words, pattern] of [
    [["statsu"], /unknown command 'statsu'[^]*Did you mean status\?/],
    [["status", "--jsno"], /unknown option '--jsno'[^]*Did you mean --json\?/],
    [["why"], /missing required argument 'group\|node'/],
    [["move", "web", "--timeout", "10"], /a duration from 100ms to 10m/],
    [["history", "--limit", "x"], /a whole number from 1/],
    [["status", "--color", "sometimes"], /Allowed choices are always, auto, never/],
    [["run", "--config", "/nonexistent.yaml"], /cannot read the configuration \/nonexistent\.yaml/],
    [[], /Usage: holdfast/],
  ] as const) {
    test(`holdfast ${words.join(" ")}: exit 2`, async () => {
      const ended = await holdfast(words);
      assert.equal(ended.code, EXIT.usage);
      assert.match(ended.err, pattern);
    });
  }

  test("--json: commander's errors are ApiErrors too", async () => {
    const ended = await holdfast(["statsu", "--json"]);
    assert.equal(ended.code, EXIT.usage);
    assert.match((JSON.parse(ended.err) as { message: string }).message, /unknown command 'statsu'/);
  });

  test("lab gets all its words, options included", async () => {
    const ended = await holdfast(["lab", "--help"]);
    assert.equal(ended.code, EXIT.done);
    assert.match(ended.out, /^holdfast lab COMMAND/);
  });

  test("help is no error", async () => {
    const ended = await holdfast(["--help"]);
    assert.equal(ended.code, EXIT.done);
    assert.match(ended.out, /Exit codes: 0 done or healthy/);
  });

  test("keys new: mode 0600, never overwritten, --add keeps the old key", async () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
    const file = join(directory, "keys");
    assert.equal((await holdfast(["keys", "new", file])).code, EXIT.done);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const first = readFileSync(file, "utf8");
    const again = await holdfast(["keys", "new", file]);
    assert.equal(again.code, EXIT.refused);
    assert.match(again.err, /exists; its keys are not overwritten/);
    assert.equal(readFileSync(file, "utf8"), first);
    assert.equal((await holdfast(["keys", "new", file, "--add"])).code, EXIT.done);
    const secret = /base64:[^"]+/.exec(first)?.[0] ?? "none";
    assert.ok(readFileSync(file, "utf8").includes(secret));
    rmSync(directory, { recursive: true });
  });

  test("run replaces the process by the engine with a small heap, the given places and the socket of the global option", () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
    const config = join(directory, "holdfast.yaml");
    writeFileSync(config, "version: 1\n");
    const plan = runPlan(
      { config, node: "lb1", socket: "/run/x/s", stateDir: "/var/lib/x", runDir: "/run/x" },
      { PATH: "/bin" },
    );
    assert.equal(plan.file, process.execPath);
    assert.match(
      plan.args.join(" "),
      /--max-semi-space-size=1 .*(agent\/engine\/main\.ts|bundle\/engine\.js) --config .*holdfast\.yaml --socket \/run\/x\/s --state-dir \/var\/lib\/x --run-dir \/run\/x --node lb1$/,
    );
    assert.equal(plan.env["PATH"], "/bin");
    assert.throws(
      () => runPlan({ config, node: "LB 1", socket: "/run/x/s", stateDir: "/s", runDir: "/r" }, {}),
      /is not a node's name/,
    );
    assert.throws(
      () => runPlan({ config: directory, node: undefined, socket: "/run/x/s", stateDir: "/s", runDir: "/r" }, {}),
      /is not a file/,
    );
    rmSync(directory, { recursive: true });
  });
});

describe("with a daemon", () => {
  let engine: ScriptedEngine;
  let env: Readonly<Record<string, string>>;
  before(async () => {
    engine = await scriptedEngine();
    env = { HOLDFAST_SOCKET: engine.socket };
  });
  after(() => engine.leave());

  test("status: 0 when healthy, 3 degraded, 4 outage, in text and JSON", async () => {
    const two = exampleGroup("web", "lb1", ["lb2"], { claimed: ["lb1", "lb2"] as never });
    for (const [view, code, health] of [
      [exampleView(), EXIT.done, "ok"],
      [exampleView({ groups: [exampleGroup("web", "lb1", [])] }), EXIT.degraded, "degraded"],
      [
        exampleView({ nodes: [examplePeer("lb1"), examplePeer("lb2"), examplePeer("lb3", { alive: false })] }),
        EXIT.degraded,
        "degraded",
      ],
      [exampleView({ quorum: false }), EXIT.outage, "outage"],
      [exampleView({ groups: [two] }), EXIT.outage, "outage"],
    ] as const) {
      engine.view = view;
      await new Promise((resolve) => setTimeout(resolve, 25));
      const [text, json] = [await holdfast(["status"], env), await holdfast(["status", "--json"], env)];
      assert.deepEqual([text.code, json.code], [code, code]);
      assert.ok(text.out.includes(health.toUpperCase()), text.out);
      assert.equal((JSON.parse(json.out) as { health: string }).health, health);
    }
    engine.view = exampleView();
  });

  test("why, links, history answer; an unknown name is exit 2 and says what there is", async () => {
    const web = await holdfast(["why", "web"], env);
    assert.equal(web.code, EXIT.done);
    assert.match(
      web.out,
      /^web is on lb1: first in prefer[^\n]*\nlb2: after lb1 in prefer\nlb3: after lb1 in prefer\n$/,
    );
    assert.match((await holdfast(["why", "lb3"], env)).out, /^lb3 is up and owns db\n/);
    const nobody = await holdfast(["why", "nobody"], env);
    assert.equal(nobody.code, EXIT.usage);
    assert.match(nobody.err, /no group and no node named nobody\n {2}groups: web, db; nodes: lb1, lb2, lb3/);
    assert.match((await holdfast(["links", "hb"], env)).out, /^LINK .*\nhb {4}lb1 {7}lb2/);
    assert.equal((await holdfast(["links", "wire"], env)).code, EXIT.usage);
    assert.match((await holdfast(["history", "web"], env)).out, /has recorded nothing/);
  });

  test("events -f shows the last and the new ones, as NDJSON under --json", async (t) => {
    engine.tellEvent({ code: "link-up", text: "link lan to lb2 is up" });
    const child = spawn(process.execPath, [MAIN, "events", "-f", "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    t.after(() => child.kill());
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    await eventually(() => assert.match(out, /link lan to lb2 is up/));
    engine.tellEvent({ code: "link-down", text: "link lan to lb2 is down", level: "warning" });
    await eventually(() => assert.match(out, /link lan to lb2 is down/));
    for (const line of out.trimEnd().split("\n"))
      assert.equal((JSON.parse(line) as { schema: string }).schema, "holdfast.event/1");
    assert.match((await holdfast(["events"], env)).out, /lb1 {2}WARNING: link lan to lb2 is down/);
  });

  test("move without a terminal needs --yes; --dry-run shows the plan; nothing was asked of the engine", async () => {
    const asked: string[] = [];
    engine.onRequest = ({ target }) => asked.push(target);
    const refused = await holdfast(["move", "web"], env);
    assert.equal(refused.code, EXIT.usage);
    assert.match(refused.err, /add --yes/);
    const planned = await holdfast(["move", "web", "--dry-run"], env);
    assert.equal(planned.code, EXIT.done);
    assert.equal(planned.out, "move web (10.0.0.100/24) from lb1 to lb2\nother standbys: lb3\n");
    assert.deepEqual(asked, []);
    assert.equal((await holdfast(["move", "nope", "--yes"], env)).code, EXIT.usage);
    assert.equal((await holdfast(["drain", "nope", "--yes"], env)).code, EXIT.usage);
  });

  test("move: 0 done with what happened, 5 refused, 1 failed, 6 timeout", async () => {
    for (const [code, exit] of [
      ["done", EXIT.done],
      ["refused", EXIT.refused],
      ["failed", EXIT.failed],
      ["timeout", EXIT.timeout],
    ] as const) {
      engine.onRequest = ({ id, action }) => {
        if (action.kind === "move" && code === "done")
          engine.tellEvent({
            code: "group-owned",
            group: action.group,
            text: "owns web",
            phases: { claim: 1, announce: 0.5 },
          });
        engine.tell({ kind: "reply", id, code, text: "as the script says" });
      };
      const ended = await holdfast(["move", "web", "lb2", "--yes"], env);
      assert.equal(ended.code, exit);
      assert.ok(ended.out.includes(`${code.toUpperCase()}: as the script says`), ended.out);
      if (code === "done") assert.match(ended.out, /claim 1 \+ announce 0\.5 = outage 1\.5 ms/);
    }
    engine.onRequest = () => undefined;
    assert.equal((await holdfast(["move", "web", "--yes", "--timeout", "100ms"], env)).code, EXIT.timeout);
  });

  test("Ctrl-C ends the waiting, not the move", async () => {
    const asked = new Promise<number>((resolve) => (engine.onRequest = ({ id }) => resolve(id)));
    const child = spawn(process.execPath, [MAIN, "move", "web", "--yes"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...env },
    });
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const id = await asked;
    const code = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGINT");
    assert.equal(await code, EXIT.timeout);
    assert.match(err, /the request is not cancelled/);
    engine.tell({ kind: "reply", id, code: "done", text: "moved" });
  });

  test("on a terminal a move asks, and only yes goes on", async () => {
    const asked: string[] = [];
    engine.onRequest = ({ id, target }) => {
      asked.push(target);
      engine.tell({ kind: "reply", id, code: "done", text: "moved" });
    };
    // script(1) gives it a terminal.
    const typed = (answer: string): Promise<Ended> =>
      new Promise((resolve) => {
        const child = spawn("script", ["-qec", `${process.execPath} ${MAIN} move web lb3`, "/dev/null"], {
          env: { ...process.env, ...env },
        });
        let out = "";
        let answered = false;
        child.stdout.on("data", (chunk: Buffer) => {
          out += chunk.toString();
          if (!answered && out.includes("[y/N] ")) {
            answered = true;
            child.stdin.write(`${answer}\n`);
          }
        });
        child.once("close", (code) => resolve({ code, out, err: "" }));
      });
    const no = await typed("n");
    assert.equal(no.code, EXIT.failed);
    assert.match(no.out, /nothing was done/);
    assert.deepEqual(asked, []);
    const yes = await typed("y");
    assert.equal(yes.code, EXIT.done, yes.out);
    assert.deepEqual(asked, ["lb1"]);
  });

  test("status -w redraws in place and says STALE when the daemon is gone", async (t) => {
    const child = spawn("script", ["-qec", `${process.execPath} ${MAIN} status -w`, "/dev/null"], {
      env: { ...process.env, ...env, NO_COLOR: "1" },
    });
    t.after(() => child.kill());
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    await eventually(() => assert.match(out, /OK {2}3\/3 nodes[^]*\x5b\d+A/));
    engine.child.kill("SIGSTOP");
    await eventually(() => assert.match(out, /STALE \d/));
    engine.child.kill("SIGCONT");
  });
});

test("script(1) is there: the tests on a terminal need it", () => {
  assert.equal(spawnSync("script", ["--version"]).status, 0);
});
