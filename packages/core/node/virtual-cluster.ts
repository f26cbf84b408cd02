/**
 * A cluster in virtual time, for tests of the core only: real nodes (step), a network with delay, loss, duplication and
 * cuts, and the kernel's fence as ownership.md section 2 describes it. Daemons can be frozen and killed between effects.
 * The full simulator with its checkers is a room of its own; this is what the core's own tests need.
 */
import { newNode, nextDeadline, type NodeState, step } from "../node.ts";
import type { Cluster } from "../cluster.ts";
import type { Effect, Input, LocalEvent, VoterRecord } from "../effects.ts";
import { nextRandom, type RandomState, seededRandom } from "../random.ts";
import type { OperatorAction } from "../wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "../units/names.ts";
import { instant, type Instant } from "../units/time.ts";

interface Fence {
  readonly armed: Map<string, number>;
  readonly alive: Map<GroupName, number>;
}

interface Daemon {
  state: NodeState;
  readonly queue: Input[];
  running: boolean;
}

export interface VirtualNode {
  readonly name: NodeName;
  kernel: KernelId;
  fence: Fence;
  records: Map<GroupName, VoterRecord> | undefined;
  daemon: Daemon | undefined;
  frozen: boolean;
  readonly addresses: Set<GroupName>;
  readonly events: LocalEvent[];
  readonly announced: { readonly group: GroupName; readonly term: number; readonly at: number }[];
  readonly replies: { readonly request: number; readonly code: string; readonly text: string }[];
  exited: boolean;
}

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface NetworkFaults {
  loss: number;
  duplicate: number;
  /** Share of messages that are delayed by up to `slow_ms`. */
  slow: number;
  slow_ms: number;
}

export class VirtualCluster {
  readonly cluster: Cluster;
  readonly nodes: ReadonlyMap<NodeName, VirtualNode>;
  readonly faults: NetworkFaults = { loss: 0, duplicate: 0, slow: 0, slow_ms: 0 };
  /** "from to" or "from to link". */
  readonly cut = new Set<string>();
  /** Probability that a daemon stops between two effects, and for how long at most. */
  freeze = { probability: 0, longest_ms: 0 };
  /** Every instant at which two fences were open. */
  readonly violations: string[] = [];
  now = 1000;
  readonly #random: RandomState;
  #heap: Scheduled[] = [];
  #order = 0;
  #boots = 0;

