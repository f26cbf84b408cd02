/** The supervisor's side of the traffic process: starts it and asks it. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Topology } from "./topology.ts";
import type { FromTraffic, Position, Seen, Steady, ToTraffic } from "./traffic/messages.ts";

const TRAFFIC = fileURLToPath(new URL("traffic/main.ts", import.meta.url));

export class TrafficLink {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (value: never) => void>();
  #next = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when the first probe is on its way; rejects with the reason when sockets can not be opened. */
  static start(topology: Topology, onViolation: (lines: readonly string[]) => void): Promise<TrafficLink> {
    const child = fork(TRAFFIC, [], {
      execPath: process.execPath,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const link = new TrafficLink(child);
    return new Promise((resolve, reject) => {
      child.on("message", (message: FromTraffic) => {
        switch (message.kind) {
          case "started":
            return resolve(link);
          case "failed":
            return reject(new Error(`the traffic process can not start: ${message.reason}`));
          case "violation":
            return onViolation(message.lines);
          case "reply":
            link.#waiting.get(message.id)?.(message.value as never);
            link.#waiting.delete(message.id);
        }
      });
      child.on("exit", (code, signal) => {
        reject(new Error(`the traffic process ended (${signal ?? code})`));
        // Without it the lab sees nothing: better no lab than a blind one.
        console.error(`traffic process ended (${signal ?? code})`);
        process.exit(1);
      });
      child.send({ kind: "start", topology } satisfies ToTraffic);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends or goes on with all traffic; what was sent before counts as before. */
  async run(running: boolean): Promise<void> {
    await this.#ask<Position>((id) => ({ kind: "run", id, running }));
  }

  async position(): Promise<number> {
    return (await this.#ask<Position>((id) => ({ kind: "position", id }))).number;
  }

  steady(after: number, for_ms: number, other: string | undefined, timeout_ms: number): Promise<Steady> {
    return this.#ask((id) => ({ kind: "steady", id, after, for_ms, other, timeout_ms }));
  }

  report(from: number, to: number): Promise<Seen> {
    return this.#ask((id) => ({ kind: "report", id, from, to }));
  }

  #ask<Value>(make: (id: number) => ToTraffic): Promise<Value> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send(make(id));
    });
  }
}
