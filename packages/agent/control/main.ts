/**
 * control: the engine's unprivileged child. Descriptor 3 is its socket pair to the engine; it serves the API on the Unix
 * socket, keeps the history, and ends when the engine does. Nothing here can touch an address.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { Socket } from "node:net";
import { join } from "node:path";
import type { ToControl } from "../channel.ts";
import { engineChannel, type EngineChannel } from "./channel.ts";
import { PACKAGE_FILE } from "../processes.ts";
import { type History, history } from "./history.ts";
import { historyFile } from "./history-file.ts";
import { httpServer } from "./http-server.ts";
import { type Requests, requests } from "./requests.ts";
import { routes } from "./routes.ts";
import { dropPrivileges, handOver, listen } from "./socket.ts";
import { type StateMark, stateMark } from "./state-mark.ts";
import { type ViewSource, viewSource } from "./view-source.ts";
import type { Native } from "@holdfast/linux/native.ts";

const ENGINE_FD = 3;
/** What the engine may say before control is ready, such as the events of its start. */
const EARLY_MAX = 1000;

interface Running {
  readonly views: ViewSource;
  readonly history: History;
  readonly requests: Requests;
  readonly drained: StateMark;
  readonly paused: StateMark;
}

function main(): void {
  // A terminal's Ctrl-C and systemd's SIGTERM reach all processes: control stays until the engine has released everything.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  let running: Running | undefined;
  let greeted = false;
  let early: ToControl[] = [];
  const begin = (started: Running): void => {
    running = started;
    for (const message of early) take(started, message);
    early = [];
  };
  const channel = engineChannel(
    new Socket({ fd: ENGINE_FD }),
    (message) => {
      if (message.kind === "hello" && !greeted) {
        greeted = true;
        start(message, channel).then(begin, (error: unknown) => abandon(channel, error));
      } else if (running) take(running, message);
      else if (early.length < EARLY_MAX) early.push(message);
    },
    () => process.exit(0),
  );
}

function take({ views, history: recorded, requests: asked, drained, paused }: Running, message: ToControl): void {
  switch (message.kind) {
    case "view":
      return views.answered(message);
    case "event":
      return recorded.record(message.event);
    case "reply":
      return asked.replied(message.id, message.code, message.text);
    case "reloaded":
      return asked.reloaded(message.id, message.answer);
    case "saveDrained":
      return drained.save(message.reason === undefined ? undefined : { reason: message.reason });
    case "savePauses":
      return paused.save({ pauses: message.pauses });
    case "hello":
      return;
  }
}

async function start(hello: Extract<ToControl, { kind: "hello" }>, channel: EngineChannel): Promise<Running> {
  const machine = await loadMachine();
  scheduleNormally(machine);
  makeStateDirectory(hello.stateDirectory);
  const file = historyFile(hello.stateDirectory, (trouble) =>
    channel.send(
      trouble === undefined
        ? {
            kind: "trouble",
            code: "history-writable",
            text: "the history is written to disk again",
            level: "info",
          }
        : {
            kind: "trouble",
            code: "history-unwritable",
            text: `history is kept in memory only: ${trouble}`,
            level: "warning",
          },
    ),
  );
  const recorded = history(file);
  const views = viewSource(channel.send, () => performance.now());
  const asked = requests(channel.send, recorded);
  const server = httpServer(
    routes({
      views,
      history: recorded,
      requests: asked,
      node: hello.node,
      version: version(),
      wall: Date.now,
    }),
  );
  await listen(server, hello.socket);
  // With NODE_COMPILE_CACHE set, the next start needs no TypeScript compiler (17 MB); it cannot be written later on.
  flushCompileCache();
  // What only the start needed of Node's binary: while /proc/self can still be read, and after everything is loaded.
  machine?.releaseStartPages();
  // No connection is accepted before this turn of the loop ends, and by then we are nobody.
  if (hello.user) {
    handOver(hello.stateDirectory, hello.socket, hello.user);
    dropPrivileges(hello.user);
  }
  channel.send({ kind: "listening" });
  // So that a last known view exists should the engine fall silent later.
  void views.ask();
  return { views, history: recorded, requests: asked, ...marks(hello.stateDirectory, channel) };
}

/** What the next daemon of this node begins with; trouble with it is told to everybody. */
function marks(directory: string, channel: EngineChannel): Pick<Running, "drained" | "paused"> {
  const mark = (name: string, code: string, what: string): StateMark =>
    stateMark(join(directory, name), what, (trouble) =>
      channel.send(
        trouble === undefined
          ? { kind: "trouble", code: `${code}-saved`, text: `${what} is on disk again as it should be`, level: "info" }
          : { kind: "trouble", code: `${code}-unsaved`, text: trouble, level: "warning" },
      ),
    );
  return { drained: mark("drained", "drain", "the drain mark"), paused: mark("paused", "pause", "the pause mark") };
}

interface Machine {
  readonly native: Pick<Native, "schedule">;
  readonly releaseStartPages: () => void;
}

/** Control serves also where the addon was not built. Before the compile cache is written, so that it has these too. */
async function loadMachine(): Promise<Machine | undefined> {
  try {
    const { native } = await import("@holdfast/linux/load.ts");
    const { releaseStartPages } = await import("@holdfast/linux/memory.ts");
    return { native, releaseStartPages };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`control: stays in the engine's scheduling class and as large as its start: ${reason}\n`);
    return undefined;
  }
}

/** The engine's real-time class is inherited by every thread; none of it is for control. */
function scheduleNormally(machine: Machine | undefined): void {
  if (machine === undefined) return;
  for (const tid of readdirSync("/proc/self/task")) machine.native.schedule(Number(tid), 0, 0);
}

/** Without it the history stays in memory and says so; that is no reason not to serve. */
function makeStateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
  } catch (error) {
    process.stderr.write(`control: cannot make ${path}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function version(): string {
  const text = readFileSync(PACKAGE_FILE, "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The engine logs it and starts us again. */
function abandon(channel: EngineChannel, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`control: ${text}\n`);
  channel.send({
    kind: "trouble",
    code: "control-failed",
    text: text.slice(0, 200),
    level: "alarm",
  });
  setTimeout(() => process.exit(1), 50);
}

// `--warm`: only fill the compile cache, for set-up.
if (process.argv.includes("--warm")) void loadMachine().then(() => flushCompileCache());
else main();
