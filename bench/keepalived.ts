/** keepalived on every node of a lab: each in a mount namespace of its own, where /run is a tmpfs for its pid files. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { runCommand } from "@holdfast/lab/command.ts";
import { LabError } from "@holdfast/lab/directory.ts";
import type { Lab } from "@holdfast/lab/lab.ts";
import { processesOf, signalNode } from "@holdfast/lab/processes.ts";
import { OTHER_ADDRESS, keepalivedConfiguration, priorityOf } from "./keepalived-configuration.ts";
import type { BenchTiming } from "./plan.ts";
import type { Product } from "./product.ts";

const MOUNT = 'mount -t tmpfs -o mode=755 keepalived /run || exit 1\nexec "$@"';
const PATIENCE_MS = 30_000;
const LOWERED = 1;

export class Keepalived implements Product {
  readonly #lab: Lab;
  readonly #timing: BenchTiming;
  readonly #children = new Map<string, ChildProcess>();
  readonly #ending = new Set<string>();
  readonly #again = new Set<string>();
  #failback = false;

  constructor(lab: Lab, timing: BenchTiming) {
    this.#lab = lab;
    this.#timing = timing;
  }

  get failbackOn(): boolean {
    return this.#failback;
  }

  async configure(failback: boolean): Promise<void> {
    this.#failback = failback;
    await Promise.all(this.#lab.nodeNames.map((node) => this.#end(node)));
    for (const node of this.#lab.nodeNames) {
      this.#write(node, priorityOf(this.#lab.topology, node), false);
      this.start(node);
    }
  }

  #write(node: string, priority: number, other: boolean): void {
    const plan = this.#lab.topology.nodes.find((each) => each.name === node);
    if (!plan) throw new LabError(`there is no node ${node}`);
    const options = { advert_s: this.#timing.advert_s, priority, preempt: this.#failback, other };
    writeFileSync(this.#file(node), keepalivedConfiguration(this.#lab.topology, plan, options), { mode: 0o644 });
  }

  #file(node: string): string {
    return `${this.#lab.directory}/${node}/keepalived.conf`;
  }

  #log(node: string): string {
    return `${this.#lab.directory}/${node}/keepalived.log`;
  }

  start(node: string): void {
    if (this.#children.has(node)) {
      // One that is still ending is started again when it has ended.
      if (this.#ending.has(node)) this.#again.add(node);
      return;
    }
    const log = openSync(this.#log(node), "a", 0o600);
    // VRRP only, in the foreground, log on standard output.
    const daemon = ["keepalived", "-n", "-P", "-l", "-D", "-f", this.#file(node)];
    const words = ["netns", "exec", node, "unshare", "-m", "sh", "-c", MOUNT, "keepalived", ...daemon];
    const child = spawn("ip", words, { stdio: ["ignore", log, log], cwd: "/" });
    closeSync(log);
    this.#children.set(node, child);
    child.on("exit", () => {
      if (this.#children.get(node) !== child) return;
      this.#children.delete(node);
      this.#ending.delete(node);
      if (this.#again.delete(node)) this.start(node);
    });
  }

  stop(node: string): void {
    this.#ending.add(node);
    this.#children.get(node)?.kill("SIGTERM");
  }

  async #end(node: string): Promise<void> {
    const child = this.#children.get(node);
    if (!child) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }

  kill(node: string): void {
    this.#children.delete(node);
    this.#ending.delete(node);
    this.#again.delete(node);
    signalNode(node, "SIGKILL");
  }

  freeze(node: string): void {
    signalNode(node, "SIGSTOP");
  }

  thaw(node: string): void {
    signalNode(node, "SIGCONT");
  }

  /** Its parent process starts the killed one again. */
  async crash(node: string): Promise<void> {
    const parent = this.#children.get(node)?.pid;
    const worker = processesOf(node).find((pid) => pid !== parent);
    if (worker === undefined) throw new LabError(`keepalived of ${node} has no child process`);
    process.kill(worker, "SIGKILL");
    await this.#until(`keepalived of ${node} to start its child again`, () => {
      const pids = processesOf(node);
      return Promise.resolve(pids.length >= 2 && !pids.includes(worker));
    });
  }

  async forget(node: string): Promise<void> {
    const { address, address6 } = this.#lab.topology.service;
    // The machine is off and its addresses with it; one that is not there is no error.
    for (const words of [`${address}/24`, `${address6}/64`])
      await runCommand("ip", ["-n", node, "address", "del", words, "dev", "eth0"]).catch(() => undefined);
  }

  async move(from: string): Promise<void> {
    this.#write(from, LOWERED, false);
    this.#hangUp(from);
    await this.#until(`another node than ${from} to serve`, async () => {
      const holders = await this.#holders();
      return holders.length === 1 && holders[0] !== from;
    });
  }

  async moveBack(to: string): Promise<void> {
    this.#write(to, priorityOf(this.#lab.topology, to), false);
    this.#hangUp(to);
    await this.#until(`${to} to serve`, async () => (await this.#holders()).join() === to);
  }

  async reload(owner: string): Promise<undefined> {
    for (const node of this.#lab.nodeNames) this.#write(node, priorityOf(this.#lab.topology, node), true);
    // The owner first: it is the one that may lose something.
    for (const node of [owner, ...this.#lab.nodeNames.filter((each) => each !== owner)]) this.#hangUp(node);
    await this.#until("the new instance to serve", async () => (await this.#holders(OTHER_ADDRESS)).length > 0);
  }

  wire(): Promise<void> {
    return Promise.resolve();
  }

  unload(): Promise<void> {
    for (const node of this.#lab.nodeNames) {
      this.#write(node, priorityOf(this.#lab.topology, node), false);
      this.#hangUp(node);
    }
    return Promise.resolve();
  }

  #hangUp(node: string): void {
    this.#children.get(node)?.kill("SIGHUP");
  }

  /** Nodes that have the address. */
  async #holders(address: string = this.#lab.topology.service.address): Promise<readonly string[]> {
    const has = async (node: string) =>
      (await runCommand("ip", ["-n", node, "-4", "-o", "address", "show", "dev", "eth0"])).includes(` ${address}/`);
    const found = await Promise.all(this.#lab.nodeNames.map(has));
    return this.#lab.nodeNames.filter((_, i) => found[i]);
  }

  async rest(owner: string): Promise<void> {
    const others = this.#lab.nodeNames.filter((node) => node !== owner);
    await this.#until("every keepalived to run", () =>
      Promise.resolve(this.#lab.nodeNames.every((node) => this.#children.has(node) && processesOf(node).length >= 2)),
    );
    await this.#settled();
    if ((await this.#holders()).join() !== owner) {
      // Without preemption nothing else brings it back.
      await Promise.all(others.map((node) => this.#end(node)));
      await this.#until(`${owner} to serve`, async () => (await this.#holders()).join() === owner);
      for (const node of others) this.start(node);
      await this.#settled();
    }
    await this.#until(`${owner} alone to serve`, async () => (await this.#holders()).join() === owner);
  }

  /** So long that a node that has just started has heard the owner, or has become it. */
  async #settled(): Promise<void> {
    await delay(500 + 1100 * this.#timing.advert_s);
    await this.#until("one node to serve", async () => (await this.#holders()).length === 1);
  }

  async #until(what: string, look: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!(await look())) {
      if (performance.now() > end) {
        const logs = this.#lab.nodeNames.map((node) => `${node}: ${lastLines(this.#log(node))}`).join("\n");
        throw new LabError(`not within ${PATIENCE_MS / 1000} s: ${what}\n${logs}`);
      }
      await delay(20);
    }
  }
}

function lastLines(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-4).join("\n  ");
}
