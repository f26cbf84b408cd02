/** Heartbeats in Ethernet frames of their own EtherType (packet(7)): one interface, no IP, no address needed. */
import type { InterfaceName } from "@holdfast/core/units/names.ts";
import { macBytes, macFromBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { check } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";
import { AF_PACKET, LINK_ADDRESS, linkAddress } from "./socket-address.ts";
import { frameTagFilter } from "./tag-filter.ts";

/** IEEE 802 local experimental EtherType 1. */
export const ETHERTYPE = 0x88b5;
/** A locally administered group address: whoever has no such link is not woken by it, as by a broadcast. */
export const GROUP = "03:48:46:88:b5:01" as Mac;

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PRIORITY = 12;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_MULTICAST = 0;
const PRIORITY = 6;
const RECEIVE_BUFFER_BYTES = 1 << 20;
const BATCH = 32;
const ADDRESS_SLOT = 128;
const SLOT_BYTES = 2048;
const BATCHES_A_WAKE = 8;

export interface EthernetOptions {
  readonly interface: InterfaceName;
  readonly index: number;
  /** Of this node (core/wire/receiver-tag.ts). */
  readonly tag: number;
}

export interface EthernetEvents {
  /** What is behind the Ethernet header, valid until the callback returns; `source` makes the sender's address. */
  readonly frame: (data: Uint8Array, source: () => Mac) => void;
  readonly drained?: () => void;
}

export function openEthernet(
  native: Native,
  options: EthernetOptions,
  events: EthernetEvents,
): Result<EthernetSocket, string> {
  try {
    return success(new EthernetSocket(native, options, events));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return failure(`heartbeat socket on ${options.interface}: ${why}`);
  }
}

export class EthernetSocket {
  readonly #native: Native;
  readonly #index: number;
  #fd: number;
  readonly #handle: PollHandle;
  readonly #events: EthernetEvents;
  readonly #buffer = new Uint8Array(BATCH * SLOT_BYTES);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #senders = new Uint8Array(BATCH * ADDRESS_SLOT);
  readonly #destinations = new Map<Mac, Uint8Array>();
  #open = true;

  /** Use openEthernet. Throws what the kernel refused. */
  constructor(native: Native, { index, tag }: EthernetOptions, events: EthernetEvents) {
    this.#native = native;
    this.#index = index;
    this.#events = events;
    // Protocol 0: nothing is received before the filter is there.
    const fd = check("packet socket", native.socket(AF_PACKET, SOCK_DGRAM, 0));
    this.#fd = fd;
    try {
      check("packet filter", native.attachFilter(fd, frameTagFilter(tag)));
      const set = (name: number, value: number) =>
        native.setsockopt(fd, SOL_SOCKET, name, new Uint8Array(Uint32Array.of(value).buffer));
      set(SO_RCVBUF, RECEIVE_BUFFER_BYTES);
      set(SO_PRIORITY, PRIORITY);
      check("packet membership", native.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership(index)));
      check("packet bind", native.bind(fd, linkAddress(index, ETHERTYPE)));
      const handle = native.poll(fd, 1, () => {
        this.read();
        events.drained?.();
      });
      if (typeof handle === "number") throw new Error(`packet poll: ${handle}`);
      this.#handle = handle;
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  /** Bytes sent, or -errno. */
  send(to: Mac, data: Uint8Array): number {
    let address = this.#destinations.get(to);
    if (address === undefined) {
      if (this.#destinations.size >= 1024) this.#destinations.clear();
      address = linkAddress(this.#index, ETHERTYPE, macBytes(to));
      this.#destinations.set(to, address);
    }
    return this.#native.send(this.#fd, data, address);
  }

  /** Takes what has come already, without waiting for the loop. */
  read(): void {
    for (let round = 0; round < BATCHES_A_WAKE && this.#open; round++) {
      const count = this.#native.receiveBatch(this.#fd, this.#buffer, SLOT_BYTES, this.#lengths, this.#senders, null);
      if (count <= 0) return;
      for (let i = 0; i < count && this.#open; i++) this.#deliver(i);
      if (count < BATCH) return;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#handle);
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  #deliver(i: number): void {
    const length = this.#lengths[i] ?? 0;
    if (length > SLOT_BYTES) return;
    const data = this.#buffer.subarray(i * SLOT_BYTES, i * SLOT_BYTES + length);
    this.#events.frame(data, () => macFromBytes(this.#senders, i * ADDRESS_SLOT + LINK_ADDRESS));
  }
}

/** `struct packet_mreq` for the group. */
function membership(interfaceIndex: number): Uint8Array {
  const out = new Uint8Array(16);
  new Int32Array(out.buffer, 0, 1)[0] = interfaceIndex;
  new Uint16Array(out.buffer, 4, 2).set([PACKET_MR_MULTICAST, 6]);
  out.set(macBytes(GROUP), 8);
  return out;
}
