/** UDP sockets of heartbeat links: bound to the link's address and interface, read in batches, sent with network-control priority. */
import { constants } from "node:os";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { check } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";
import { AF_INET, AF_INET6, DatagramSource, internetAddress } from "./socket-address.ts";

const { EADDRNOTAVAIL } = constants.errno;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PRIORITY = 12;
const SO_BINDTODEVICE = 25;
const SOL_IP = 0;
const IP_TOS = 1;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_DONT = 0;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
/** DSCP CS6, network control (RFC 4594 section 3.1). */
const CLASS_SELECTOR_6 = 48 << 2;
/** The highest priority that needs no right. */
const PRIORITY = 6;
const RECEIVE_BUFFER_BYTES = 1 << 20;

const BATCH = 64;
const ADDRESS_SLOT = 128;
/** No heartbeat is longer than an Ethernet frame. */
const SLOT_BYTES = 2048;
const BATCHES_A_WAKE = 8;

export interface UdpOptions {
  readonly address: IpAddress;
  /** 0: any free one. */
  readonly port: number;
  /** The interface that carries the address; datagrams leave and arrive by it alone. */
  readonly device?: string;
  /** Called with the socket before it is bound; throws what the kernel refused. */
  readonly prepare?: (fd: number) => void;
}

export interface UdpEvents {
  /** `data` and `from` are valid until the callback returns. */
  readonly datagram: (data: Uint8Array, from: Readonly<DatagramSource>) => void;
  /** The loop found the socket readable, and all that had come was given. */
  readonly drained?: () => void;
  /** An error of the socket (-errno), such as an ICMP error or the interface going down; receiving goes on. */
  readonly trouble?: (status: number) => void;
}

export function openUdp(native: Native, options: UdpOptions, events: UdpEvents): Result<UdpSocket, string> {
  try {
    return success(new UdpSocket(native, options, events));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return failure(
      `heartbeat socket ${options.address} port ${options.port}${options.device === undefined ? "" : ` on ${options.device}`}: ${why}`,
    );
  }
}

export class UdpSocket {
  readonly #native: Native;
  #fd: number;
  readonly #handle: PollHandle;
  readonly #scope: number;
  readonly #v4: boolean;
  readonly #events: UdpEvents;
  readonly #buffer = new Uint8Array(BATCH * SLOT_BYTES);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #senders = new Uint8Array(BATCH * ADDRESS_SLOT);
  /** The socket addresses of the peers, made once. */
  readonly #peers = new Map<IpAddress, { readonly port: number; readonly address: Uint8Array }>();
  readonly #source = new DatagramSource();
  #open = true;

  /** Use openUdp. Throws what the kernel refused. */
  constructor(native: Native, options: UdpOptions, events: UdpEvents) {
    this.#native = native;
    this.#events = events;
    this.#v4 = isIpv4(options.address);
    this.#scope =
      options.device === undefined ? 0 : check(`interface ${options.device}`, native.interfaceIndex(options.device));
    const fd = check("socket", native.socket(this.#v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    this.#fd = fd;
    try {
      this.#configure(options);
      options.prepare?.(fd);
      check("bind", native.bind(fd, internetAddress(options.address, options.port, this.#scope)));
      const handle = native.poll(fd, 1, (status) => {
        this.#ready(status);
        events.drained?.();
      });
      if (typeof handle === "number") throw new Error(`poll: ${handle}`);
      this.#handle = handle;
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  /** The port it is bound to. */
  get port(): number {
    const name = new Uint8Array(28);
    check("getsockname", this.#native.getsockname(this.#fd, name));
    return ((name[2] ?? 0) << 8) | (name[3] ?? 0);
  }

  /** Bytes sent, or -errno; -EADDRNOTAVAIL for an address of the other family. */
  send(to: IpAddress, port: number, bytes: Uint8Array): number {
    if (isIpv4(to) !== this.#v4) return -EADDRNOTAVAIL;
    let peer = this.#peers.get(to);
    if (peer === undefined || peer.port !== port) {
      if (this.#peers.size >= 1024) this.#peers.clear();
      peer = { port, address: internetAddress(to, port, this.#scope) };
      this.#peers.set(to, peer);
    }
    return this.#native.send(this.#fd, bytes, peer.address);
  }

  /** Takes what has come already, without waiting for the loop. */
  read(): void {
    this.#ready(0);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#handle);
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  #configure(options: UdpOptions): void {
    const set = (level: number, name: number, value: number) =>
      this.#native.setsockopt(this.#fd, level, name, new Uint8Array(Uint32Array.of(value).buffer));
    set(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    if (this.#v4) {
      set(SOL_IP, IP_TOS, CLASS_SELECTOR_6);
      // A link with a smaller MTU on its way shall cut a heartbeat, not lose it.
      set(SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    } else {
      check("IPV6_V6ONLY", set(SOL_IPV6, IPV6_V6ONLY, 1));
      set(SOL_IPV6, IPV6_TCLASS, CLASS_SELECTOR_6);
    }
    // After IP_TOS, which sets the priority too.
    set(SOL_SOCKET, SO_PRIORITY, PRIORITY);
    if (options.device === undefined) return;
    check(
      `SO_BINDTODEVICE ${options.device}`,
      this.#native.setsockopt(this.#fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${options.device}\0`)),
    );
  }

  #ready(status: number): void {
    if (status < 0) this.#events.trouble?.(status);
    for (let round = 0; round < BATCHES_A_WAKE && this.#open; round++) {
      const count = this.#native.receiveBatch(this.#fd, this.#buffer, SLOT_BYTES, this.#lengths, this.#senders, null);
      if (count <= 0) return;
      for (let i = 0; i < count && this.#open; i++) this.#deliver(i);
      if (count < BATCH) return;
    }
  }

  #deliver(i: number): void {
    const length = this.#lengths[i] ?? 0;
    if (length > SLOT_BYTES) return;
    this.#source.bytes = this.#senders.subarray(i * ADDRESS_SLOT, (i + 1) * ADDRESS_SLOT);
    this.#events.datagram(this.#buffer.subarray(i * SLOT_BYTES, i * SLOT_BYTES + length), this.#source);
  }
}
