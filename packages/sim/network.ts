/** The links between nodes: what is lost, cut, doubled, delayed and overtaken on the way. */
import { nextRandom, type RandomState } from "@holdfast/core/random.ts";
import type { LinkName, NodeName } from "@holdfast/core/units/names.ts";

export interface NetworkFaults {
  loss: number;
  duplicate: number;
  /** Share of messages that are delayed by up to `slow_ms`. */
  slow: number;
  slow_ms: number;
}

/** Milliseconds of every message: at least, and at most more. */
const SHORTEST_MS = 0.05;
const SPREAD_MS = 0.3;

export class Network {
  readonly faults: NetworkFaults = { loss: 0, duplicate: 0, slow: 0, slow_ms: 0 };
  /** "from to" or "from to link". */
  readonly cut = new Set<string>();
  /** What is lost of one link alone. */
  readonly linkLoss = new Map<LinkName, number>();
  /** Datagrams that were carried. */
  messages = 0;
  readonly #at: (delay_ms: number, run: () => void) => void;
  readonly #random: RandomState;

  constructor(at: (delay_ms: number, run: () => void) => void, random: RandomState) {
    this.#at = at;
    this.#random = random;
  }

  /** Carries one datagram; `deliver` is called for each copy that arrives. */
  carry(from: NodeName, to: NodeName, link: LinkName, deliver: () => void): void {
    const { faults } = this;
    const copies = faults.duplicate > 0 && nextRandom(this.#random) < faults.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.cut.size > 0 && this.#isCut(from, to, link)) continue;
      if (faults.loss > 0 && nextRandom(this.#random) < faults.loss) continue;
      if (this.linkLoss.size > 0 && nextRandom(this.#random) < (this.linkLoss.get(link) ?? 0)) continue;
      this.messages += 1;
      const slow = faults.slow > 0 && nextRandom(this.#random) < faults.slow;
      this.#at(
        SHORTEST_MS + SPREAD_MS * nextRandom(this.#random) + (slow ? nextRandom(this.#random) * faults.slow_ms : 0),
        deliver,
      );
    }
  }

  #isCut(from: NodeName, to: NodeName, link: LinkName): boolean {
    const way = `${from} ${to}`;
    return this.cut.has(way) || this.cut.has(`${way} ${link}`);
  }

  /** Nothing is heard of `name`, and it hears nothing. */
  isolate(name: NodeName, others: Iterable<NodeName>): void {
    for (const other of others) if (other !== name) this.cut.add(`${name} ${other}`).add(`${other} ${name}`);
  }

  heal(): void {
    this.cut.clear();
    this.linkLoss.clear();
    Object.assign(this.faults, { loss: 0, duplicate: 0, slow: 0 });
  }
}
