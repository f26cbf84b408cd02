/** Echo requests from one address by one interface (raw(7), icmp(7)), and the replies that come back to it there. */
import { constants } from "node:os";
import { type IpAddress, isIpv4 } from "@holdfast/core/units/ip.ts";
import { emitEcho, parseEchoMessage, parseEchoPacket } from "@holdfast/core/wire/icmp-echo.ts";
import { check } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";
import { AF_INET, AF_INET6, internetAddress, readInternetAddress } from "./socket-address.ts";

const { EAGAIN } = constants.errno;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_DONTROUTE = 5;
const SO_BINDTODEVICE = 25;
const ICMP = 1;
const ICMPV6 = 58;
const SOL_RAW = 255;
/** Both families; a bit that is set keeps that type away. */
const FILTER = 1;
const ECHO_REPLY = 0;
const ECHO_REPLY6 = 129;
const SLOT_BYTES = 256;
const BATCH = 16;
const ADDRESS_SLOT = 128;
const TOKEN_BYTES = 8;

export interface EchoOptions {
  /** Must be on this machine; requests carry it, and replies to others are not heard. */
  readonly address: IpAddress;
  readonly interface: { readonly name: string; readonly index: number };
  /** What tells its replies from those to other programs: at least 8 bytes that nobody can guess. */
  readonly token: Uint8Array;
}

export class EchoSocket {
  readonly #native: Native;
  readonly #options: EchoOptions;
  readonly #v4: boolean;
  readonly #fd: number;
  readonly #handle: PollHandle;
  readonly #buffer = new Uint8Array(BATCH * SLOT_BYTES);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #senders = new Uint8Array(BATCH * ADDRESS_SLOT);
  #open = true;

  /** Throws when the address is not here, or the right (CAP_NET_RAW) is missing. */
  constructor(native: Native, options: EchoOptions, reply: (from: IpAddress, sequence: number) => void) {
    this.#native = native;
    this.#options = options;
    this.#v4 = isIpv4(options.address);
    const fd = check("echo socket", native.socket(this.#v4 ? AF_INET : AF_INET6, SOCK_RAW, this.#v4 ? ICMP : ICMPV6));
    this.#fd = fd;
    try {
      check("echo filter", native.setsockopt(fd, this.#v4 ? SOL_RAW : ICMPV6, FILTER, onlyReplies(this.#v4)));
      const device = Buffer.from(`${options.interface.name}\0`);
      check("echo interface", native.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device));
      // The stations are beside this machine, whatever its routes say.
      if (this.#v4) native.setsockopt(fd, SOL_SOCKET, SO_DONTROUTE, Uint8Array.of(1, 0, 0, 0));
      check("echo bind", native.bind(fd, internetAddress(options.address, 0)));
      const handle = native.poll(fd, 1, () => this.#ready(reply));
      if (typeof handle === "number") throw new Error(`echo poll: ${handle}`);
      this.#handle = handle;
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  /** One request; `sequence` 0 to 65535. Bytes sent, or -errno. */
  ask(target: IpAddress, sequence: number): number {
    if (!this.#open) return 0;
    const { token, interface: on } = this.#options;
    const message = emitEcho({
      version: this.#v4 ? 4 : 6,
      kind: "request",
      identifier: ((token[0] ?? 0) << 8) | (token[1] ?? 0),
      sequence,
      payload: token,
    });
    return this.#native.send(this.#fd, message, internetAddress(target, 0, on.index));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#handle);
    this.#native.close(this.#fd);
  }

  #ready(reply: (from: IpAddress, sequence: number) => void): void {
    const count = this.#native.receiveBatch(this.#fd, this.#buffer, SLOT_BYTES, this.#lengths, this.#senders, null);
    if (count === -EAGAIN || count <= 0) return;
    for (let i = 0; i < count && this.#open; i++) {
      const length = Math.min(this.#lengths[i] ?? 0, SLOT_BYTES);
      const bytes = this.#buffer.subarray(i * SLOT_BYTES, i * SLOT_BYTES + length);
      const echo = this.#v4 ? parseEchoPacket(bytes) : parseEchoMessage(bytes);
      if (!echo.ok || echo.value.kind !== "reply" || !isToken(echo.value.payload, this.#options.token)) continue;
      const from = readInternetAddress(this.#senders.subarray(i * ADDRESS_SLOT, (i + 1) * ADDRESS_SLOT));
      if (from !== undefined) reply(from.address, echo.value.sequence);
    }
  }
}

function isToken(payload: Uint8Array, token: Uint8Array): boolean {
  return (
    token.length >= TOKEN_BYTES && payload.length === token.length && payload.every((byte, i) => byte === token[i])
  );
}

function onlyReplies(v4: boolean): Uint8Array {
  const words = new Uint32Array(v4 ? 1 : 8).fill(0xffff_ffff);
  const type = v4 ? ECHO_REPLY : ECHO_REPLY6;
  words[type >> 5] = (words[type >> 5] ?? 0) & ~(1 << (type & 31));
  return new Uint8Array(words.buffer);
}
