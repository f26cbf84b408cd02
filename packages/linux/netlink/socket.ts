/**
 * Netlink sockets: one that asks and reads the answer at once (the kernel answers inside send), one that hears events.
 */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { check, errnoName } from "../load.ts";
import { ACK, attributes, messages, readI32, readText, readU32, REQUEST, TYPE_DONE, TYPE_ERROR } from "./message.ts";
import type { Message, MessageWriter } from "./message.ts";
import type { Native, PollHandle } from "../native.ts";

const { EAGAIN, EINTR, EIO, ENOBUFS } = constants.errno;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

const FLAG_CAPPED = 0x100;
const FLAG_ACK_TLVS = 0x200;
const FLAG_DUMP_INTERRUPTED = 0x10;
/** Large rule sets and answers to large batches must fit. */
const SOCKET_BUFFER_BYTES = 8 << 20;
const DATAGRAM_BYTES = 256 << 10;

/** What the kernel refused: `errno` positive, `detail` its own words where it has some. */
export interface NetlinkError {
  readonly errno: number;
  readonly sequence: number;
  readonly detail: string;
}

export function describe(error: NetlinkError): string {
  return error.detail === "" ? errnoName(-error.errno) : `${errnoName(-error.errno)} (${error.detail})`;
}

function openSocket(native: Native, protocol: number): number {
  const fd = check("netlink socket", native.socket(AF_NETLINK, SOCK_RAW, protocol));
  check("netlink bind", native.bind(fd, netlinkAddress()));
  const bytes = new Uint8Array(Uint32Array.of(SOCKET_BUFFER_BYTES).buffer);
  // Force needs CAP_NET_ADMIN in the first user namespace; without it the system's limit must do.
  if (native.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes) < 0) native.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, bytes);
  if (native.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) < 0) native.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  return fd;
}

function netlinkAddress(): Uint8Array {
  const address = new Uint8Array(12);
  new Uint16Array(address.buffer)[0] = AF_NETLINK;
  return address;
}

/** NLMSG_NOOP: acknowledged, and nothing else. */
const TYPE_NOOP = 1;

/** Whether the kernel answers at all. */
export function answers(socket: RequestSocket, writer: MessageWriter): Result<void, string> {
  writer.reset();
  writer.begin(TYPE_NOOP, REQUEST | ACK);
  writer.end();
  const [error] = socket.acknowledge(writer.bytes, 1);
  return error === undefined
    ? success(undefined)
    : failure(`the kernel does not answer by netlink: ${describe(error)}`);
}

/** Asks and reads the answers before it returns. */
export class RequestSocket {
  readonly #native: Native;
  #fd: number;
  readonly #buffer = new Uint8Array(DATAGRAM_BYTES);
  #interrupted = false;

