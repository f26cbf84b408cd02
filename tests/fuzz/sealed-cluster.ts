/**
 * Three nodes whose every datagram is sealed, carried as bytes and opened: the daemon's own receive path, engine and core
 * on a virtual clock, with the kernel's fence as a table. Anybody may deliver further bytes to a node.
 */
import { createSealer, type Sealer } from "@holdfast/agent/seal/sealer.ts";
import { Arrivals } from "@holdfast/agent/engine/arrivals.ts";
import { type Adapters, Engine } from "@holdfast/agent/engine/engine.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Input, LocalEvent, VoterRecord } from "@holdfast/core/effects.ts";
import { newNode } from "@holdfast/core/node.ts";
import { emitHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import { type Instant, instant, milliseconds } from "@holdfast/core/units/time.ts";
import { type NativeAead, nativeAead } from "@holdfast/linux/aead.ts";
import { native } from "@holdfast/linux/load.ts";
import { VirtualTime } from "@holdfast/sim/virtual-time.ts";

export const NODES = ["n1", "n2", "n3"] as [NodeName, NodeName, NodeName];
export const GROUPS = ["web", "db", "mail"] as [GroupName, GroupName, GroupName];
export const LINKS = ["lan", "private"] as [LinkName, LinkName];

/** Each group wants another node first. */
export const CLUSTER: Cluster = {
  name: "fuzz",
  generation: 1,
  digest: "0000abcd",
  timing: {
    heartbeat: milliseconds(100),
    dead: milliseconds(300),
    window: milliseconds(48),
    keep: milliseconds(236),
    jiffy: milliseconds(4),
  },
  links: LINKS.map((name, i) => ({ kind: "udp", name, port: 7400 + i })),
  nodes: NODES.map((name, i) => ({
    name,
    role: "member",
    links: { lan: `10.0.0.${i + 1}` as IpAddress, private: `10.1.0.${i + 1}` as IpAddress },
    interfaces: { service: "eth0" as InterfaceName },
  })),
  groups: GROUPS.map((name, i) => ({
    name,
    addresses: [{ address: `10.0.0.${100 + i}` as IpAddress, prefixLength: 24, interfaces: ["service"] }],
    prefer: [...NODES.slice(i), ...NODES.slice(0, i)],
    failback: { kind: "manual" },
    settle: milliseconds(1000),
    drain: milliseconds(0),
  })),
  keys: "nowhere",
  seal: "encrypt",
};

const SECRET = { name: "2026-11", secret: Uint8Array.from({ length: 32 }, (_, i) => i) };
export const SECRET_KEYS = { active: SECRET, accepted: [SECRET] };
/** Plaintexts kept of each node, to damage and splice. */
const KEPT = 32;

export interface SealedNode {
  readonly name: NodeName;
  readonly index: number;
  readonly kernel: KernelId;
  readonly boot: BootId;
  readonly sealer: Sealer;
  readonly arrivals: Arrivals;
  readonly engine: Engine;
  /** Until when the kernel answers for a group, and until when a number may be committed. */
  readonly alive: Map<GroupName, number>;
  readonly armed: Map<string, number>;
  readonly events: LocalEvent[];
  /** What it said last, to whom, before sealing. */
  readonly said: { readonly to: NodeName; readonly plaintext: Uint8Array }[];
  running: boolean;
}

export class SealedCluster extends VirtualTime {
  readonly nodes: ReadonlyMap<NodeName, SealedNode>;
  /** "from to": what is said there is lost. */
  readonly cut = new Set<string>();
  /** Times at which two kernels answered for one group. */
  twoOpen = 0;
  /** Around each input of a node: for checks before and after. */
  around: (node: SealedNode, input: Input, take: () => void) => void = (_node, _input, take) => take();
  /** A voter's record is to be kept: for checks of its way from one to the next. */
  saved: (node: SealedNode, group: GroupName, record: VoterRecord) => void = () => {};

  constructor(seed: number) {
    super();
    this.nodes = new Map(NODES.map((name, index) => [name, this.#start(name, index, seed)]));
    for (const node of this.nodes.values()) this.#input(node, { kind: "tick" });
  }

  node(name: string): SealedNode {
    const node = this.nodes.get(name as NodeName);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  isOpen(node: SealedNode, group: GroupName): boolean {
    return (node.alive.get(group) ?? 0) > this.now;
  }

  ownersOf(group: GroupName): NodeName[] {
    return [...this.nodes.values()].filter((node) => this.isOpen(node, group)).map((node) => node.name);
  }

  /** Each group has one owner, and every running node knows of it. */
  get settled(): boolean {
    return GROUPS.every((group) => this.ownersOf(group).length === 1);
  }

  input(name: string, input: Input): void {
    this.#input(this.node(name), input);
  }

  /** The daemon is gone; its fence ends by itself. */
  kill(name: string): void {
    this.node(name).running = false;
  }

  /** The bytes reach the node's socket now. */
  deliver(to: SealedNode, link: LinkName, datagram: Uint8Array): void {
    if (to.running) to.arrivals.received(link, datagram, () => "10.0.0.66:7400");
  }

  /** A payload under the real key and boot of `from`, as a member with a broken memory would seal it. */
  seal(from: SealedNode, to: SealedNode, link: LinkName, payload: Uint8Array, version: 1 | 2 = 2): Uint8Array {
    const stream = (LINKS.indexOf(link) << 8) | to.index;
    return from.sealer.seal({ version, link, receiver: to.name, stream }, payload);
  }

  #input(node: SealedNode, input: Input): void {
    this.around(node, input, () => node.engine.input(input));
  }

  #start(name: NodeName, index: number, seed: number): SealedNode {
    const kernel = `c${index}`.padEnd(16, "0") as KernelId;
    const boot = `b${index}${(seed >>> 0).toString(16).padStart(8, "0")}`.padEnd(16, "0") as BootId;
    const records = new Map<GroupName, VoterRecord>();
    const state = newNode(
      {
        cluster: CLUSTER,
        node: name,
        boot,
        kernel,
        seed: seed + index,
        records,
        open: new Set(),
        drained: undefined,
        interfacesDown: [],
        wallOffset_ms: 0,
      },
      instant(this.now),
    );
    // As the daemon does it: the addon's cipher.
    const aead = (key: Uint8Array): NativeAead => nativeAead(native, key);
    const sealer = createSealer({
      cluster: CLUSTER.name,
      node: name,
      keys: SECRET_KEYS,
      boot,
      suite: "encrypt",
      aead,
      now: () => this.now,
    });
    const node: SealedNode = {
      name,
      index,
      kernel,
      boot,
      sealer,
      arrivals: new Arrivals(sealer, (input) => this.#input(node, input)),
      engine: new Engine(
        state,
        this.#adapters(() => node),
      ),
      alive: new Map(),
      armed: new Map(),
      events: [],
      said: [],
      running: true,
    };
    return node;
  }

  #adapters(self: () => SealedNode): Adapters {
    const nothing = (): void => {};
    const { window, keep } = CLUSTER.timing;
    let wakeAt: Instant;
    return {
      now: () => instant(this.now),
      send: (to, link, heartbeat) => this.#send(self(), to, link, heartbeat),
      arm: (group, number) => {
        const { armed } = self();
        for (const [key, until] of armed) if (until < this.now) armed.delete(key);
        armed.set(`${group} ${number}`, this.now + window);
        return success(undefined);
      },
      commit: (group, number) => {
        const node = self();
        if ((node.armed.get(`${group} ${number}`) ?? 0) <= this.now) return failure("the window is over");
        if (this.ownersOf(group).some((owner) => owner !== node.name)) this.twoOpen += 1;
        node.alive.set(group, this.now + keep);
        return success(undefined);
      },
      close: (group) => {
        self().alive.delete(group);
        return success(undefined);
      },
      forward: (group) => {
        self().alive.delete(group);
        return success(undefined);
      },
      relay: () => success(undefined),
      passConnections: nothing,
      resetConnections: nothing,
      saveVotes: ({ group, record }) => {
        this.saved(self(), group, record);
        return success(undefined);
      },
      placeAddresses: () => success([`02:00:00:00:00:0${self().index}` as Mac]),
      announce: nothing,
      stopAnnouncing: nothing,
      record: ({ event }) => {
        const { events } = self();
        events.push(event);
        if (events.length > 1000) events.shift();
      },
      reply: nothing,
      saveDrained: nothing,
      savePauses: nothing,
      probe: nothing,
      forgetGroup: nothing,
      countFrames: () => {},
      exit: () => {
        self().running = false;
      },
      wakeAt: (deadline) => {
        wakeAt = deadline;
        this.at(Math.max(0, deadline - this.now) + 0.001, () => {
          if (wakeAt === deadline && self().running) this.#input(self(), { kind: "tick" });
        });
      },
    };
  }

  #send(from: SealedNode, to: NodeName, link: LinkName, heartbeat: Heartbeat): void {
    const plaintext = emitHeartbeat(heartbeat);
    if (from.said.at(-1)?.plaintext.length !== plaintext.length || link === LINKS[0]) {
      from.said.push({ to, plaintext });
      if (from.said.length > KEPT) from.said.shift();
    }
    if (!from.running || this.cut.has(`${from.name} ${to}`)) return;
    const receiver = this.node(to);
    const datagram = this.seal(from, receiver, link, plaintext, heartbeat.version >= 2 ? 2 : 1);
    this.at(0.2, () => this.deliver(receiver, link, datagram));
  }
}
