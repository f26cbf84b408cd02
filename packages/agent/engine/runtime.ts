/** The engine as a process, for people: when it started, how soon it renewed, how late it wakes, how it is scheduled. */
import { readdirSync, readFileSync } from "node:fs";
import type { EngineView } from "../channel.ts";
import { BUNDLED, EXEC_TIME_VARIABLE } from "../processes.ts";
import { Lateness } from "./lateness.ts";
import { logLine } from "./log.ts";
import { PauseWatch } from "./pause.ts";
import { native } from "@holdfast/linux/load.ts";
import { scheduleAll } from "@holdfast/linux/scheduling.ts";

/** Of 1 to 99: above ordinary real-time work, below the kernel's own threads. */
const PRIORITY = 50;
/** A stamp older than this is not of this start. */
const START_MAX_MS = 60_000;
/** The shell script and what leads to it take less; a process that was something else before began earlier. */
const BEFORE_NODE_MAX_MS = 1000;

export class Runtime {
  readonly lateness: Lateness;
  readonly #pause = new PauseWatch(
    () => native.boottime() / 1e6,
    () => native.monotonic() / 1e6,
  );
  readonly #boot: string;
  readonly #execAt = execTime();
  readonly #crashes: number;
  #threads = "";
  #refused: string | undefined;
  #ready_ms = 0;
  #firstRenewal_ms: number | undefined;

  constructor(boot: string, crashes: number, heartbeat_ms: number) {
    this.#boot = boot;
    this.#crashes = crashes;
    this.lateness = new Lateness(heartbeat_ms / 2);
  }

  /** Milliseconds for which the machine was suspended since the last look. */
  paused(): number {
    return this.#pause.look();
  }

  ready(): void {
    this.#ready_ms = sinceExec(this.#execAt);
  }

  /** The kernel took a commit. */
  renewed(): void {
    if (this.#firstRenewal_ms !== undefined) return;
    this.#firstRenewal_ms = sinceExec(this.#execAt);
    logLine("info", `first renewal ${this.#firstRenewal_ms} ms after exec, ready after ${this.#ready_ms} ms`);
  }

  /** Threads that came since the last look are scheduled as the others are. */
  schedule(): void {
    const threads = readdirSync("/proc/self/task").join(" ");
    if (threads === this.#threads) return;
    this.#threads = threads;
    const { refused } = scheduleAll(native, "fifo", PRIORITY);
    if (refused !== undefined && this.#refused === undefined)
      logLine("info", `runs without real-time scheduling (${refused}): fit for 100 ms, not for 10 ms`);
    this.#refused = refused;
  }

  view(): EngineView {
    return {
      boot: this.#boot,
      pid: process.pid,
      bundled: BUNDLED,
      notRealTime: this.#refused,
      ready_ms: this.#ready_ms,
      firstRenewal_ms: this.#firstRenewal_ms,
      crashes: this.#crashes,
      lateness: this.lateness.view(native.monotonic() / 1e6),
    };
  }
}

/** In milliseconds of the monotonic clock. Without a stamp: when the process began, if that was for the engine. */
function execTime(): number {
  const now = native.monotonic() / 1e6;
  const stamp = Number(process.env[EXEC_TIME_VARIABLE] ?? "") / 1e6;
  delete process.env[EXEC_TIME_VARIABLE];
  if (stamp > now - START_MAX_MS && stamp <= now) return stamp;
  const node = now - performance.now();
  const began = processStart() - (native.boottime() / 1e6 - now);
  return began > node - BEFORE_NODE_MAX_MS && began < node ? began : node;
}

/** Field 22 of proc_pid_stat(5), in hundredths of a second; milliseconds since the machine was started, 0 to 10 early. */
function processStart(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]) * 10;
}

function sinceExec(execAt: number): number {
  return Math.round((native.monotonic() / 1e6 - execAt) * 10) / 10;
}
