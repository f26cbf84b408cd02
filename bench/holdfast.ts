/** holdfast on every node of a lab, by the lab's own daemons. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runCommand } from "@holdfast/lab/command.ts";
import { moveGroup } from "@holdfast/lab/cluster.ts";
import { LabError } from "@holdfast/lab/directory.ts";
import type { Lab } from "@holdfast/lab/lab.ts";
import type { Product } from "./product.ts";

const COMMAND = fileURLToPath(new URL("../packages/cli/main.ts", import.meta.url));
const PATIENCE_MS = 30_000;
const OTHER_GROUP = "other";
const OTHER = `  ${OTHER_GROUP}:
    interfaces: [service]
    addresses: [10.99.0.101/24]
    prefer: [n1, n2, n3]
    failback: manual
    settle: 0ms
`;

export class Holdfast implements Product {
  readonly #lab: Lab;
  /** The configuration as the lab wrote it. */
  readonly #written: string;
  #failback = false;
  #wire = false;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#written = readFileSync(this.#file, "utf8");
  }

  get #file(): string {
    return `${this.#lab.directory}/holdfast.yaml`;
  }

  get failbackOn(): boolean {
    return this.#failback;
  }

  get #configuration(): string {
    const text = this.#wire ? wired(this.#written) : this.#written;
    return this.#failback ? text.replace("failback: manual", "failback: immediate") : text;
  }

  async configure(failback: boolean): Promise<void> {
    const daemons = [...this.#lab.daemons.values()];
    for (const daemon of daemons) daemon.stop();
    await this.#until("every daemon to stop on SIGTERM", () =>
      Promise.resolve(daemons.every((daemon) => daemon.state === "stopped")),
    );
    this.#failback = failback;
    writeFileSync(this.#file, this.#configuration);
    for (const daemon of daemons) daemon.start();
  }

  async wire(on: boolean): Promise<void> {
    if (this.#wire === on) return;
    this.#wire = on;
    await this.configure(this.#failback);
  }

  async rest(owner: string): Promise<void> {
    const { group } = this.#lab.topology.service;
    await this.#lab.rest(PATIENCE_MS);
    const statuses = await this.#lab.statuses();
    if (statuses.get(owner)?.groups.find((each) => each.name === group)?.owner === owner) return;
    await this.#moveTo(owner, owner);
    await this.#lab.rest(PATIENCE_MS);
  }

  start(node: string): void {
    this.#forgetCrashes(node);
    this.#lab.daemon(node).start();
  }

  #forgetCrashes(node: string): void {
    rmSync(`${this.#lab.daemon(node).files.run}/starts`, { force: true });
  }

  stop(node: string): void {
    this.#lab.daemon(node).stop();
  }

  kill(node: string): void {
    this.#lab.daemon(node).kill();
  }

  freeze(node: string): void {
    this.#lab.daemon(node).freeze();
  }

  thaw(node: string): void {
    this.#lab.daemon(node).thaw();
  }

  /** Each round is the first crash of its minute: what was remembered of earlier ones is taken away. */
  crash(node: string): Promise<void> {
    this.#forgetCrashes(node);
    this.#lab.daemon(node).crash();
    return Promise.resolve();
  }

  async forget(node: string): Promise<void> {
    this.#lab.daemon(node).forget();
    const { address, address6 } = this.#lab.topology.service;
    // The machine is off and its addresses with it; one that is not there is no error.
    for (const words of [`${address}/24`, `${address6}/64`])
      await runCommand("ip", ["-n", node, "address", "del", words, "dev", "eth0"]).catch(() => undefined);
  }

  move(from: string): Promise<void> {
    return this.#moveTo(undefined, from);
  }

  moveBack(to: string): Promise<void> {
    return this.#moveTo(to, to);
  }

  async #moveTo(target: string | undefined, asked: string): Promise<void> {
    const { group } = this.#lab.topology.service;
    const outcome = await moveGroup(this.#lab.daemon(asked).files.socket, group, target, PATIENCE_MS);
    if (outcome.code !== "done") throw new LabError(`${group} was not moved (${outcome.code}): ${outcome.text}`);
  }

  async reload(owner: string): Promise<string | undefined> {
    writeFileSync(this.#file, this.#configuration + OTHER);
    const absent = await this.#reloadAll(owner);
    if (absent === undefined) await this.#until("the new group to be owned", () => this.#othersOwned(owner));
    return absent;
  }

  async #othersOwned(node: string): Promise<boolean> {
    const status = (await this.#lab.statuses()).get(node);
    return status?.groups.some((each) => each.name === OTHER_GROUP && each.state === "owned") ?? false;
  }

  async unload(): Promise<void> {
    writeFileSync(this.#file, this.#configuration);
    const [first = ""] = this.#lab.nodeNames;
    await this.#reloadAll(first);
  }

  /** The owner first: it is the one that may lose something. */
  async #reloadAll(owner: string): Promise<string | undefined> {
    for (const node of [owner, ...this.#lab.nodeNames.filter((each) => each !== owner)]) {
      const { code, output } = await this.#holdfast(node, "reload", "--yes");
      if (/unknown command/.test(output)) {
        writeFileSync(this.#file, this.#configuration);
        return "holdfast has no command reload yet";
      }
      if (code !== 0) throw new LabError(`holdfast reload on ${node} ended with ${code}: ${output.trim()}`);
    }
    return undefined;
  }

  async #until(what: string, look: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!(await look())) {
      if (performance.now() > end) throw new LabError(`not within ${PATIENCE_MS / 1000} s: ${what}`);
      await delay(20);
    }
  }

  #holdfast(node: string, ...words: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    const args = [COMMAND, "--socket", this.#lab.daemon(node).files.socket, ...words];
    return new Promise((resolve) => {
      execFile(process.execPath, args, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: `${stdout}${stderr}` });
      });
    });
  }
}

/** The second network carries frames without IP. */
function wired(text: string): string {
  return text.replace("priv: { port: 7400 }", "wire: { ethernet: eth1 }").replaceAll(/, priv: [\d.]+/g, "");
}
