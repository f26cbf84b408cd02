/**
 * Datagrams as bytes: encoded, sealed, opened and parsed as the daemon does it, with an attacker on the wire who sends old
 * ones again, to anybody and over any link, and turns bits. He has no key.
 */
import { createSealer, type Sealer } from "@holdfast/agent/seal/sealer.ts";
import type { Keys } from "@holdfast/agent/seal/keys.ts";
import { nextRandom, type RandomState } from "@holdfast/core/random.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Input, RejectReason } from "@holdfast/core/effects.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { BootId, LinkName, NodeName } from "@holdfast/core/units/names.ts";

/** The key files of the nodes, while an operator rotates keys: a step is on every node before the next one is on any. */
export class KeyFiles {
  readonly #steps = new Map<NodeName, number>();

  of(node: NodeName): Keys {
    const step = this.#steps.get(node) ?? 0;
    const [old, next] = [keyNamed(Math.floor(step / 3)), keyNamed(Math.floor(step / 3) + 1)];
    // Only the old one, both, both with the new one active; then the new one is the old one.
    if (step % 3 === 0) return { active: old, accepted: [old] };
    return { active: step % 3 === 1 ? old : next, accepted: [old, next] };
  }

  /** Of these nodes, those whose turn it is. */
  behind(nodes: readonly NodeName[]): readonly NodeName[] {
    const least = Math.min(...nodes.map((node) => this.#steps.get(node) ?? 0));
    return nodes.filter((node) => (this.#steps.get(node) ?? 0) === least);
  }

  advance(node: NodeName): Keys {
    this.#steps.set(node, (this.#steps.get(node) ?? 0) + 1);
    return this.of(node);
  }
}

function keyNamed(number: number): Keys["active"] {
  return { name: `key-${number}`, secret: Uint8Array.from({ length: 32 }, (_, i) => i + number) };
}

export interface AttackerPlan {
  /** Probability, for each datagram on the wire, that he sends an old one again. */
  readonly replay: number;
  /** Probability, for each datagram on the wire, that he sends something that never was one. */
  readonly junk: number;
  /** Probability that a bit of a datagram is turned on its way. */
  readonly corrupt: number;
}

/** Datagrams that the attacker keeps: from the whole past, each equally likely. */
const KEPT = 512;
const REPORT_INTERVAL_MS = 1000;

interface Kept {
  readonly link: LinkName;
  readonly bytes: Uint8Array;
}

export class Attacker {
  replays = 0;
  junk = 0;
  corrupted = 0;
  readonly #plan: AttackerPlan;
  readonly #random: RandomState;
  readonly #kept: Kept[] = [];
  #seen = 0;

  constructor(plan: AttackerPlan, random: RandomState) {
    this.#plan = plan;
    this.#random = random;
  }

  /** The datagram as it goes on from here. */
  pass(link: LinkName, bytes: Uint8Array): Uint8Array {
    this.#keep({ link, bytes });
    if (nextRandom(this.#random) >= this.#plan.corrupt) return bytes;
    this.corrupted += 1;
    const damaged = Uint8Array.from(bytes);
    const at = Math.floor(nextRandom(this.#random) * damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(nextRandom(this.#random) * 8));
    return nextRandom(this.#random) < 0.2 ? damaged.subarray(0, at) : damaged;
  }

  /** An old datagram to send again now, or junk, or nothing. */
  replay(): Kept | undefined {
    const dice = nextRandom(this.#random);
    if (dice >= this.#plan.replay + this.#plan.junk) return undefined;
    if (dice >= this.#plan.replay) return this.#junk();
    this.replays += 1;
    return this.#kept[Math.floor(nextRandom(this.#random) * this.#kept.length)];
  }

  /** Random to its end, or behind the header of a real one. */
  #junk(): Kept | undefined {
    this.junk += 1;
    const like = this.#kept[Math.floor(nextRandom(this.#random) * this.#kept.length)];
    if (like === undefined) return undefined;
    const real = nextRandom(this.#random) < 0.5 ? 0 : Math.floor(nextRandom(this.#random) * like.bytes.length);
    const bytes = like.bytes.map((byte, i) => (i < real ? byte : Math.floor(nextRandom(this.#random) * 256)));
    return { link: like.link, bytes };
  }

  #keep(kept: Kept): void {
    this.#seen += 1;
    if (this.#kept.length < KEPT) this.#kept.push(kept);
    else {
      const place = Math.floor(nextRandom(this.#random) * this.#seen);
      if (place < KEPT) this.#kept[place] = kept;
    }
  }
}

/** One daemon's end of the wire. */
export class SealedEnd {
  readonly #cluster: Cluster;
  readonly #sealer: Sealer;
  readonly #rejected = new Map<string, Extract<Input, { kind: "rejected" }>>();
  #toldAt = 0;
  #encoded: { readonly heartbeat: Heartbeat; readonly bytes: Uint8Array } | undefined;

  #now = 0;

  constructor(cluster: Cluster, node: NodeName, boot: BootId, keys: Keys) {
    this.#cluster = cluster;
    const now = (): number => this.#now;
    this.#sealer = createSealer({ cluster: cluster.name, node, keys, boot, suite: cluster.seal, now });
  }

  useKeys(keys: Keys): void {
    this.#sealer.useKeys(keys);
  }

  seal(to: NodeName, link: LinkName, heartbeat: Heartbeat): Uint8Array {
    if (this.#encoded?.heartbeat !== heartbeat) this.#encoded = { heartbeat, bytes: emitHeartbeat(heartbeat) };
    const linkIndex = this.#cluster.links.findIndex((each) => each.name === link);
    const peerIndex = this.#cluster.nodes.findIndex((each) => each.name === to);
    const version = heartbeat.version >= 2 ? 2 : 1;
    const stream = (linkIndex << 8) | peerIndex;
    return this.#sealer.seal({ version, link, receiver: to, stream }, this.#encoded.bytes);
  }

  /** The inputs that a datagram becomes: a heartbeat, or once a second what was dropped. */
  open(link: LinkName, bytes: Uint8Array, now: number): readonly Input[] {
    this.#now = now;
    const opened = this.#sealer.open(bytes, link);
    if (!opened.ok) return this.#reject(link, opened.error.reason, now);
    const parsed = parseHeartbeat(opened.value.payload);
    if (!parsed.ok) return this.#reject(link, "parse", now);
    if (parsed.value.boot !== opened.value.boot) return this.#reject(link, "sender", now);
    return [{ kind: "heartbeat", link, heartbeat: parsed.value }];
  }

  #reject(link: LinkName, reason: RejectReason, now: number): readonly Input[] {
    const key = `${link} ${reason}`;
    const count = (this.#rejected.get(key)?.count ?? 0) + 1;
    this.#rejected.set(key, { kind: "rejected", link, source: "10.0.0.66:7400", reason, count });
    if (now - this.#toldAt < REPORT_INTERVAL_MS) return [];
    this.#toldAt = now;
    const told = [...this.#rejected.values()];
    this.#rejected.clear();
    return told;
  }
}
