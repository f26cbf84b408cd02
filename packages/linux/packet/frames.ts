/** Ethernet frames (packet(7)): sending any on an interface, and hearing ARP and neighbour advertisements on one. */
import { constants } from "node:os";
import { type IpAddress, ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import { check } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";
import { AF_PACKET, linkAddress } from "./socket-address.ts";

const { EAGAIN } = constants.errno;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const ETHERTYPE_ALL = 0x0003;

const BATCH = 32;
/** The longest frame that matters: a neighbour advertisement with options. Longer ones arrive cut. */
const SLOT_BYTES = 256;
const RECEIVE_BUFFER_BYTES = 256 << 10;

/** Sends frames; one serves every interface. */
export class FrameSender {
  readonly #native: Native;
  #fd: number;
  readonly #address = linkAddress(0, 0);
  readonly #index = new Int32Array(this.#address.buffer, 4, 1);

  /** Throws when the socket cannot be had (CAP_NET_RAW). */
  constructor(native: Native) {
    this.#native = native;
    // Protocol 0: this socket receives nothing.
    this.#fd = check("packet socket", native.socket(AF_PACKET, SOCK_RAW, 0));
  }

  /** A whole frame with its Ethernet header. Bytes sent, or -errno: -ENOBUFS when the fence or a full queue dropped it. */
  sendFrame(interfaceIndex: number, frame: Uint8Array): number {
    this.#index[0] = interfaceIndex;
    return this.#native.send(this.#fd, frame, this.#address);
  }

  close(): void {
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }
}

export interface FrameListenerEvents {
  /** Valid until the callback returns; cut at 256 bytes. */
  readonly frame: (frame: Uint8Array) => void;
  /** The interface went down or away (-errno); listening goes on. */
  readonly trouble?: (status: number) => void;
}

/**
 * Hears the ARP packets and ICMPv6 neighbour advertisements of one interface that claim one of the addresses, those that
 * the fence drops too; not our own. The kernel sorts out the rest: a busy network is full of ARP that does not matter.
 */
export class FrameListener {
  readonly #native: Native;
  readonly #fd: number;
  readonly #handle: PollHandle;
  readonly #buffer = new Uint8Array(BATCH * SLOT_BYTES);
  readonly #lengths = new Uint32Array(BATCH);
  #open = true;

  /** Throws when the interface or the right (CAP_NET_RAW) is missing. */
  constructor(native: Native, interfaceIndex: number, addresses: readonly IpAddress[], events: FrameListenerEvents) {
    this.#native = native;
    const fd = check("packet socket", native.socket(AF_PACKET, SOCK_RAW, 0));
    this.#fd = fd;
    try {
      check("packet filter", native.attachFilter(fd, claimFilter(addresses)));
      native.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, Uint8Array.of(1, 0, 0, 0));
      native.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, new Uint8Array(Uint32Array.of(RECEIVE_BUFFER_BYTES).buffer));
      check(`packet bind to interface ${interfaceIndex}`, native.bind(fd, linkAddress(interfaceIndex, ETHERTYPE_ALL)));
      const handle = native.poll(fd, 1, (status) => this.#ready(status, events));
      if (typeof handle === "number") throw new Error(`packet poll: ${handle}`);
      this.#handle = handle;
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#handle);
    this.#native.close(this.#fd);
  }

  #ready(status: number, events: FrameListenerEvents): void {
    if (status < 0) events.trouble?.(status);
    // A bound number of batches: a flood of ARP must not keep the loop from its heartbeats.
    for (let round = 0; round < 4 && this.#open; round++) {
      const count = this.#native.receiveBatch(this.#fd, this.#buffer, SLOT_BYTES, this.#lengths, null, null);
      if (count === -EAGAIN || count <= 0) return;
      for (let i = 0; i < count && this.#open; i++) {
        const length = Math.min(this.#lengths[i] ?? 0, SLOT_BYTES);
        events.frame(this.#buffer.subarray(i * SLOT_BYTES, i * SLOT_BYTES + length));
      }
      if (count < BATCH) return;
    }
  }
}

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const TAKE = 0x40000;

export type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number];

/** A filter has at most 4096 instructions (BPF_MAXINSNS): with more addresses every claim is let through. */
const ADDRESSES_MAX = 1900;

/**
 * Classic BPF: ARP whose sender, or an ICMPv6 neighbour advertisement right behind the IPv6 header whose target, is one
 * of the addresses. Of an IPv6 address the last four bytes are compared; the listener looks at the whole.
 */
export function claimFilter(addresses: readonly IpAddress[]): Uint8Array {
  const words = (v4: boolean): Instruction[] =>
    addresses
      .filter((address) => isIpv4(address) === v4)
      .flatMap((address) => takeIfEqual(Buffer.from(ipBytes(address)).readUInt32BE(v4 ? 0 : 12)));
  const all = addresses.length > ADDRESSES_MAX ? [[RETURN, 0, 0, TAKE] as const] : undefined;
  const drop: Instruction = [RETURN, 0, 0, 0];
  const arp: Instruction[] = [[LOAD_WORD, 0, 0, 28], ...(all ?? words(true)), drop];
  const advertisement: Instruction[] = [
    [LOAD_BYTE, 0, 0, 20],
    [JUMP_EQUAL, 1, 0, 58],
    drop,
    [LOAD_BYTE, 0, 0, 54],
    [JUMP_EQUAL, 1, 0, 136],
    drop,
    [LOAD_WORD, 0, 0, 74],
    ...(all ?? words(false)),
    drop,
  ];
  return assemble([
    [LOAD_HALF, 0, 0, 12],
    [JUMP_EQUAL, 0, 1, 0x86dd],
    // Conditional jumps reach 255 instructions only.
    [JUMP, 0, 0, arp.length + 2],
    [JUMP_EQUAL, 1, 0, 0x0806],
    drop,
    ...arp,
    ...advertisement,
  ]);
}

function takeIfEqual(word: number): Instruction[] {
  return [
    [JUMP_EQUAL, 0, 1, word],
    [RETURN, 0, 0, TAKE],
  ];
}

/** `struct sock_filter`: code, jump if true, jump if false, operand. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  const out = new Uint8Array(8 * program.length);
  program.forEach(([code, jumpTrue, jumpFalse, operand], i) => {
    new Uint16Array(out.buffer, 8 * i, 1)[0] = code;
    out[8 * i + 2] = jumpTrue;
    out[8 * i + 3] = jumpFalse;
    new Uint32Array(out.buffer, 8 * i + 4, 1)[0] = operand;
  });
  return out;
}
