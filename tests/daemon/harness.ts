/**
 * A real cluster for a test file: the lab's namespaces and daemons, what they say over their sockets and the command, and
 * the processes themselves. Nothing here waits by blocking: the client's probe runs in the same process.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync, openSync, closeSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import { ENGINE_FLAGS } from "@holdfast/agent/processes.ts";
import { runPlan } from "@holdfast/cli/run.ts";
import type { Event, History, Links, Status } from "@holdfast/api/schema.ts";
import { nodeFiles } from "@holdfast/lab/daemons.ts";
import type { NodeFiles } from "@holdfast/lab/daemons.ts";
import { ask } from "@holdfast/lab/protocol.ts";
import type { LabStatus } from "@holdfast/lab/status.ts";
import { CLONE_NEWNET } from "@holdfast/lab/traffic/socket.ts";
import { check, native } from "@holdfast/linux/load.ts";

export const HOLDFAST = fileURLToPath(new URL("../../holdfast", import.meta.url));
const INTERRUPT = fileURLToPath(new URL("interrupt.ts", import.meta.url));
export const NODES = ["n1", "n2", "n3"] as const;
export const ADDRESS = "10.99.0.100";
export const ADDRESS6 = "fd99::100";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; a failure is in `code`. */
export function execute(file: string, ...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, [...words], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr: code === -1 ? `${stderr}${error?.message ?? ""}` : stderr });
    });
  });
}

export function pause(duration_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration_ms));
}

/** Waits for a value; throws with `what` when there is none within `limit_ms`. */
export async function until<Value>(
  what: string,
  look: () => Value | undefined | false | Promise<Value | undefined | false>,
  limit_ms = 10_000,
): Promise<Value> {
  const end = performance.now() + limit_ms;
  for (;;) {
    let trouble = "";
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      // A daemon that does not answer yet.
      if (!(error instanceof ApiFailure)) throw error;
      trouble = ` (${error.message})`;
    }
    if (performance.now() > end) throw new Error(`not within ${limit_ms} ms: ${what}${trouble}`);
    await pause(10);
  }
}

/** Waits for `duration_ms` and throws as soon as the condition is hurt. */
export async function always(
  what: string,
  duration_ms: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + duration_ms;
  while (performance.now() < end) {
    if (!(await holds())) throw new Error(`no longer true: ${what}`);
    await pause(20);
  }
}

/** False to run, or the reason to skip with. In CI the lack is a failure. */
export function unable(): string | false {
  const lacking = lack();
  if (lacking !== undefined && process.env["CI"] === "true") throw new Error(`in CI this must work: ${lacking}`);
  return lacking ?? false;
}

function lack(): string | undefined {
  if (process.geteuid?.() !== 0) return "looking into a lab from outside needs root";
  const self = readlinkSync("/proc/self/ns/net");
  try {
    const fd = openSync("/proc/self/ns/net", "r");
    check("setns", native.setns(fd, CLONE_NEWNET));
    closeSync(fd);
  } catch (error) {
    return `cannot enter network namespaces (${self}): ${String(error)}`;
  }
  return undefined;
}

export type ProcessKind = "engine" | "control";

export class TestCluster {
  readonly name: string;
  readonly directory: string;
  #init = 0;
  readonly #closers: (() => void)[] = [];
  readonly #entering: ChildProcess[] = [];

  private constructor(name: string) {
    this.name = name;
    this.directory = `/tmp/holdfast-lab-0/${name}`;
  }

  /** Starts a lab of its own; `options` are those of `lab up`. */
  static async start(word: string, ...options: readonly string[]): Promise<TestCluster> {
    const cluster = new TestCluster(`t-${word}-${process.pid}`);
    const up = await execute(HOLDFAST, "lab", "up", "--name", cluster.name, "--json", ...options);
    if (up.code !== 0) {
      await execute(HOLDFAST, "lab", "down", "--name", cluster.name);
      throw new Error(`lab up: ${up.stderr}${up.stdout}`);
    }
    const unshare = readFileSync(`${cluster.directory}/lab.pid`, "utf8").trim();
    cluster.#init = Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, "utf8"));
    return cluster;
  }

  /** Something a test opened: closed with the lab, so that a test that failed does not keep the process alive. */
  atEnd(close: () => void): void {
    this.#closers.push(close);
  }

