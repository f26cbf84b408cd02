/**
 * A cluster in virtual time, for tests of the core only: real nodes (step), a network with delay, loss, duplication and
 * cuts, and the kernel's fence as ownership.md section 2 describes it. Daemons can be frozen and killed between effects.
 * The full simulator with its checkers is a room of its own; this is what the core's own tests need.
 */
import { newNode, nextDeadline, type NodeState, step } from "@holdfast/core/node.ts";
import { ABSTAIN_MS } from "@holdfast/core/node/state.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Effect, Input, LocalEvent, VoterRecord } from "@holdfast/core/effects.ts";
import { ballotText } from "@holdfast/core/ownership/lease/ballot.ts";
import { nextRandom, type RandomState, seededRandom } from "@holdfast/core/random.ts";
import type { OperatorAction } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { Plant } from "./plant.ts";
import { VirtualTime } from "./virtual-time.ts";
import { instant, type Instant } from "@holdfast/core/units/time.ts";

interface Fence {
  /** Until which tick a request may be committed, by group and number. */
  readonly armed: Map<string, number>;
  /** Until when (true time) a group is answered for. */
  readonly alive: Map<GroupName, number>;
  /** The last tick the kernel counted. */
  jiffies: number;
}

interface Daemon {
  state: NodeState;
  readonly boot: BootId;
  readonly queue: Input[];
  /** What effects brought back: taken before `queue`. */
  readonly results: Input[];
  running: boolean;
}

export interface VirtualNode {
  readonly name: NodeName;
  kernel: KernelId;
  fence: Fence;
  records: Map<GroupName, VoterRecord> | undefined;
  /** V2: kept with the records; on the kernel's clock. */
  abstainUntil: number;
  /** The kernel's clock: local = offset + rate x true time. */
  rate: number;
  readonly offset: number;
  daemon: Daemon | undefined;
  frozen: boolean;
  readonly addresses: Set<GroupName>;
  readonly events: LocalEvent[];
  readonly announced: { readonly group: GroupName; readonly term: number; readonly at: number }[];
  readonly replies: { readonly request: number; readonly code: string; readonly text: string }[];
  exited: boolean;
}

export interface NetworkFaults {
  loss: number;
  duplicate: number;
  /** Share of messages that are delayed by up to `slow_ms`. */
  slow: number;
  slow_ms: number;
}

/** E of ownership.md section 8. */
const LATE_TICK_MS = 5;

export class VirtualCluster extends VirtualTime {
  readonly cluster: Cluster;
  readonly nodes: ReadonlyMap<NodeName, VirtualNode>;
  readonly faults: NetworkFaults = { loss: 0, duplicate: 0, slow: 0, slow_ms: 0 };
  /** "from to" or "from to link". */
  readonly cut = new Set<string>();
  /** Probability that a daemon stops between two effects, and for how long at most. */
  freeze = { probability: 0, longest_ms: 0 };
  /** What happened in all. */
  readonly counts = { messages: 0, commits: 0, refusedCommits: 0, freezes: 0 };
  plant: Plant = {};
  /** I3: who accepted which request, as the voters' records say. */
  readonly #accepted = new Map<string, Set<NodeName>>();
  /** I5: numbers that were armed, each with its boot. */
  readonly #made = new Set<string>();
  /** Every breach of I1 (two fences open), I3 and I5. */
  readonly violations: string[] = [];
  readonly #random: RandomState;
  readonly #rateError: number;
  /** Clocks and ticks draw from their own. */
  readonly #clocks: RandomState;
  #boots = 0;

