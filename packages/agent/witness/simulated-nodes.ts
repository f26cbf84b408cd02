/**
 * For tests and measurements: clusters of two nodes and a witness on loopback addresses. The nodes are the daemon's own core in
 * this process, without a kernel under them: they seal, send, own and renew as real ones do, and place no address.
 */
import { createSocket, type Socket } from "node:dgram";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monotonic } from "./clock.ts";
import { CONFIG_NAME, KEYS_NAME } from "./entries.ts";
import { Voter } from "./voter.ts";
import { Votes } from "./votes.ts";
import { parseConfig } from "../config/parse.ts";
import { parseKeyFile } from "../seal/key-file.ts";
import type { KernelId, NodeName } from "@holdfast/core/units/names.ts";

const SECRET_BYTES = 32;

export interface SimulatedOptions {
  /** For files. */
  readonly room: string;
  /** UDP port of every link of every cluster. */
  readonly port: number;
  readonly clusters: number;
  readonly heartbeat_ms?: number;
  readonly dead_ms?: number;
}

export function clusterName(index: number): string {
  return `c${index}`;
}

/** At most 60,000 clusters have addresses of their own. */
export function configText(index: number, { port, heartbeat_ms = 100, dead_ms = 300 }: SimulatedOptions): string {
  const net = `127.${1 + Math.floor(index / 250)}.${index % 250}`;
  return `version: 1
cluster: { name: ${clusterName(index)} }
timing: { heartbeat: ${heartbeat_ms}ms, dead: ${dead_ms}ms }
links:
  lan: { port: ${port} }
nodes:
  n1: { lan: ${net}.1 }
  n2: { lan: ${net}.2 }
  w: { lan: 127.0.0.1, role: witness }
groups:
  web: { addresses: [10.0.0.100/24], interfaces: [eth0], prefer: [n1, n2] }
`;
}

export function keysText(index: number): string {
  const secret = Buffer.alloc(SECRET_BYTES, index + 1).toString("base64");
  return `active: k\nkeys: { k: "base64:${secret}" }\n`;
}

/** What the operator of a witness makes: one directory for each cluster. */
export function writeClusters(options: SimulatedOptions): string {
  const root = join(options.room, "clusters");
  for (let i = 0; i < options.clusters; i++) {
    const directory = join(root, clusterName(i));
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, CONFIG_NAME), configText(i, options));
    writeFileSync(join(directory, KEYS_NAME), keysText(i), { mode: 0o600 });
  }
  return root;
}

/** One node of one cluster. */
export class SimulatedNode {
  readonly cluster: string;
  readonly name: NodeName;
  readonly voter: Voter;
  readonly #socket: Socket;
  readonly #votes: Votes;
  #timer: NodeJS.Timeout | undefined;

  constructor(index: number, name: string, options: SimulatedOptions) {
    this.cluster = clusterName(index);
    this.name = name as NodeName;
    const parsed = parseConfig(configText(index, options), CONFIG_NAME, { jiffy: 4 });
    const keys = parseKeyFile(keysText(index), KEYS_NAME);
    if (!parsed.ok || !keys.ok) throw new Error(`cluster ${index}: ${JSON.stringify([parsed, keys])}`);
    const { cluster } = parsed.value;
    const address = cluster.nodes.find((node) => node.name === name)?.links["lan"];
    this.#socket = createSocket({ type: "udp4", lookup: (host, _options, done) => done(null, host, 4) });
    const file = join(options.room, `${this.cluster}-${name}.votes`);
    // The record says that nothing was given yet: nobody has to abstain.
    const kernel = `${index.toString(16).padStart(14, "0")}${name === "n1" ? "a1" : "a2"}` as KernelId;
    new Votes(file, kernel, (monotonic() - 10_000) as ReturnType<typeof monotonic>).close();
    this.#votes = new Votes(file, kernel, monotonic());
    this.#votes.makeRoom(cluster.groups.map((group) => group.name));
    this.voter = new Voter({
      entry: { directory: this.cluster, cluster, node: this.name, keys: keys.value },
      votes: this.#votes,
      kernel,
      software: "",
      send: (to, port, datagram) => this.#socket.send(datagram, port, to),
      tell: () => undefined,
      wakeAt: () => this.#wake(),
    });
    this.#socket.on("message", (datagram, from) => this.voter.received(datagram, from.address, from.port));
    this.#socket.bind(options.port, address, () => this.voter.start());
  }

  #wake(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.voter.tick(), Math.ceil(Math.max(0, this.voter.deadline - monotonic())));
  }

  /** It answers for its group, by its own reckoning. */
  get open(): boolean {
    const { role, ...lease } = this.voter.lease("web");
    return role === "holding" && "openUntil" in lease && lease.openUntil > monotonic();
  }

  /** kill -9. */
  kill(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#socket.close();
    this.#votes.close();
  }
}
