/** The engine's side of control: started, restarted when it dies, spoken to over a socket pair, never waited for. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { ToControl, ToEngine } from "../channel.ts";
import { parseControlLine } from "./control-message.ts";
import { CONTROL_ENTRY, CONTROL_FLAGS } from "../processes.ts";

/** Lines to control that may wait in memory; a control that does not read loses the rest. */
const BACKLOG_BYTES = 1024 * 1024;
const LINE_BYTES_MAX = 256 * 1024;
const RESTART_MS = 200;
/** Events and drain marks kept for a control that is being started again. */
const KEPT_MAX = 1000;

export interface ControlEvents {
  /** The first line of each new control process. */
  readonly hello: () => ToControl;
  readonly message: (message: ToEngine) => void;
  /** It ended without being asked to; it is started again. */
  readonly died: (detail: string) => void;
}

export class ControlChild {
  readonly #events: ControlEvents;
  #process: ChildProcess | undefined;
  #socket: Socket | undefined;
  #partial = "";
  #stopping = false;
  #dropped = 0;
  #kept: ToControl[] = [];

  constructor(events: ControlEvents) {
    this.#events = events;
  }

  /** What is sent before is kept as for a control that died. */
  start(): void {
    if (this.#process === undefined && !this.#stopping) this.#start();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  send(message: ToControl): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return this.#keep(message);
    if (socket.writableLength > BACKLOG_BYTES) {
      this.#dropped += 1;
      return;
    }
    socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Without control, what it must record waits for the next one: its own end is among it. */
  #keep(message: ToControl): void {
    if (!["event", "saveDrained", "savePauses"].includes(message.kind)) return;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(message);
    else this.#dropped += 1;
  }

  /** Lines lost because control did not read, since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** End it with the engine: it leaves when its end of the pair closes. */
  stop(done: () => void): void {
    this.#stopping = true;
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return done();
    child.once("exit", done);
    this.#socket?.end();
  }

  #start(): void {
    const child = spawn(process.execPath, [...CONTROL_FLAGS, CONTROL_ENTRY], {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.#process = child;
    this.#partial = "";
    const socket = child.stdio[3] as Socket | null;
    this.#socket = socket ?? undefined;
    socket?.setEncoding("utf8");
    socket?.on("data", (text: string) => this.#take(text));
    socket?.on("error", () => {});
    child.once("error", (error) => this.#ended(child, error.message));
    child.once("exit", (code, signal) =>
      this.#ended(child, signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
    this.send(this.#events.hello());
    const kept = this.#kept;
    this.#kept = [];
    for (const message of kept) this.send(message);
  }

  #ended(child: ChildProcess, detail: string): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
    if (this.#stopping) return;
    this.#events.died(detail);
    setTimeout(() => {
      if (!this.#stopping) this.#start();
    }, RESTART_MS);
  }

  #take(text: string): void {
    this.#partial += text;
    for (let end = this.#partial.indexOf("\n"); end >= 0; end = this.#partial.indexOf("\n")) {
      const line = this.#partial.slice(0, end);
      this.#partial = this.#partial.slice(end + 1);
      const message = parseControlLine(line);
      if (message !== undefined) this.#events.message(message);
    }
    // Control is not trusted: what never ends a line is dropped.
    if (this.#partial.length > LINE_BYTES_MAX) this.#partial = "";
  }
}