  /** `rateError`: how far the rates of the nodes' clocks are off at most (rho). */
  constructor(cluster: Cluster, seed: number, rateError = 0) {
    super();
    this.#rateError = rateError;
    this.cluster = cluster;
    this.#random = seededRandom(seed);
    this.#clocks = seededRandom(seed * 7919 + 1);
    const nodes = cluster.nodes.map((node): [NodeName, VirtualNode] => [node.name, this.#newNode(node.name)]);
    this.nodes = new Map(nodes);
  }

  #newNode(name: NodeName): VirtualNode {
    return {
      name,
      kernel: this.#identity("c0") as KernelId,
      fence: { armed: new Map(), alive: new Map(), jiffies: 0 },
      records: new Map(),
      abstainUntil: 0,
      rate: 1 + this.#rateError * (2 * nextRandom(this.#clocks) - 1),
      offset: 1000 * nextRandom(this.#clocks),
      daemon: undefined,
      frozen: false,
      addresses: new Set(),
      events: [],
      announced: [],
      replies: [],
      exited: false,
    };
  }

  #identity(prefix: string): string {
    this.#boots += 1;
    return prefix + this.#boots.toString(16).padStart(14, "0");
  }

  random(): number {
    return nextRandom(this.#random);
  }

  node(name: string): VirtualNode {
    const node = this.nodes.get(name as NodeName);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  start(name: string, interfacesDown: readonly InterfaceName[] = []): void {
    const node = this.node(name);
    const open = [...node.fence.alive].filter(([, until]) => until > this.now).map(([group]) => group);
    node.fence.armed.clear();
    const boot = this.#identity("b0") as BootId;
    const now = this.#local(node);
    const lost = node.records === undefined || now < node.abstainUntil;
    if (lost) node.abstainUntil = now + ABSTAIN_MS;
    if (lost) node.records = new Map();
    const state = newNode(
      {
        cluster: this.cluster,
        node: node.name,
        boot,
        kernel: node.kernel,
        seed: Math.floor(this.random() * 0x7fffffff) + 1,
        records: lost && this.plant.neverAbstains !== true ? undefined : node.records,
        open: new Set(open),
        drained: undefined,
        interfacesDown,
        wallOffset_ms: 0,
      },
      now,
    );
    node.daemon = { state, boot, queue: [], results: [], running: false };
    node.frozen = false;
    node.exited = false;
    this.#wake(node);
  }

  startAll(): void {
    for (const name of this.nodes.keys()) this.start(name);
  }

  /** kill -9: the daemon is gone, its fence and its addresses are not. */
  kill(name: string): void {
    this.node(name).daemon = undefined;
  }

  /** Power off: the kernel with its fence and its voter records is gone too. */
  powerOff(name: string): void {
    const node = this.node(name);
    node.daemon = undefined;
    node.fence = { armed: new Map(), alive: new Map(), jiffies: 0 };
    node.addresses.clear();
    node.records = undefined;
    node.kernel = this.#identity("c0") as KernelId;
  }

  stop(name: string): void {
    this.node(name).frozen = true;
  }

  continue(name: string): void {
    const node = this.node(name);
    node.frozen = false;
    this.#wake(node);
  }

  isolate(name: string): void {
    for (const other of this.nodes.keys()) {
      if (other === name) continue;
      this.cut.add(`${name} ${other}`).add(`${other} ${name}`);
    }
  }

  input(name: string, input: Input): void {
    const node = this.node(name);
    if (node.daemon === undefined) return;
    node.daemon.queue.push(input);
    this.#run(node);
  }

  ask(name: string, request: number, target: string, action: OperatorAction): void {
    this.input(name, { kind: "request", request, target: target as NodeName, action, timeout_ms: 10_000 });
  }

  isOpen(name: string, group: string): boolean {
    return (this.node(name).fence.alive.get(group as GroupName) ?? 0) > this.now;
  }

  owner(group: string): NodeName | undefined {
    return [...this.nodes.keys()].find((name) => this.isOpen(name, group));
  }

  #wake(node: VirtualNode): void {
    const { daemon } = node;
    if (daemon === undefined || node.frozen) return;
    const local = this.#local(node);
    const wait = Math.max(0, nextDeadline(daemon.state, local) - local) / node.rate;
    // A little later than computed, so that rounding never makes it a little too early.
    this.at(wait + 1e-6, () => {
      if (node.daemon !== daemon || node.frozen) return;
      const then = this.#local(node);
      if (nextDeadline(daemon.state, then) > then) return;
      daemon.queue.push({ kind: "tick" });
      this.#run(node);
    });
  }

  #local(node: VirtualNode): Instant {
    return instant(node.offset + node.rate * this.now);
  }

  /** The kernel's count of ticks, sometimes late by up to E, never back. */
  #jiffies(node: VirtualNode): number {
    const late = nextRandom(this.#clocks) < 0.3 ? nextRandom(this.#clocks) * LATE_TICK_MS : 0;
    const count = Math.floor((this.#local(node) - late) / this.cluster.timing.jiffy);
    node.fence.jiffies = Math.max(node.fence.jiffies, count);
    return node.fence.jiffies;
  }

  #run(node: VirtualNode): void {
    const { daemon } = node;
    if (daemon === undefined || node.frozen || daemon.running) return;
    daemon.running = true;
    this.#continue(node, daemon, [], this.#local(node));
  }

  /** One effect after the other; a freeze may come between any two. */
  #continue(node: VirtualNode, daemon: Daemon, effects: Effect[], woken: Instant): void {
    for (;;) {
      if (node.daemon !== daemon) return;
      if (node.frozen) return this.at(1, () => this.#continue(node, daemon, effects, woken));
      const likely = effects[0] !== undefined && effects[0].kind === this.plant.freezesBefore;
      if (this.random() < (likely ? 0.3 : this.freeze.probability)) {
        const length = this.random() * this.freeze.longest_ms;
        this.counts.freezes += 1;
        return this.at(length, () => this.#continue(node, daemon, effects, woken));
      }
      const effect = effects.shift();
      if (effect !== undefined) {
        this.#perform(node, daemon, effect);
        continue;
      }
      const next = daemon.results.shift() ?? daemon.queue.shift();
      if (next === undefined) break;
      const take = (input: Input): readonly Effect[] =>
        step(daemon.state, input, this.plant.clockBeforeReceive === true ? woken : this.#local(node));
      effects.push(...(this.plant.around?.(node, next, take) ?? take(next)));
    }
    daemon.running = false;
    this.#wake(node);
  }

  #perform(node: VirtualNode, daemon: Daemon, effect: Effect): void {
    const { timing } = this.cluster;
    switch (effect.kind) {
      case "send":
        for (const link of effect.links)
          this.#send(node.name, effect.to, link, { kind: "heartbeat", link, heartbeat: effect.heartbeat });
        return;
      case "saveVotes":
        node.records?.set(effect.group, effect.record);
        this.#accept(node, effect.group, effect.record);
        return;
      case "arm": {
        const { group, number } = effect;
        const made = `${daemon.boot} ${number}`;
        if (this.#made.has(made)) this.violations.push(`${this.now.toFixed(2)}: I5: ${node.name} made ${made} twice`);
        this.#made.add(made);
        const until = this.#jiffies(node) + Math.floor(timing.window / timing.jiffy);
        node.fence.armed.set(this.#armedKey(group, number) ?? "", until);
        return;
      }
      case "commit": {
        const { group, number } = effect;
        const key = this.#armedKey(group, number);
        const armed = key === undefined || (node.fence.armed.get(key) ?? 0) > this.#jiffies(node);
        if (armed) this.#open(node, daemon, group, number);
        else this.counts.refusedCommits += 1;
        const answer: Input = armed
          ? { kind: "committed", group, number }
          : { kind: "commitRefused", group, number, detail: "window over" };
        daemon.results.push(answer);
        return;
      }
      case "close":
        for (const number of effect.armed) node.fence.armed.delete(`${effect.group} ${number}`);
        node.fence.alive.delete(effect.group);
        daemon.results.push({ kind: "closed", group: effect.group });
        return;
      case "flush":
        daemon.results.push({ kind: "flush" });
        return;
      case "placeAddresses":
        if (effect.wanted) node.addresses.add(effect.group);
        else node.addresses.delete(effect.group);
        if (effect.wanted) daemon.results.push({ kind: "addressesPlaced", group: effect.group, macs: [] });
        return;
      case "announce":
        node.announced.push({ group: effect.group, term: effect.term, at: this.now });
        return;
      case "record":
        node.events.push(effect.event);
        return;
      case "reply":
        node.replies.push(effect);
        return;
      case "exit":
        node.exited = true;
        node.daemon = undefined;
        return;
      case "forgetGroup":
      case "stopAnnouncing":
      case "saveDrained":
      case "forward":
      case "relay":
      case "passConnections":
      case "resetConnections":
        return;
    }
  }

  #armedKey(group: GroupName, number: number): string | undefined {
    return this.plant.armedKey === undefined ? `${group} ${number}` : this.plant.armedKey(group, number);
  }

  #accept(voter: VirtualNode, group: GroupName, record: VoterRecord): void {
    const { accepted } = record;
    if (accepted === undefined) return;
    const key = `${group} ${ballotText(accepted.ballot)} ${accepted.number} ${accepted.holder.kernel}`;
    const voters = this.#accepted.get(key) ?? new Set();
    this.#accepted.set(key, voters.add(voter.name));
  }

  #open(node: VirtualNode, daemon: Daemon, group: GroupName, number: number): void {
    this.counts.commits += 1;
    const lease = daemon.state.groups.get(group)?.lease.state;
    if (lease?.role === "holding") {
      const key = `${group} ${ballotText(lease.ballot)} ${number} ${node.kernel}`;
      const voters = this.#accepted.get(key)?.size ?? 0;
      if (voters < daemon.state.majority)
        this.violations.push(`${this.now.toFixed(2)}: I3: ${node.name} commits ${key} that ${voters} accepted`);
    }
    for (const other of this.nodes.values()) {
      if (other !== node && this.isOpen(other.name, group)) {
        this.violations.push(`${this.now.toFixed(2)}: ${node.name} opens ${group} while ${other.name} answers`);
      }
    }
    const { jiffy, keep } = this.cluster.timing;
    const ticks = this.#jiffies(node) + Math.floor((keep + (this.plant.keepMore_ms ?? 0)) / jiffy);
    const late = nextRandom(this.#clocks) * LATE_TICK_MS;
    node.fence.alive.set(group, (ticks * jiffy - node.offset) / node.rate + late);
  }

  #send(from: NodeName, to: NodeName, link: LinkName, input: Input): void {
    const copies = this.random() < this.faults.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.cut.has(`${from} ${to}`) || this.cut.has(`${from} ${to} ${link}`)) continue;
      if (this.random() < this.faults.loss) continue;
      this.counts.messages += 1;
      const slow = this.random() < this.faults.slow ? this.random() * this.faults.slow_ms : 0;
      this.at(0.05 + 0.3 * this.random() + slow, () => {
        const node = this.nodes.get(to);
        if (node?.daemon === undefined) return;
        node.daemon.queue.push(input);
        this.#run(node);
      });
    }
  }
}
