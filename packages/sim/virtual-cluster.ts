/**
 * A cluster in virtual time: the product's own core (step) on machines with clocks, fences and memory of their own, a network
 * between them, faults in all of these, and checkers that see everything. The same seed brings the same world.
 */
import { Checkers } from "./checkers/checkers.ts";
import { silencesIn } from "./checkers/silences.ts";
import { mixed } from "./digest.ts";
import { type EffectFaults, NO_EFFECT_FAULTS } from "./effect-faults.ts";
import { SimulatedFence } from "./fence.ts";
import type { Ambush, ProcessFaults } from "./interruptions.ts";
import { KernelClock, rateOf } from "./kernel-clock.ts";
import { probe, type Probe } from "./probing.ts";
import { Network } from "./network.ts";
import type { Plant } from "./plant.ts";
import { Attacker, type AttackerPlan, KeyFiles, SealedEnd } from "./sealing.ts";
import { SerialLines } from "./serial-lines.ts";
import { run, wake } from "./turn.ts";
import type { Wiring } from "./wiring.ts";
import { overTheWire } from "./versions.ts";
import { type Daemon, macsOf, newDaemon, type VirtualKernel, type VirtualNode } from "./virtual-node.ts";
import { VirtualTime } from "./virtual-time.ts";
import { newNode } from "@holdfast/core/node.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import { ABSTAIN_MS } from "@holdfast/core/node/state.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Effect, Input, VoterRecord } from "@holdfast/core/effects.ts";
import { nextRandom, type RandomState, seededRandom } from "@holdfast/core/random.ts";
import type { Heartbeat, OperatorAction } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

export type Trace = (node: VirtualNode, input: Input, effects: readonly Effect[]) => void;

export class VirtualCluster extends VirtualTime {
  readonly cluster: Cluster;
  readonly nodes: ReadonlyMap<NodeName, VirtualNode>;
  readonly network: Network;
  readonly lines: SerialLines;
  readonly checkers: Checkers;
  freeze: ProcessFaults = { probability: 0, longest_ms: 0, crash: 0 };
  ambush: Ambush | undefined;
  readonly effectFaults: EffectFaults = { ...NO_EFFECT_FAULTS };
  readonly counts = {
    commits: 0,
    refusedCommits: 0,
    freezes: 0,
    crashes: 0,
    failedEffects: 0,
    reboots: 0,
    lostRecords: 0,
  };
  /** What happened from outside, by its name. */
  readonly disturbances = new Map<string, number>();
  plant: Plant = {};
  /** Inputs that a core has taken. */
  steps = 0;
  /** Daemons are told how often those before them crashed. */
  countsCrashes = false;
  /** When so many are taken the world is over. */
  stepsMax = Number.POSITIVE_INFINITY;
  trace: Trace | undefined;
  /** Called for every datagram that a node sends. */
  sending: ((from: NodeName, heartbeat: Heartbeat) => void) | undefined;
  /** Nodes that reach neither a reference address nor who owns a group, on the network of the clients. */
  readonly clientsCut = new Set<NodeName>();
  /** Nodes whose software knows version 1 of the heartbeat alone. */
  readonly versionOne = new Set<NodeName>();
  attacker: Attacker | undefined;
  readonly keyFiles = new KeyFiles();
  /** What the adapters are plugged into; undefined: nobody is told of any, and all of them work. */
  wiring: Wiring | undefined;
  /** Everything that happened, folded into one number. */
  digest = 0x811c9dc5;
  /** Called for a daemon that was killed between two effects. */
  crashed: ((node: VirtualNode) => void) | undefined;
  readonly randomState: RandomState;
  readonly #rateError: number;
  /** Clocks and ticks draw from their own. */
  readonly #clocks: RandomState;
  #boots = 0;
  #kernels = 0;

