/** One lab: its network, daemons and traffic, and everything that can be done to them. Lives in the supervisor. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Status } from "@holdfast/api/schema.ts";
import { nodeStatus, restlessness } from "./cluster.ts";
import { runCommand } from "./command.ts";
import { candidatesOf, configuration, keyFile } from "./configuration.ts";
import { Daemon } from "./daemons.ts";
import { LabError } from "./directory.ts";
import { NO_FAULTS, faultRules } from "./faults.ts";
import type { Faults } from "./faults.ts";
import type { LabOptions } from "./isolation.ts";
import { NAMESPACE_SCRIPT, nodeCommands, planTopology, portsOf, stationCommands, switchCommands } from "./topology.ts";
import type { Topology } from "./topology.ts";
import { TrafficLink } from "./traffic-link.ts";

export type Say = (text: string) => void;

export class Lab {
  readonly directory: string;
  readonly name: string;
  readonly options: LabOptions;
  readonly topology: Topology;
  readonly daemons: ReadonlyMap<string, Daemon>;
  #faults = NO_FAULTS;
  #traffic: TrafficLink | undefined;

  constructor(directory: string, name: string, options: LabOptions, say: Say) {
    this.directory = directory;
    this.name = name;
    this.options = options;
    this.topology = planTopology(options.nodes, options.witness, options.standby);
    this.daemons = new Map(this.topology.nodes.map((node) => [node.name, new Daemon(directory, node.name, say)]));
  }

  get faults(): Faults {
    return this.#faults;
  }

  get traffic(): TrafficLink {
    if (!this.#traffic) throw new LabError("the lab has not started yet");
    return this.#traffic;
  }

  get nodeNames(): readonly string[] {
    return this.topology.nodes.map((node) => node.name);
  }

  daemon(node: string): Daemon {
    const daemon = this.daemons.get(node);
    if (!daemon) throw new LabError(`there is no node "${node}"; nodes: ${this.nodeNames.join(", ")}`);
    return daemon;
  }

  /** Namespaces, bridges, cables, addresses, files, traffic and daemons, in this order. */
  async start(say: Say): Promise<void> {
    await this.#buildNetwork();
    this.#writeFiles();
    this.#traffic = await TrafficLink.start(this.topology, (lines) => lines.forEach(say));
    if (this.options.daemons) for (const daemon of this.daemons.values()) daemon.start();
  }

  async #buildNetwork(): Promise<void> {
    await runCommand("ip", ["-batch", "-"], switchCommands(this.topology));
    const inside = (name: string, commands: string) =>
      runCommand("ip", ["netns", "exec", name, "sh", "-c", NAMESPACE_SCRIPT], commands);
    await Promise.all([
      ...this.topology.nodes.map((node) => inside(node.name, nodeCommands(node))),
      ...[this.topology.client, this.topology.watch].map((station) => inside(station.name, stationCommands(station))),
    ]);
    // Last, so that no end of a cable comes up before its other end and loses its first frames.
    const ports = [...this.topology.nodes.flatMap(portsOf), "client-lan", "watch-lan"];
    await runCommand("ip", ["-batch", "-"], ports.map((name) => `link set ${name} up\n`).join(""));
  }

  #writeFiles(): void {
    const keys = `${this.directory}/keys`;
    writeFileSync(keys, keyFile(randomBytes(32)), { mode: 0o600 });
    const text = configuration(`lab-${this.name}`, this.topology, this.options, keys);
    writeFileSync(`${this.directory}/holdfast.yaml`, text, { mode: 0o644 });
    for (const daemon of this.daemons.values()) mkdirSync(daemon.files.directory, { recursive: true, mode: 0o755 });
  }

  /** Makes the network suffer exactly these faults: rules in one transaction, then the cables. */
  async setFaults(next: Faults): Promise<void> {
    const rules = `${this.directory}/faults.nft`;
    writeFileSync(rules, faultRules(next, this.nodeNames), { mode: 0o600 });
    const down = [...next.unplugged].filter((name) => !this.#faults.unplugged.has(name));
    const up = [...this.#faults.unplugged].filter((name) => !next.unplugged.has(name));
    const rulesChanged = faultRules(next, this.nodeNames) !== faultRules(this.#faults, this.nodeNames);
    this.#faults = next;
    if (rulesChanged) await runCommand("nft", ["-f", rules]);
    const ports = new Set(this.topology.nodes.flatMap(portsOf));
    const isHere = (name: string): boolean => ports.has(name);
    const cables = [
      ...down.filter(isHere).map((name) => `link set ${name} down\n`),
      ...up.filter(isHere).map((name) => `link set ${name} up\n`),
    ];
    if (cables.length > 0) await runCommand("ip", ["-batch", "-"], cables.join(""));
  }

  /** Undoes every fault: network first, then frozen daemons go on and dead ones start. */
  async heal(): Promise<void> {
    await this.setFaults(NO_FAULTS);
    for (const daemon of this.daemons.values()) {
      daemon.thaw();
      if (this.options.daemons) daemon.start();
    }
  }

  async statuses(): Promise<ReadonlyMap<string, Status | undefined>> {
    const answers = [...this.daemons].map(async ([node, daemon]) => {
      return [node, daemon.state === "running" ? await nodeStatus(daemon.files.socket) : undefined] as const;
    });
    return new Map(await Promise.all(answers));
  }

  /** Waits until every daemon is well and all agree; throws LabError with what is still wrong when time is up. */
  async rest(timeout_ms: number): Promise<void> {
    if (!this.options.daemons) return;
    const until = performance.now() + timeout_ms;
    for (;;) {
      const wrong = restlessness(
        await this.statuses(),
        this.topology.service.group,
        candidatesOf(this.topology).length,
      );
      if (wrong === undefined) return;
      // It does not come back by itself: there is nothing to wait for.
      for (const daemon of this.daemons.values()) if (daemon.failure !== undefined) throw new LabError(daemon.failure);
      if (performance.now() > until)
        throw new LabError(`the cluster did not come to rest within ${timeout_ms / 1000} s: ${wrong}`);
      await delay(50);
    }
  }

  /** The node that answers the client, once one has for `for_ms`; undefined when none does within `timeout_ms`. */
  async owner(for_ms: number, timeout_ms: number): Promise<string | undefined> {
    return (await this.traffic.steady(0, for_ms, undefined, timeout_ms)).node;
  }
}
