/** The holdfast daemon of each node: where its files are, how it is started, stopped, frozen and killed. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { processesOf, signalNode } from "./processes.ts";

/** The command as it is installed: the bundle where there is one, which starts in half the time. */
const COMMAND = fileURLToPath(new URL("../../holdfast", import.meta.url));

export interface NodeFiles {
  readonly directory: string;
  readonly config: string;
  readonly socket: string;
  readonly state: string;
  /** On the lab's own tmpfs: what must outlive a daemon but not a machine. */
  readonly run: string;
  readonly log: string;
}

export function nodeFiles(lab: string, node: string): NodeFiles {
  const directory = `${lab}/${node}`;
  return {
    directory,
    config: `${lab}/holdfast.yaml`,
    socket: `${directory}/holdfast.sock`,
    state: `${directory}/state`,
    run: `/run/holdfast/${node}`,
    log: `${directory}/holdfast.log`,
  };
}

export type DaemonState = "running" | "frozen" | "stopped";

export class Daemon {
  readonly node: string;
  readonly files: NodeFiles;
  readonly #say: (text: string) => void;
  #child: ChildProcess | undefined;
  #frozen = false;
  /** The lab ended it, so that its end is no surprise. */
  #expected = false;
  /** How it ended when nobody had asked it to; undefined while all is as ordered. */
  #failure: string | undefined;
  /** Start again as soon as the one that is stopping has ended. */
  #again = false;

  constructor(lab: string, node: string, say: (text: string) => void) {
    this.node = node;
    this.files = nodeFiles(lab, node);
    this.#say = say;
  }

  get state(): DaemonState {
    if (this.#child === undefined) return "stopped";
    return this.#frozen ? "frozen" : "running";
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  start(): void {
    if (this.#child) {
      this.#again = this.#expected;
      return;
    }
    const { directory, config, socket, state, run, log } = this.files;
    mkdirSync(state, { recursive: true, mode: 0o700 });
    mkdirSync(run, { recursive: true, mode: 0o755 });
    // Whoever starts it by hand takes the crashes before as dealt with.
    rmSync(`${run}/starts`, { force: true });
    const output = openSync(log, "a", 0o600);
    const options = [
      "--config",
      config,
      "--node",
      this.node,
      "--socket",
      socket,
      "--state-dir",
      state,
      "--run-dir",
      run,
    ];
    const child = spawn("ip", ["netns", "exec", this.node, COMMAND, "run", ...options], {
      // Its own session, so that signals to the supervisor's group do not reach it.
      detached: true,
      stdio: ["ignore", output, output],
      cwd: directory,
    });
    closeSync(output);
    this.#child = child;
    this.#expected = false;
    this.#again = false;
    this.#failure = undefined;
    this.#frozen = false;
    child.on("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (!this.#expected) {
        this.#failure = `the daemon of ${this.node} ended by itself (${signal ?? `status ${code}`}); see ${log}`;
        this.#say(this.#failure);
      }
      if (this.#again) this.start();
    });
  }

  /** SIGKILL to the engine and all its children; how many there were. */
  kill(): number {
    this.#expected = true;
    this.#frozen = false;
    const reached = signalNode(this.node, "SIGKILL");
    this.#child = undefined;
    return reached;
  }

  /** SIGKILL to the engine alone, which is started again as soon as it has ended: what a service manager does. */
  crash(): void {
    this.#expected = true;
    this.#again = true;
    this.#child?.kill("SIGKILL");
  }

  freeze(): number {
    this.#frozen = true;
    return signalNode(this.node, "SIGSTOP");
  }

  thaw(): void {
    if (this.#frozen) signalNode(this.node, "SIGCONT");
    this.#frozen = false;
  }

  /** SIGTERM to the engine, which releases what it owns and ends. */
  stop(): void {
    this.#expected = true;
    this.#child?.kill("SIGTERM");
  }

  /** What a machine without power forgets. */
  forget(): void {
    rmSync(this.files.run, { recursive: true, force: true });
  }

  get processes(): number {
    return processesOf(this.node).length;
  }
}
