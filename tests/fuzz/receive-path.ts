/**
 * The attack on one node's receive path: damaged datagrams by the thousand, and after each of them the rules that must hold
 * whatever arrived. Used by the short and the long test of it.
 */
import assert from "node:assert/strict";
import { Chance } from "./chance.ts";
import { mutate } from "./mutate.ts";
import { RandomHeartbeats, type World } from "./random-heartbeat.ts";
import { CLUSTER, GROUPS, LINKS, NODES, SealedCluster, type SealedNode } from "./sealed-cluster.ts";
import { checkRecord } from "./voter-rules.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import { nextDeadline } from "@holdfast/core/node.ts";
import { emitHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";
import { instant } from "@holdfast/core/units/time.ts";

/** Datagrams for one cluster; then another one is made, so that each role and each kind of trouble comes again. */
const A_CLUSTER = 2500;
const LONGEST = 1500;
/** Where a plaintext has its number (docs/protocol.md). */
const MESSAGE_AT = 34;
/** Nothing may hold the loop for longer. */
const SLOW_MS = 50;

export interface Attack {
  readonly packets: number;
  readonly unauthentic: number;
  /** Sealed with the right key, but not understood. */
  readonly unparsed: number;
  /** Authentic, understood, taken by the core. */
  readonly taken: number;
  /** Packets that met a group in each role. */
  readonly roles: Readonly<Record<string, number>>;
  readonly worst_ms: number;
  readonly slow: number;
  /** Times at which two kernels answered for one group: what a member that says what is not so can bring about. */
  readonly twoOpen: number;
}

export function attack(seed: number, packets: number, progress: (done: number) => void = () => {}): Attack {
  const total = { packets: 0, unauthentic: 0, unparsed: 0, taken: 0, worst_ms: 0, slow: 0, twoOpen: 0 };
  const roles: Record<string, number> = {};
  for (let i = 0; total.packets < packets; i++) {
    const one = new OneCluster(seed + 1000 * i);
    one.run(Math.min(A_CLUSTER, packets - total.packets));
    total.packets += one.counts.packets;
    total.unauthentic += one.counts.unauthentic;
    total.unparsed += one.counts.unparsed;
    total.taken += one.counts.taken;
    total.slow += one.counts.slow;
    total.worst_ms = Math.max(total.worst_ms, one.counts.worst_ms);
    total.twoOpen += one.cluster.twoOpen;
    for (const [role, count] of Object.entries(one.roles)) roles[role] = (roles[role] ?? 0) + count;
    progress(total.packets);
  }
  return { ...total, roles };
}

/** One cluster, in which n1 is attacked. */
class OneCluster {
  readonly cluster: SealedCluster;
  readonly counts = { packets: 0, unauthentic: 0, unparsed: 0, taken: 0, worst_ms: 0, slow: 0 };
  readonly roles: Record<string, number> = {};
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #victim: SealedNode;
  readonly #others: readonly [SealedNode, SealedNode];
  #records = new Map<GroupName, VoterRecord>();
  #counters = { round: 0, number: 0 };
  #inputs = 0;
  #what = "";
  /** One in so many authentic messages is made up: with few of them a lease lasts, with many everything is in motion. */
  readonly #rude: number;
  /** What the heartbeat that is being taken asks of the voter. */
  #said: readonly LeaseEntry[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#chance = new Chance(seed);
    this.#rude = this.#chance.pick([2, 10, 100]);
    this.cluster = new SealedCluster(seed);
    this.#victim = this.cluster.node("n1");
    this.#others = [this.cluster.node("n2"), this.cluster.node("n3")];
    this.cluster.around = (node, input, take) => {
      if (node !== this.#victim) return take();
      this.#inputs += 1;
      this.#said = input.kind === "heartbeat" ? input.heartbeat.lease : [];
      take();
      this.#check();
      if (input.kind === "tick") this.#checkDeadline();
    };
    this.cluster.saved = (node, group, record) => {
      if (node === this.#victim) this.#checkVote(group, record);
    };
  }

  run(packets: number): void {
    for (let done = 0; done < packets; done++) {
      if (done % 25 === 0) this.#goOn();
      for (const { lease } of this.#victim.engine.state.groups.values())
        this.roles[lease.state.role] = (this.roles[lease.state.role] ?? 0) + 1;
      this.counts.packets += 1;
      if (this.#chance.once(3)) this.#strange();
      else this.#authentic();
    }
    this.#report();
  }

  /** Time goes on, and sometimes the others are away for a while, or an operator asks for something. */
  #goOn(): void {
    const { cluster } = this;
    if (this.#chance.once(20)) {
      for (const { name } of this.#others) {
        if (this.#chance.once(4)) cluster.cut.add(`${name} n1`);
        else cluster.cut.delete(`${name} n1`);
      }
    }
    if (this.#chance.once(30)) {
      const target = this.#chance.pick(NODES);
      const action = { kind: "move", group: this.#chance.pick(GROUPS), target: undefined } as const;
      cluster.input("n1", { kind: "request", request: 1, target, action, timeout_ms: 1000 });
    }
    for (const rejected of this.#victim.arrivals.rejections.take()) cluster.input("n1", rejected);
    cluster.run(this.#chance.below(60));
  }

  /** Bytes without the key: whatever they are, nothing that decides anything changes. */
  #strange(): void {
    const from = this.#chance.pick(this.#others);
    const link = this.#chance.pick(LINKS);
    const sealed = this.cluster.seal(from, this.#victim, link, this.#plaintext(from));
    const damaged = mutate(this.#chance, sealed, this.#plaintext(from), LONGEST);
    if (Buffer.compare(damaged, sealed) === 0) return;
    const before = this.#inputs;
    this.#deliver(link, damaged);
    this.#what = "a datagram damaged after it was sealed";
    assert.equal(this.#inputs, before, this.#where("reached the core"));
    this.counts.unauthentic += 1;
  }

  #authentic(): void {
    const from = this.#chance.pick(this.#others);
    const link = this.#chance.pick(LINKS);
    const plaintext = this.#chance.once(this.#rude) ? this.#made(from) : this.#mutated(from);
    const before = this.#inputs;
    this.#what = Buffer.from(plaintext).toString("hex");
    this.#deliver(link, this.cluster.seal(from, this.#victim, link, plaintext));
    if (this.#inputs === before) this.counts.unparsed += 1;
    else this.counts.taken += 1;
  }

  #mutated(from: SealedNode): Uint8Array {
    const fresh = this.#plaintext(from).slice();
    // As the next message: of one that has come already nothing but the head would be read.
    if (!this.#chance.once(8)) Buffer.from(fresh.buffer).writeUIntBE(this.#nextMessage(from), MESSAGE_AT, 6);
    return mutate(this.#chance, fresh, this.#plaintext(this.#chance.pick(this.#others)), LONGEST);
  }

  #nextMessage(from: SealedNode): number {
    const peer = from.engine.state.peers.get(this.#victim.name);
    if (peer === undefined) return 1;
    peer.messagesSent += 1;
    return peer.messagesSent;
  }

  #plaintext(from: SealedNode): Uint8Array {
    return from.said[this.#chance.below(from.said.length)]?.plaintext ?? new Uint8Array(0);
  }

  /** What could have been said, of the nodes, boots and ballots that there are. */
  #made(from: SealedNode): Uint8Array {
    const { state } = this.#victim.engine;
    const generated = new RandomHeartbeats(this.#chance, this.#world(from)).heartbeat(3);
    const message = this.#chance.once(20) ? generated.message : this.#nextMessage(from);
    const toBoot = this.#chance.once(20) ? generated.toBoot : state.boot;
    return emitHeartbeat({ ...generated, node: from.name, boot: from.boot, kernel: from.kernel, message, toBoot });
  }

  #world(from: SealedNode): World {
    const all = [this.#victim, ...this.#others] as const;
    const [first, ...rest] = all;
    const group = this.#victim.engine.state.groups.get(this.#chance.pick(GROUPS));
    return {
      nodes: [from.name, ...NODES],
      groups: GROUPS,
      links: LINKS,
      boots: [first.boot, ...rest.map((node) => node.boot)],
      kernels: [from.kernel, ...all.map((node) => node.kernel)],
      round: group?.record.promised?.round ?? 1,
    };
  }

  #deliver(link: (typeof LINKS)[number], datagram: Uint8Array): void {
    const start = processor_ms();
    try {
      this.cluster.deliver(this.#victim, link, datagram);
    } catch (error) {
      throw new Error(this.#where("threw"), { cause: error });
    }
    const took_ms = processor_ms() - start;
    if (took_ms > SLOW_MS) this.counts.slow += 1;
    this.counts.worst_ms = Math.max(this.counts.worst_ms, took_ms);
  }

  /** V4 to V7, from each record of the voter to the next. */
  #checkVote(group: GroupName, record: VoterRecord): void {
    const before = this.#records.get(group);
    this.#records.set(group, record);
    const wrong = checkRecord(
      before,
      record,
      { node: this.#victim.name, kernel: this.#victim.kernel },
      this.#said,
      instant(this.cluster.now),
    );
    assert.equal(wrong, "", this.#where(`${group}: ${wrong}`));
  }

  /** A deadline that a tick does not move would keep the loop busy for ever. */
  #checkDeadline(): void {
    const now = instant(this.cluster.now);
    const next = nextDeadline(this.#victim.engine.state, now);
    assert.ok(next > now, this.#where(`after a tick the next deadline is ${now - next} ms ago`));
  }

  /** What holds after every step, whatever arrived. */
  #check(): void {
    const { state } = this.#victim.engine;
    const { round, number } = state.counters;
    assert.ok(
      round >= this.#counters.round && round < 2 ** 32,
      this.#where(`round ${this.#counters.round}, then ${round}`),
    );
    assert.ok(number >= this.#counters.number && number < 2 ** 32, this.#where(`number ${number}`));
    this.#counters = { round, number };
    for (const [name, { record, lease }] of state.groups) {
      const kept = this.#records.get(name);
      if (kept !== undefined) assert.equal(record, kept, this.#where(`${name}: V2: a record was not kept`));
      const answers = this.cluster.isOpen(this.#victim, name);
      if (answers) assert.notEqual(lease.state.role, "idle", this.#where(`${name} answers without holding`));
    }
    const wrong = unbounded(this.#victim);
    assert.equal(wrong, "", this.#where(wrong));
  }

  #where(what: string): string {
    return `${what}\n  seed ${this.#seed}, packet ${this.counts.packets}, at ${this.cluster.now.toFixed(1)}: ${this.#what}`;
  }

  /** The counters of what was dropped are told as they would be, and nothing else changes by it. */
  #report(): void {
    for (const rejected of this.#victim.arrivals.rejections.take()) this.cluster.input("n1", rejected);
  }
}

/** Of this thread alone: other programs may be running. */
function processor_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** What of a node's state is larger than its configuration and its bounds explain. */
function unbounded({ engine: { state } }: SealedNode): string {
  const sizes: [string, number, number][] = [
    ["rejected", state.rejected.size, 300],
    ["events", state.events.length, 200],
    ["served", state.served.length, 64],
    ["pending", state.pending.length, 64],
    ["outbox", state.outbox.length, 2000],
    ["later", state.later.length, 20],
    ["effects", state.effects.length, 0],
    ["flushes", state.flushes, 1],
    ["peers", state.peers.size, CLUSTER.nodes.length - 1],
  ];
  for (const peer of state.peers.values()) {
    sizes.push(["former boots", peer.formerBoots.length, 8], ["groups", peer.groups.size, GROUPS.length]);
    sizes.push(
      ["requests", peer.requests.length, 64],
      ["heard", peer.heard.length, 255],
      ["deaths", peer.deaths.length, 16],
    );
  }
  for (const { lease, record, troubleTold } of state.groups.values()) {
    sizes.push(["closed", record.closed.length, 32], ["adopted", lease.adopted.length, 16]);
    sizes.push(["troubles", troubleTold.size, 8], ["confirmed", lease.releasing?.confirmed.size ?? 0, 3]);
    if (lease.state.role === "holding") sizes.push(["armed", lease.state.armed.length, 200]);
    if (lease.state.role === "preparing") sizes.push(["promises", lease.state.promises.size, 3]);
  }
  return sizes
    .filter(([, size, most]) => size > most)
    .map(([name, size, most]) => `${name}: ${size}, at most ${most}`)
    .join(", ");
}
