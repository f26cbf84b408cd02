/** For tests: the engine's side of the socket pair, played by a script, with a real control process at the other end. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Duplex } from "node:stream";
import type { RecordedEvent, ToControl, ToEngine } from "../channel.ts";
import type { NodeView } from "@holdfast/core/view.ts";
import { lineReader } from "./channel.ts";
import { exampleEngine, exampleLinks, exampleView } from "./example-view.ts";

export interface ScriptedEngine {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly socket: string;
  /** All that control said, in order. */
  readonly said: ToEngine[];
  /** What a question for the view is answered with; undefined: silence. */
  view: NodeView | undefined;
  /** Called for each request of an operator. */
  onRequest: (request: Extract<ToEngine, { kind: "request" }>) => void;
  readonly tell: (message: ToControl) => void;
  readonly tellEvent: (event: Partial<Omit<RecordedEvent, "code">> & { readonly code: string }) => void;
  /** Closes the socket pair, as a dead engine does, and waits for control's exit code. */
  readonly leave: () => Promise<number | null>;
}

export interface EngineOptions {
  /** Answers no question for the view from the start. */
  readonly silent?: boolean;
  readonly directory?: string;
  readonly stateDirectory?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** A failed test must not leave a child behind that keeps the run from ending. */
const children = new Set<ChildProcess>();
after(() => children.forEach((child) => child.kill("SIGKILL")));

/** Resolves when control says that it listens; rejects when it leaves before. */
export async function scriptedEngine(options: EngineOptions = {}): Promise<ScriptedEngine> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "holdfast-control-"));
  const child = spawn(process.execPath, [new URL("main.ts", import.meta.url).pathname], {
    stdio: ["ignore", "inherit", "pipe", "pipe"],
  });
  children.add(child);
  // An unprivileged control must be able to reach its files.
  if (options.user) chmodSync(directory, 0o711);
  const stream = child.stdio[3] as Duplex;
  stream.on("error", () => undefined);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve)).finally(() =>
    children.delete(child),
  );
  const tell = (message: ToControl): void => void stream.write(`${JSON.stringify(message)}\n`);
  let number = 0;
  const engine: ScriptedEngine = {
    child,
    directory,
    stateDirectory: options.stateDirectory ?? join(directory, "state"),
    socket: join(directory, "holdfast.sock"),
    said: [],
    view: options.silent === true ? undefined : exampleView(),
    onRequest: () => undefined,
    tell,
    tellEvent: (event) => tell({ kind: "event", event: exampleEvent(event, ++number) }),
    async leave() {
      stream.destroy();
      const code = await exited;
      if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
  const listening = new Promise<void>((resolve, reject) => {
    const read = lineReader(1024 * 1024, (line) => {
      const message = JSON.parse(line ?? "null") as ToEngine;
      engine.said.push(message);
      if (message.kind === "listening") resolve();
      if (message.kind === "view" && engine.view)
        tell({ kind: "view", id: message.id, view: engine.view, engine: exampleEngine(), links: exampleLinks() });
      if (message.kind === "request") engine.onRequest(message);
    });
    stream.on("data", read);
    void exited.then((code) => reject(new Error(`control left with ${code}: ${errors}`)));
  });
  tell({
    kind: "hello",
    socket: engine.socket,
    stateDirectory: engine.stateDirectory,
    cluster: "edge",
    node: "lb1",
    user: options.user,
    dead_ms: 300,
  });
  await listening;
  return engine;
}

function exampleEvent(event: Partial<RecordedEvent>, number: number): RecordedEvent {
  return {
    node: "lb1" as RecordedEvent["node"],
    boot: "00000000000000b1" as RecordedEvent["boot"],
    number,
    wall_ms: Date.UTC(2026, 10, 21, 14, 0, 0, number),
    level: "info",
    group: undefined,
    text: `event ${number}`,
    phases: undefined,
    code: "",
    ...event,
  };
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One request over the Unix socket, without the client that is itself under test elsewhere. */
export function ask(socket: string, method: string, path: string, body?: string): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const message = httpRequest({ socketPath: socket, method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: JSON.parse(text) as PlainAnswer["body"],
        }),
      );
      response.on("error", reject);
    });
    message.on("error", reject);
    message.end(body);
  });
}

/** Tries until it is so; fails with the last reason after 10 s. */
export async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