  /** `rateError`: how far the rates of the nodes' clocks are off at most (rho). */
  constructor(cluster: Cluster, seed: number, rateError = 0, plant: Plant = {}) {
    super();
    this.#rateError = rateError;
    this.cluster = cluster;
    this.plant = plant;
    this.randomState = seededRandom(seed);
    this.#clocks = seededRandom(seed * 7919 + 1);
    this.network = new Network((delay, deliver) => this.at(delay, deliver), this.randomState);
    this.lines = new SerialLines(cluster, this);
    const nodes = cluster.nodes.map((node): [NodeName, VirtualNode] => [node.name, this.#newNode(node.name)]);
    this.nodes = new Map(nodes);
    this.checkers = new Checkers(this, cluster.groups, silencesIn(cluster));
  }

  get violations(): readonly string[] {
    return this.checkers.violations;
  }

  get faults(): Network["faults"] {
    return this.network.faults;
  }

  get cut(): Network["cut"] {
    return this.network.cut;
  }

  /** From now on datagrams are bytes, sealed, with an attacker on the wire. Before any daemon starts. */
  sealDatagrams(plan: AttackerPlan): void {
    this.attacker = new Attacker(plan, this.randomState);
  }

  #newNode(name: NodeName): VirtualNode {
    const rate = 1 + this.#rateError * rateOf(nextRandom(this.#clocks), nextRandom(this.#clocks));
    return {
      name,
      cluster: undefined,
      kernel: this.#newKernel(name, rate, 1000 * nextRandom(this.#clocks)),
      formerKernels: [],
      records: new Map(),
      abstainUntil: 0,
      drained: undefined,
      pauses: [],
      crashes: [],
      interfacesDown: new Set(),
      stationless: false,
      daemon: undefined,
      frozen: false,
      addresses: new Set(),
      announcing: new Map(),
      events: [],
      announced: [],
      replies: [],
      exited: false,
    };
  }

  #newKernel(name: NodeName, rate: number, offset: number): VirtualKernel {
    this.#kernels += 1;
    const { timing } = this.cluster;
    const clock = new KernelClock(this, { rate, offset, jiffy_ms: timing.jiffy, random: this.#clocks });
    const macs = macsOf(this.cluster, name, this.#kernels);
    const times = { window_ms: timing.window, keep_ms: timing.keep };
    const fence = new SimulatedFence(clock, times, this.plant.fence);
    return { id: this.#identity("c0") as KernelId, clock, fence, macs, placed: new Map() };
  }

  #identity(prefix: string): string {
    this.#boots += 1;
    return prefix + this.#boots.toString(16).padStart(14, "0");
  }

  random(): number {
    return nextRandom(this.randomState);
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.random() * values.length)] as Value;
  }

  node(name: string): VirtualNode {
    const node = this.nodes.get(name as NodeName);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  start(name: string, interfacesDown: readonly InterfaceName[] = []): void {
    const node = this.node(name);
    // A machine that is not in its own configuration runs no daemon.
    const cluster = node.cluster ?? this.cluster;
    if (!cluster.nodes.some((each) => each.name === name)) return;
    if (node.daemon !== undefined && this.plant.twoProcesses !== true) node.daemon.alive = false;
    for (const interfaceName of interfacesDown) node.interfacesDown.add(interfaceName);
    const { clock, fence } = node.kernel;
    fence.adopt();
    fence.change({ window_ms: cluster.timing.window, keep_ms: cluster.timing.keep });
    for (const group of this.cluster.groups) this.checkers.owners.check(group.name);
    const boot = this.#identity("b0") as BootId;
    const now = clock.now();
    const lost = node.records === undefined || now < node.abstainUntil;
    if (lost) node.abstainUntil = now + ABSTAIN_MS;
    if (lost) this.#forget(node);
    const open = new Set(fence.openGroups(this.now));
    // As the engine does: what an earlier daemon left and nobody holds now goes.
    node.addresses.clear();
    for (const group of open) node.addresses.add(group);
    const state = newNode(
      {
        cluster,
        node: node.name,
        boot,
        kernel: node.kernel.id,
        seed: Math.floor(this.random() * 0x7fffffff) + 1,
        records: lost && this.plant.neverAbstains !== true ? undefined : node.records,
        open,
        crashes: this.#crashesBefore(node, now),
        drained: node.drained,
        pauses: node.pauses,
        interfacesDown: [...node.interfacesDown],
        wallOffset_ms: 0,
        placed: new Map([...node.kernel.placed].filter(([group]) => open.has(group))),
      },
      now,
    );
    const wire =
      this.attacker === undefined
        ? undefined
        : new SealedEnd(this.cluster, node.name, boot, this.keyFiles.of(node.name));
    node.daemon = newDaemon(state, boot, wire);
    node.frozen = false;
    node.exited = false;
    for (const [link, on] of this.wiring?.links() ?? [])
      if (this.wiring?.adapterOf(link, node.name) === on)
        node.daemon.queue.push({ kind: "linkBound", link, interface: on });
    wake(this, node);
  }

  /** What the daemon is told of those before it. */
  #crashesBefore(node: VirtualNode, now: Instant): readonly Instant[] {
    if (!this.countsCrashes || node.events.length === 0 || node.exited) return [];
    node.crashes.push(now);
    return node.crashes;
  }

  #forget(node: VirtualNode): void {
    node.records = new Map();
    this.checkers.votes.forgot(
      node,
      this.cluster.groups.map((group) => group.name),
    );
  }

  startAll(): void {
    for (const name of this.nodes.keys()) this.start(name);
  }

  /** kill -9: the daemon is gone, its fence and its addresses are not. */
  kill(name: string): void {
    const node = this.node(name);
    if (node.daemon === undefined) return;
    node.daemon.alive = false;
    node.daemon = undefined;
    node.announcing.clear();
  }

  /** Power off: the kernel with its fences and its voter records is gone too. */
  powerOff(name: string): void {
    const node = this.node(name);
    this.kill(name);
    this.counts.reboots += 1;
    node.kernel = this.#newKernel(node.name, node.kernel.clock.rate, 1000 * nextRandom(this.#clocks));
    node.formerKernels.length = 0;
    node.crashes = [];
    node.exited = true;
    node.addresses.clear();
    node.records = undefined;
    node.abstainUntil = 0;
  }

  /** The file on tmpfs is gone; the kernel is not. */
  loseRecords(name: string): void {
    this.kill(name);
    this.counts.lostRecords += 1;
    this.node(name).records = undefined;
  }