  /** Throws when the socket cannot be had. */
  constructor(native: Native, protocol: number) {
    this.#native = native;
    this.#fd = openSocket(native, protocol);
    const on = Uint8Array.of(1, 0, 0, 0);
    native.setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, on);
    native.setsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, on);
  }

  /** This socket's netlink port: the owner that the kernel notes for a table, the sender that events name. */
  get port(): number {
    const name = new Uint8Array(12);
    check("netlink getsockname", this.#native.getsockname(this.#fd, name));
    return readU32(name, 4) ?? 0;
  }

  /**
   * Sends `bytes` and collects `expected` acknowledgements; the errors among them in the order of their messages.
   * Empty: all was done. Fewer answers than expected is an error too (EIO).
   */
  acknowledge(bytes: Uint8Array, expected: number): NetlinkError[] {
    this.#drain();
    const sent = this.#native.send(this.#fd, bytes, null);
    if (sent < 0) return [{ errno: -sent, sequence: 0, detail: "netlink send" }];
    const errors: NetlinkError[] = [];
    let seen = 0;
    while (seen < expected) {
      const datagram = this.#receive();
      if (typeof datagram === "number") {
        if (errors.length === 0)
          errors.push({
            errno: datagram === EAGAIN ? EIO : datagram,
            sequence: 0,
            detail: "no answer from the kernel",
          });
        return errors;
      }
      for (const message of messages(datagram)) {
        if (message.type !== TYPE_ERROR) continue;
        seen++;
        const error = readError(message);
        if (error.errno !== 0) errors.push(error);
      }
    }
    return errors;
  }

  /** Sends a request with the DUMP flag and hands each message of the answer to `take`. An interrupted dump is EINTR. */
  dump(bytes: Uint8Array, take: (message: Message) => void): Result<void, NetlinkError> {
    const started = this.startDump(bytes);
    if (!started.ok) return started;
    for (;;) {
      const part = this.dumpPart(take);
      if (!part.ok) return part;
      if (part.value === "done") return success(undefined);
    }
  }

  /** For a dump that is read a part at a time: the kernel makes the next one when the one before was read. */
  startDump(bytes: Uint8Array): Result<void, NetlinkError> {
    this.#drain();
    this.#interrupted = false;
    const sent = this.#native.send(this.#fd, bytes, null);
    return sent < 0 ? failure({ errno: -sent, sequence: 0, detail: "netlink send" }) : success(undefined);
  }

  /** One datagram of the dump that was started, some hundred messages. */
  dumpPart(take: (message: Message) => void): Result<"more" | "done", NetlinkError> {
    const datagram = this.#receive();
    if (typeof datagram === "number") return failure({ errno: datagram, sequence: 0, detail: "netlink dump" });
    for (const message of messages(datagram)) {
      if ((message.flags & FLAG_DUMP_INTERRUPTED) !== 0) this.#interrupted = true;
      if (message.type === TYPE_ERROR) {
        const error = readError(message);
        return error.errno === 0 ? success("done") : failure(error);
      }
      if (message.type === TYPE_DONE) {
        // A dump that cannot begin ends at once, and says why in its end.
        const errno = -(readI32(message.payload) ?? 0);
        if (errno > 0) return failure({ errno, sequence: message.sequence, detail: "" });
        return this.#interrupted
          ? failure({ errno: EINTR, sequence: 0, detail: "changed during the dump" })
          : success("done");
      }
      take(message);
    }
    return success("more");
  }

  /** Closes the socket; tables it owned are orphaned or deleted by the kernel. */
  close(): void {
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  /** The next datagram, or a positive errno. */
  #receive(): Uint8Array | number {
    const length = this.#native.receive(this.#fd, this.#buffer, null);
    if (length < 0) return -length;
    return this.#buffer.subarray(0, Math.min(length, this.#buffer.length));
  }

  /** What an earlier request that ended by an error left unread. */
  #drain(): void {
    for (let i = 0; i < 10_000; i++) {
      const length = this.#native.receive(this.#fd, this.#buffer, null);
      if (length < 0 && length !== -ENOBUFS) return;
    }
  }
}

function readError(message: Message): NetlinkError {
  const code = readI32(message.payload) ?? -EIO;
  let detail = "";
  // The request comes back behind the code: its header only when capped, else all of it; then the kernel's words.
  if ((message.flags & FLAG_ACK_TLVS) !== 0) {
    const echoed = (message.flags & FLAG_CAPPED) !== 0 ? 16 : (readU32(message.payload, 4) ?? 16);
    detail = readText(attributes(message.payload, 4 + ((echoed + 3) & ~3)).get(1)) ?? "";
  }
  return { errno: -code, sequence: message.sequence, detail };
}

/** Hears multicast groups; `overrun` says that events were lost and the caller has to look for itself. */
export class EventSocket {
  readonly #native: Native;
  readonly #fd: number;
  readonly #handle: PollHandle;
  readonly #buffer = new Uint8Array(DATAGRAM_BYTES);
  readonly #take: (message: Message) => void;
  readonly #overrun: () => void;
  #open = true;

  /** Throws when the socket, a group or the watcher cannot be had. */
  constructor(
    native: Native,
    protocol: number,
    groups: readonly number[],
    take: (message: Message) => void,
    overrun: () => void,
  ) {
    this.#native = native;
    this.#take = take;
    this.#overrun = overrun;
    this.#fd = openSocket(native, protocol);
    for (const group of groups) {
      const value = new Uint8Array(Uint32Array.of(group).buffer);
      check(`netlink group ${group}`, native.setsockopt(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, value));
    }
    const handle = native.poll(this.#fd, 1, (status) => this.#ready(status));
    if (typeof handle === "number") {
      check("netlink poll", handle);
      throw new Error("poll returned neither a handle nor an error");
    }
    this.#handle = handle;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#handle);
    this.#native.close(this.#fd);
  }

  /** Takes what has come already, without waiting for the loop. */
  read(): void {
    this.#ready(0);
  }

  #ready(status: number): void {
    let lost = status === -ENOBUFS;
    while (this.#open) {
      const length = this.#native.receive(this.#fd, this.#buffer, null);
      if (length === -ENOBUFS) lost = true;
      else if (length < 0) break;
      else if (length > this.#buffer.length) lost = true;
      else for (const message of messages(this.#buffer.subarray(0, length))) this.#take(message);
    }
    if (lost && this.#open) this.#overrun();
  }
}