  async down(): Promise<void> {
    for (const close of this.#closers) close();
    this.#wakeEntering();
    const ended = await execute(HOLDFAST, "lab", "down", "--name", this.name);
    if (ended.code !== 0) throw new Error(`lab down: ${ended.stderr}`);
  }

  /** The lab's first process: its mounts and process ids are the lab's. */
  get init(): number {
    return this.#init;
  }

  files(node: string): NodeFiles {
    return nodeFiles(this.directory, node);
  }

  log(node: string): string {
    return readFileSync(this.files(node).log, "utf8");
  }

  /** A command of the lab's supervisor: faults, heal, status. */
  async lab<Answer = unknown>(command: string, ...args: readonly string[]): Promise<Answer> {
    const end = await ask(`${this.directory}/lab.sock`, { command, args }, () => undefined);
    return end.result as Answer;
  }

  /** Pairs of nodes that answered at the same time, as the lab's watcher saw them. */
  async violations(): Promise<LabStatus["violations"]> {
    return (await this.lab<LabStatus>("status")).violations;
  }

  namespacePath(station: string): string {
    return station === "switch" ? `/proc/${this.#init}/ns/net` : `/proc/${this.#init}/root/run/netns/${station}`;
  }

  /** What `action` opens belongs to that namespace; it must not wait. */
  inside<Value>(station: string, action: () => Value): Value {
    const own = openSync("/proc/self/ns/net", "r");
    const other = openSync(this.namespacePath(station), "r");
    check("setns", native.setns(other, CLONE_NEWNET));
    try {
      return action();
    } finally {
      check("setns", native.setns(own, CLONE_NEWNET));
      closeSync(other);
      closeSync(own);
    }
  }

  /** Runs a program in a station's network; files and processes are the machine's. Throws unless it ends with 0. */
  async run(station: string, ...words: readonly string[]): Promise<string> {
    const ran = await this.try(station, ...words);
    if (ran.code !== 0) throw new Error(`${station}: ${words.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
  }

  try(station: string, ...words: readonly string[]): Promise<Ran> {
    return execute("nsenter", `--net=${this.namespacePath(station)}`, "--", ...words);
  }

  /**
   * nft(8) in a station, with `add` alone, which may be done twice and does not read what is there: version 1.1.0 crashes
   * (signal 11) when it reads the elements of the heartbeat filter's sets.
   */
  async nft(station: string, command: string): Promise<void> {
    await until(`nft ${command}`, async () => (await this.try(station, "nft", command)).code === 0);
  }

  /** Runs a program inside the lab's mounts and processes, in the switch's network. */
  async insideLab(...words: readonly string[]): Promise<string> {
    const ran = await execute("nsenter", "-t", String(this.#init), "-m", "-n", "-p", "--", ...words);
    if (ran.code !== 0) throw new Error(`${words.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
  }

  /** `holdfast run` in a node, beside the lab's own: ends with the lab at the latest. */
  startDaemon(node: string, options: readonly string[] = this.daemonOptions(node)): Started {
    return this.#start(node, [HOLDFAST, "run", ...options], process.env);
  }

  /** The engine without the command before it: as soon as may be. With a file of orders it can be interrupted (interrupt.ts). */
  startEngine(node: string, interrupts?: string): Started {
    const { config, socket, state: stateDir, run: runDir } = this.files(node);
    // What interrupts it replaces modules of the source tree.
    const from = interrupts === undefined ? undefined : "source";
    const { file, args, env } = runPlan({ config, node, socket, stateDir, runDir, from }, process.env);
    if (interrupts === undefined) return this.#start(node, [file, ...args.slice(1)], env);
    const words = [file, "--import", INTERRUPT, ...args.slice(1)];
    return this.#start(node, words, { ...env, HOLDFAST_INTERRUPT: interrupts });
  }

  /** An engine out of a bundle that lies elsewhere, as an installed package's does; its directory is called bundle. */
  startBundle(node: string, bundle: string): Started {
    const words = [process.execPath, ...ENGINE_FLAGS, `${bundle}/engine.js`, ...this.daemonOptions(node)];
    return this.#start(node, words, process.env);
  }

  #start(node: string, command: readonly string[], env: NodeJS.ProcessEnv): Started {
    const words = ["-t", String(this.#init), "-m", "-n", "-p", "--", "ip", "netns", "exec", node];
    const child = spawn("nsenter", [...words, ...command], { stdio: ["ignore", "pipe", "pipe"], env });
    this.#entering.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
    return { output: () => output, ended };
  }

  daemonOptions(node: string): readonly string[] {
    const { config, socket, state, run } = this.files(node);
    return ["--config", config, "--node", node, "--socket", socket, "--state-dir", state, "--run-dir", run];
  }

  /** `./holdfast --socket NODE'S ...` as an operator types it on that node. */
  holdfast(node: string, ...words: readonly string[]): Promise<Ran> {
    return execute(HOLDFAST, "--socket", this.files(node).socket, ...words);
  }

  status(node: string): Promise<Status> {
    return fetchJson<Status>(this.files(node).socket, "/v1/status");
  }

  links(node: string): Promise<Links> {
    return fetchJson<Links>(this.files(node).socket, "/v1/links");
  }

  history(node: string): Promise<History> {
    return fetchJson<History>(this.files(node).socket, "/v1/history?limit=2000");
  }

  /** Events that `node` knows of, with this code, in its order. */
  async events(node: string, code: string): Promise<readonly Event[]> {
    return (await this.history(node)).events.filter((event) => event.code === code);
  }

  /** Owner and term of the group, as `node` says; the owner is "" when there is none. */
  async ownership(node: string): Promise<string> {
    const [group] = (await this.status(node)).groups;
    return group === undefined ? "no group" : `${group.owner ?? ""} term ${group.term}`;
  }

  async owner(node: string): Promise<string> {
    return (await this.status(node)).groups[0]?.owner ?? "";
  }

  /** Puts the group on the node, whoever has it. */
  async moveTo(node: string): Promise<void> {
    let seen: Status | undefined;
    const from = await until(
      "an owner",
      async () => (seen = await this.status(node)).groups[0]?.owner ?? undefined,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${node} says ${JSON.stringify(seen)}`);
    });
    if (from === node) return;
    const moved = await this.holdfast(node, "move", "web", node, "--yes");
    if (moved.code !== 0) throw new Error(`move to ${node}: ${moved.stdout}${moved.stderr}`);
    await until(`${node} owns`, async () => (await this.owner(node)) === node);
  }

  /** Ends all faults, starts what died, and waits until all agree. */
  async heal(): Promise<void> {
    // The lab starts again only what it knows to be dead.
    await until("the lab to notice who died", async () => {
      const { nodes } = await this.lab<LabStatus>("status");
      return nodes.every(({ name, daemon }) => daemon === "stopped" || this.processes(name, "engine").length > 0);
    });
    await this.lab("heal");
  }

  /** Process ids of the node's daemon. */
  processes(node: string, kind?: ProcessKind): readonly number[] {
    const namespace = `net:[${statSync(this.namespacePath(node)).ino}]`;
    const kinds: readonly ProcessKind[] = kind === undefined ? ["engine", "control"] : [kind];
    // From the source tree, or from the bundle.
    const wanted = kinds.flatMap((each) => [`/agent/${each}/main.ts`, `/bundle/${each}.js`]);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => read(() => readlinkSync(`/proc/${pid}/ns/net`)) === namespace)
      .filter((pid) => {
        const command = read(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
        return wanted.some((entry) => command?.includes(entry) === true);
      })
      .map(Number);
  }

  /** The one process of that kind; throws when there is none. */
  process(node: string, kind: ProcessKind): number {
    const [pid] = this.processes(node, kind);
    if (pid === undefined) throw new Error(`${node} has no ${kind}`);
    return pid;
  }

  /** nsenter stops together with what it started, and must go on to take note of its end. */
  #wakeEntering(): void {
    for (const child of this.#entering) child.kill("SIGCONT");
  }

  signal(node: string, signal: NodeJS.Signals, kind?: ProcessKind): void {
    if (signal === "SIGCONT") this.#wakeEntering();
    for (const pid of this.processes(node, kind)) process.kill(pid, signal);
  }

  /** Group addresses on any interface of the node, as ip(8) lists them. */
  async addressesOf(node: string): Promise<readonly string[]> {
    const listed = await this.run(node, "ip", "-json", "address", "show");
    const links = JSON.parse(listed) as { addr_info?: { local?: string }[] }[];
    const found = links.flatMap((link) => link.addr_info ?? []).map(({ local }) => local ?? "");
    return found.filter((address) => address === ADDRESS || address === ADDRESS6);
  }
}

export interface Started {
  readonly output: () => string;
  readonly ended: Promise<number>;
}

function read<Value>(look: () => Value): Value | undefined {
  try {
    return look();
  } catch {
    // The process ended between two looks.
    return undefined;
  }
}