  /** The daemon goes on in another network namespace, as a container does: the fence it leaves ends by itself. */
  moveNamespace(name: string): void {
    const node = this.node(name);
    this.kill(name);
    const { rate, offset } = node.kernel.clock;
    node.formerKernels.push(node.kernel);
    if (node.formerKernels.length > 4) node.formerKernels.shift();
    node.kernel = this.#newKernel(node.name, rate, offset);
    node.addresses.clear();
    node.records = undefined;
  }

  stop(name: string): void {
    this.node(name).frozen = true;
  }

  continue(name: string): void {
    const node = this.node(name);
    node.frozen = false;
    const parked = node.daemon?.parked;
    if (node.daemon !== undefined) node.daemon.parked = undefined;
    if (parked !== undefined) this.at(0, parked);
    else if ((node.daemon?.queue.length ?? 0) > 0) this.at(0, () => run(this, node));
    wake(this, node);
  }

  isolate(name: string): void {
    this.network.isolate(name as NodeName, this.nodes.keys());
  }

  input(name: string, input: Input): void {
    const node = this.node(name);
    if (node.daemon === undefined) return;
    node.daemon.queue.push(input);
    run(this, node);
  }

  /** As the daemon does: a configuration that may not be taken over changes nothing; true when it was. */
  reload(name: string, cluster: Cluster, anything = false): boolean {
    const node = this.node(name);
    if (node.daemon === undefined || node.frozen || node.daemon.running) return false;
    const { obstacles, changes } = reloadPlan(node.daemon.state, cluster, node.kernel.clock.now());
    if ((obstacles.length > 0 && !anything) || changes.length === 0) return false;
    node.cluster = cluster;
    node.kernel.fence.change({ window_ms: cluster.timing.window, keep_ms: cluster.timing.keep });
    this.input(name, { kind: "reconfigured", cluster, interfacesDown: [...node.interfacesDown] });
    return true;
  }

  setInterface(name: string, interfaceName: InterfaceName, up: boolean): void {
    const { interfacesDown } = this.node(name);
    if (up) interfacesDown.delete(interfaceName);
    else interfacesDown.add(interfaceName);
    this.input(name, { kind: "interfaceChanged", interface: interfaceName, up });
  }

  ask(name: string, request: number, target: string, action: OperatorAction, timeout_ms = 10_000): void {
    const node = this.node(name);
    if (node.daemon === undefined) return;
    this.checkers.service.asked(node, request);
    this.input(name, { kind: "request", request, target: target as NodeName, action, timeout_ms });
  }

  isOpen(name: string, group: string): boolean {
    return this.node(name).kernel.fence.isOpen(group as GroupName, this.now);
  }

  owner(group: string): NodeName | undefined {
    for (const name of this.nodes.keys()) if (this.isOpen(name, group)) return name;
    return undefined;
  }

  /** V2: kept before the answer leaves. */
  saveVotes(node: VirtualNode, group: GroupName, record: VoterRecord): void {
    node.records?.set(group, record);
    this.checkers.votes.saved(node, group, record, this.now);
  }

  probe(node: VirtualNode, effect: Probe): void {
    probe(this, node, effect);
  }

  send(node: VirtualNode, daemon: Daemon, to: NodeName, link: LinkName, heartbeat: Heartbeat): void {
    this.sending?.(node.name, heartbeat);
    if (daemon.wire === undefined || this.attacker === undefined) {
      const arrive = (): void => {
        if (this.wiring?.carries(node, this.node(to), link) === false) return;
        this.arrived(to, overTheWire(link, heartbeat, this.versionOne.has(node.name), this.versionOne.has(to)));
      };
      return this.lines.pass(node.name, link, heartbeat, () => this.network.carry(node.name, to, link, arrive));
    }
    const bytes = this.attacker.pass(link, daemon.wire.seal(to, link, heartbeat));
    this.network.carry(node.name, to, link, () => {
      if (this.wiring?.carries(node, this.node(to), link) !== false) this.#opened(to, link, bytes);
    });
    const old = this.attacker.replay();
    if (old === undefined) return;
    const victim = this.pick([...this.nodes.keys()]);
    const over = this.random() < 0.5 ? old.link : this.pick(this.cluster.links).name;
    this.at(this.random() * 2 * this.cluster.timing.dead, () => this.#opened(victim, over, old.bytes));
  }

  #opened(to: NodeName, link: LinkName, bytes: Uint8Array): void {
    const node = this.node(to);
    for (const input of node.daemon?.wire?.open(link, bytes, node.kernel.clock.now()) ?? []) this.arrived(to, input);
  }

  arrived(to: NodeName, input: Input): void {
    const node = this.nodes.get(to);
    if (node?.daemon === undefined) return;
    if (input.kind === "heartbeat") this.checkers.silences?.delivered(input.heartbeat.node, to, this.now);
    this.input(to, input);
  }

  /** Called before each input is taken. */
  stepped(node: VirtualNode, input: Input): void {
    this.steps += 1;
    this.digest = mixed(this.digest, this.now, input.kind, node.name);
  }
}
