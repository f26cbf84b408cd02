/** The client: asks the address every millisecond over IPv4 and IPv6 and records who answered which number. */
import type { Native } from "@holdfast/linux/native.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import type { Sample } from "../outage.ts";
import { ECHO_PORT, PAYLOAD_ANSWERER, PAYLOAD_LENGTH, payload, readNumber, writeNumber } from "./frames.ts";
import * as socket from "./socket.ts";

/** Milliseconds remembered: two minutes. A power of two. */
export const REMEMBERED = 1 << 17;
const MASK = REMEMBERED - 1;
const NOBODY = -1;
const BATCH = 64;
const SLOT = 64;

export class Probe {
  readonly #native: Native;
  readonly #nodes: readonly string[];
  readonly #fd: number;
  readonly #to: Uint8Array;
  readonly #request = payload();
  readonly #requestView = new DataView(this.#request.buffer);
  readonly #sent_ms = new Float64Array(REMEMBERED);
  readonly #answeredBy = new Int8Array(REMEMBERED);
  readonly #data = new Uint8Array(BATCH * SLOT);
  readonly #dataView = new DataView(this.#data.buffer);
  readonly #lengths = new Uint32Array(BATCH);
  #first: number | undefined;
  #last = -1;

  /** Opens the client's socket in the network namespace this thread is in. */
  constructor(native: Native, nodes: readonly string[], address: IpAddress) {
    this.#native = native;
    this.#nodes = nodes;
    this.#fd = socket.must(
      native.socket(isIpv4(address) ? socket.AF_INET : socket.AF_INET6, socket.SOCK_DGRAM, 0),
      "probe socket",
    );
    this.#to = socket.socketAddress(address, ECHO_PORT);
  }

  /** Number of the last request, -1 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Sends request `number`; numbers passed over since the last one count as never sent. */
  send(number: number, now_ms: number): void {
    this.#first ??= number;
    for (let skipped = Math.max(this.#last + 1, number - REMEMBERED); skipped < number; skipped++)
      this.#sent_ms[skipped & MASK] = Number.NaN;
    this.#sent_ms[number & MASK] = now_ms;
    this.#answeredBy[number & MASK] = NOBODY;
    this.#last = number;
    writeNumber(this.#requestView, 0, number);
    // A refused send (no neighbour, say) is a lost request: that is what the client sees.
    this.#native.send(this.#fd, this.#request, this.#to);
  }

  /** Reads the answers that have come. */
  receive(): void {
    for (;;) {
      const count = this.#native.receiveBatch(this.#fd, this.#data, SLOT, this.#lengths, null, null);
      for (let i = 0; i < count; i++) this.#answer(i * SLOT, this.#lengths[i] as number);
      if (count < BATCH) return;
    }
  }

  #answer(at: number, length: number): void {
    const number = readNumber(this.#dataView, at, length);
    if (number === undefined || length < PAYLOAD_LENGTH || number > this.#last || number <= this.#last - REMEMBERED)
      return;
    const node = this.#data[at + PAYLOAD_ANSWERER] as number;
    const slot = number & MASK;
    if (node < this.#nodes.length && this.#answeredBy[slot] === NOBODY) this.#answeredBy[slot] = node;
  }

  /** The requests sent from number `from` to `to`, both included, as far as they are remembered. */
  *samples(from: number, to: number): Generator<Sample> {
    const start = Math.max(from, this.#first ?? 0, this.#last - REMEMBERED + 1);
    for (let number = start; number <= Math.min(to, this.#last); number++) {
      const sent_ms = this.#sent_ms[number & MASK] as number;
      if (!Number.isNaN(sent_ms))
        yield { number, sent_ms, node: this.#nodes[this.#answeredBy[number & MASK] as number] };
    }
  }

  /**
   * The one node that answered every request of the last `for_ms` milliseconds; undefined when there is no such node.
   * The newest answers may still be on their way: the last milliseconds are left out, ten at most.
   */
  steadyOwner(for_ms: number): { readonly node: string; readonly from: number } | undefined {
    let newest = this.#last;
    while (newest > this.#last - 10 && this.#answeredBy[newest & MASK] === NOBODY) newest--;
    let node: string | undefined;
    let count = 0;
    for (const sample of this.samples(newest - for_ms + 1, newest)) {
      node ??= sample.node;
      if (sample.node === undefined || sample.node !== node) return undefined;
      count++;
    }
    // A process that hardly ran has not seen much: half of the requests must have been sent.
    return node !== undefined && count >= for_ms / 2 ? { node, from: newest - for_ms + 1 } : undefined;
  }
}