  constructor(cluster: Cluster, seed: number) {
    this.cluster = cluster;
    this.#random = seededRandom(seed);
    const nodes = cluster.nodes.map((node): [NodeName, VirtualNode] => [node.name, this.#newNode(node.name)]);
    this.nodes = new Map(nodes);
  }

  #newNode(name: NodeName): VirtualNode {
    return {
      name,
      kernel: this.#identity("c0") as KernelId,
      fence: { armed: new Map(), alive: new Map() },
      records: new Map(),
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
    const state = newNode(
      {
        cluster: this.cluster,
        node: node.name,
        boot: this.#identity("b0") as BootId,
        kernel: node.kernel,
        seed: Math.floor(this.random() * 0x7fffffff) + 1,
        records: node.records,
        open: new Set(open),
        drained: undefined,
        interfacesDown,
        wallOffset_ms: 0,
      },
      instant(this.now),
    );
    node.records ??= new Map();
    node.daemon = { state, queue: [], running: false };
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
    node.fence = { armed: new Map(), alive: new Map() };
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

  /** Run until `done` or for `limit_ms`; returns the milliseconds it took, or undefined. */
  until(done: () => boolean, limit_ms: number): number | undefined {
    const start = this.now;
    while (!done()) {
      if (!this.#next(start + limit_ms)) return done() ? this.now - start : undefined;
    }
    return this.now - start;
  }

  run(duration_ms: number): void {
    const end = this.now + duration_ms;
    while (this.#next(end));
    this.now = end;
  }

  at(delay_ms: number, run: () => void): void {
    this.#order += 1;
    this.#push({ at: this.now + delay_ms, order: this.#order, run });
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    heap.push(item);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!earlier(item, heap[parent] as Scheduled)) break;
      heap[child] = heap[parent] as Scheduled;
      child = parent;
    }
    heap[child] = item;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child += 1;
      if (!earlier(heap[child] as Scheduled, last)) break;
      heap[parent] = heap[child] as Scheduled;
      parent = child;
    }
    heap[parent] = last;
    return top;
  }

  #next(limit: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.at > limit) return false;
    this.#pop();
    this.now = Math.max(this.now, first.at);
    first.run();
    return true;
  }

  #wake(node: VirtualNode): void {
    const { daemon } = node;
    if (daemon === undefined || node.frozen) return;
    const deadline = nextDeadline(daemon.state, this.#local());
    this.at(Math.max(0, deadline - this.now), () => {
      if (node.daemon !== daemon || node.frozen) return;
      if (nextDeadline(daemon.state, this.#local()) > this.now) return;
      daemon.queue.push({ kind: "tick" });
      this.#run(node);
    });
  }

  #local(): Instant {
    return instant(this.now);
  }

  #run(node: VirtualNode): void {
    const { daemon } = node;
    if (daemon === undefined || node.frozen || daemon.running) return;
    daemon.running = true;
    this.#continue(node, daemon, []);
  }

  /** One effect after the other; a freeze may come between any two. */
  #continue(node: VirtualNode, daemon: Daemon, effects: Effect[]): void {
    for (;;) {
      if (node.daemon !== daemon) return;
      if (node.frozen) return this.at(1, () => this.#continue(node, daemon, effects));
      if (this.random() < this.freeze.probability) {
        const length = this.random() * this.freeze.longest_ms;
        return this.at(length, () => this.#continue(node, daemon, effects));
      }
      const effect = effects.shift();
      if (effect !== undefined) {
        this.#perform(node, daemon, effect);
        continue;
      }
      const input = daemon.queue.shift();
      if (input === undefined) break;
      effects.push(...step(daemon.state, input, this.#local()));
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
        return;
      case "arm":
        node.fence.armed.set(`${effect.group} ${effect.number}`, this.now + timing.window);
        return;
      case "commit": {
        const { group, number } = effect;
        const armed = (node.fence.armed.get(`${group} ${number}`) ?? 0) > this.now;
        if (armed) this.#open(node, group);
        const answer: Input = armed
          ? { kind: "committed", group, number }
          : { kind: "commitRefused", group, number, detail: "window over" };
        daemon.queue.unshift(answer);
        return;
      }
      case "close":
        for (const number of effect.armed) node.fence.armed.delete(`${effect.group} ${number}`);
        node.fence.alive.delete(effect.group);
        daemon.queue.unshift({ kind: "closed", group: effect.group });
        return;
      case "flush":
        daemon.queue.unshift({ kind: "flush" });
        return;
      case "placeAddresses":
        if (effect.wanted) node.addresses.add(effect.group);
        else node.addresses.delete(effect.group);
        if (effect.wanted) daemon.queue.push({ kind: "addressesPlaced", group: effect.group });
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
      case "stopAnnouncing":
      case "saveDrained":
        return;
    }
  }

  #open(node: VirtualNode, group: GroupName): void {
    for (const other of this.nodes.values()) {
      if (other !== node && this.isOpen(other.name, group)) {
        this.violations.push(`${this.now.toFixed(2)}: ${node.name} opens ${group} while ${other.name} answers`);
      }
    }
    node.fence.alive.set(group, this.now + this.cluster.timing.keep);
  }

  #send(from: NodeName, to: NodeName, link: LinkName, input: Input): void {
    const copies = this.random() < this.faults.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.cut.has(`${from} ${to}`) || this.cut.has(`${from} ${to} ${link}`)) continue;
      if (this.random() < this.faults.loss) continue;
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

function earlier(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
