/**
 * A restart in place: the successor is tried out first, then this process becomes it (execve), right after a renewal, so
 * that the fence stays open while it starts. Whoever started the daemon sees the same process id.
 */
import { execFile } from "node:child_process";
import type { OutcomeCode } from "@holdfast/core/wire/messages.ts";
import { heldGroups, restartObstacle } from "@holdfast/core/node/restarting.ts";
import type { NodeState } from "@holdfast/core/node.ts";
import type { Instant } from "@holdfast/core/units/time.ts";
import { engineEntry } from "../bundle.ts";
import { ENGINE_FLAGS, EXEC_TIME_VARIABLE } from "../processes.ts";

/** An engine with this word only checks what a start needs, prints a Checked, and leaves. */
export const CHECK_WORD = "--check";

export interface Checked {
  /** Of the configuration that the successor would have. */
  readonly digest: string;
  /** Its version; absent from one that does not say. */
  readonly software?: string;
}

export interface RestartSteps {
  readonly state: () => NodeState;
  readonly now: () => Instant;
  /** Everybody shall know. */
  readonly tell: (text: string) => void;
  /** End control, so that the successor can have its own; `done` when it is gone. */
  readonly endControl: (done: () => void) => void;
  /** The last thing before this process is another: the end is in order. */
  readonly leaving: () => void;
}

export type RestartReply = (code: OutcomeCode, text: string) => void;

type Phase =
  | { readonly kind: "none" }
  | { readonly kind: "checking" }
  /** Waits until nothing is under way. */
  | { readonly kind: "settling"; readonly reply: RestartReply; readonly timer: NodeJS.Timeout }
  | { readonly kind: "telling" }
  /** Goes with the next renewal. */
  | { readonly kind: "leaving"; readonly latest: Instant };

const CHECK_TIMEOUT_MS = 30_000;
/** Control hands the answer on to whoever asked. */
const TELL_MS = 30;
/** Without a majority no renewal comes, and nothing is lost by going at once. */
const PATIENCE_INTERVALS = 4;

export class Restart {
  readonly #steps: RestartSteps;
  #phase: Phase = { kind: "none" };
  /** Of the successor that was tried out. */
  #software = "";

  constructor(steps: RestartSteps) {
    this.#steps = steps;
  }

  /** `reply` says once whether it will happen. */
  ask(timeout_ms: number, reply: RestartReply): void {
    if (this.#phase.kind !== "none") return reply("refused", "a restart is under way already");
    this.#phase = { kind: "checking" };
    const file = process.execPath;
    const args = [...ENGINE_FLAGS, engineEntry(), ...process.argv.slice(2), CHECK_WORD];
    const options = { timeout: Math.min(timeout_ms, CHECK_TIMEOUT_MS), maxBuffer: 1 << 20 };
    execFile(file, args, options, (error, stdout, stderr) => {
      const obstacle = this.#judge(error, stdout, stderr);
      if (obstacle === undefined) return this.#settle(timeout_ms, reply);
      this.#phase = { kind: "none" };
      reply("refused", `the daemon goes on as it is: ${obstacle}`);
    });
  }

  /** After each turn of the loop. */
  turn(): void {
    const { kind } = this.#phase;
    if (kind !== "settling" && kind !== "leaving") return;
    const obstacle = restartObstacle(this.#steps.state(), this.#steps.now());
    if (this.#phase.kind === "settling" && obstacle?.kind !== "busy") this.#agree(this.#phase);
    else if (this.#phase.kind === "leaving") {
      if (obstacle === undefined || this.#steps.now() >= this.#phase.latest) this.#become();
    }
  }

  /** Why the successor must not be started; undefined: it may. */
  #judge(error: Error | null, stdout: string, stderr: string): string | undefined {
    if (error !== null) return stderr.trim() || error.message;
    let checked: Partial<Checked>;
    try {
      checked = JSON.parse(stdout) as Partial<Checked>;
    } catch {
      return "what would replace it does not start as expected";
    }
    this.#software = typeof checked.software === "string" ? checked.software : "";
    const state = this.#steps.state();
    const held = heldGroups(state, this.#steps.now()).map(({ config }) => config.name);
    if (checked.digest === state.cluster.digest || held.length === 0) return undefined;
    return (
      `the configuration has changed since it started (${checked.digest}, running ${state.cluster.digest}), and a daemon ` +
      `that differs from the others may own nothing; it owns ${held.join(", ")}: drain this node first`
    );
  }

  #settle(timeout_ms: number, reply: RestartReply): void {
    const timer = setTimeout(() => {
      if (this.#phase.kind !== "settling") return;
      this.#phase = { kind: "none" };
      const obstacle = restartObstacle(this.#steps.state(), this.#steps.now());
      reply("refused", `the daemon goes on as it is: ${obstacle?.text ?? "no moment was right"}`);
    }, timeout_ms);
    this.#phase = { kind: "settling", reply, timer };
    this.turn();
  }

  #agree({ reply, timer }: Extract<Phase, { kind: "settling" }>): void {
    clearTimeout(timer);
    this.#phase = { kind: "telling" };
    const held = heldGroups(this.#steps.state(), this.#steps.now()).map(({ config }) => config.name);
    const keeping = held.length === 0 ? "it owns nothing" : `keeps ${held.join(", ")}`;
    const { self, about } = this.#steps.state();
    const upgrade = this.#software === about.software ? "" : ` (upgrade ${about.software} -> ${this.#software})`;
    this.#steps.tell(`the daemon on ${self.name} is replaced in place${upgrade}: ${keeping}`);
    reply("done", "the daemon is being replaced");
    setTimeout(() => this.#steps.endControl(() => this.#leave()), TELL_MS);
  }

  #leave(): void {
    const { heartbeat } = this.#steps.state().cluster.timing;
    const latest = (this.#steps.now() + PATIENCE_INTERVALS * heartbeat) as Instant;
    this.#phase = { kind: "leaving", latest };
  }

  /** Sockets, timers and the fence's table are closed or let go by the kernel, as at any end of a process. */
  #become(): void {
    this.#steps.leaving();
    const file = process.execPath;
    const args = [file, ...ENGINE_FLAGS, engineEntry(), ...process.argv.slice(2)];
    process.execve?.(file, args, { ...environment(), [EXEC_TIME_VARIABLE]: String(process.hrtime.bigint()) });
  }
}

function environment(): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return Object.fromEntries(entries) as Record<string, string>;
}
