/**
 * TCP connections of this network namespace by sock_diag(7): found by their local address, and reset as `ss -K` does it.
 *
 * Each socket found is ended by SOCK_DESTROY, for which the kernel needs CONFIG_INET_DIAG_DESTROY (Debian's have it): its
 * client gets a RST at once, its program ECONNABORTED. Listening sockets are left alone.
 */
import { constants } from "node:os";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { ipBytes } from "@holdfast/core/units/ip.ts";
import type { Native } from "./native.ts";
import { ACK, DUMP, type Message, MessageWriter, REQUEST } from "./netlink/message.ts";
import { describe, type NetlinkError, RequestSocket } from "./netlink/socket.ts";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;

const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;

/** The states of include/net/tcp_states.h in which a peer may still send: all but TIME_WAIT, CLOSE and LISTEN. */
const STATES = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) | (1 << 11) | (1 << 12);

/** `struct inet_diag_msg`: family, state, timer, retransmissions, then the identity of the socket. */
const IDENTITY_AT = 4;
const IDENTITY_BYTES = 48;
/** In the identity, behind two ports. */
const SOURCE_AT = IDENTITY_AT + 4;
const MAPPED_PREFIX = "00000000000000000000ffff";

/** One turn of the loop reads or resets for so long, and at least one part. */
const TURN_MS = 1;
/** A part: sockets that one request ends. */
const BATCH = 32;
/** A connection that ends while the kernel lists them can hide another one: look again until none is left. */
const PASSES_MAX = 4;

const { EIO, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT } = constants.errno;

export interface ResetOutcome {
  /** Connections that were reset. */
  readonly reset: number;
  /** Why not all of them were; "" when they were. */
  readonly trouble: string;
}

interface FoundSocket {
  readonly family: number;
  readonly identity: Uint8Array;
}

/**
 * Resets the TCP connections of this thread's network namespace whose local address is one of `addresses` (IPv4 also where a
 * program has it as IPv4-mapped IPv6), in parts so that the loop is never held for more than some milliseconds. Never
 * rejects.
 */
export function resetConnections(native: Native, addresses: readonly IpAddress[]): Promise<ResetOutcome> {
  if (addresses.length === 0) return Promise.resolve({ reset: 0, trouble: "" });
  let resetter: Resetter;
  try {
    resetter = new Resetter(native, addresses);
  } catch (error) {
    const trouble = error instanceof Error ? error.message : String(error);
    return Promise.resolve({ reset: 0, trouble });
  }
  return new Promise((resolve) => {
    const turn = (): void => {
      if (resetter.turn()) setImmediate(turn);
      else resolve(resetter.outcome());
    };
    setImmediate(turn);
  });
}

class Resetter {
  readonly #native: Native;
  readonly #wanted: ReadonlySet<string>;
  /** Apart: the kernel goes on with a dump only when nothing else is read in between. */
  readonly #list: RequestSocket;
  readonly #destroy: RequestSocket;
  readonly #writer = new MessageWriter();
  #found: FoundSocket[] = [];
  /** Families still to be listed in this pass; the first is being listed. */
  #families: number[] = [];
  #listing = false;
  #passes = 0;
  #reset = 0;
  /** Of the passes before this one. */
  #resetBefore = 0;
  #trouble = "";

  constructor(native: Native, addresses: readonly IpAddress[]) {
    this.#native = native;
    this.#wanted = new Set(addresses.flatMap(identitiesOf));
    this.#list = new RequestSocket(native, NETLINK_SOCK_DIAG);
    this.#destroy = new RequestSocket(native, NETLINK_SOCK_DIAG);
  }

  outcome(): ResetOutcome {
    this.#list.close();
    this.#destroy.close();
    return { reset: this.#reset, trouble: this.#trouble };
  }

  /** A turn's worth of work; false when there is no more. */
  turn(): boolean {
    const end = this.#native.monotonic() + TURN_MS * 1e6;
    do {
      if (!this.#part()) return false;
    } while (this.#native.monotonic() < end);
    return true;
  }

  #part(): boolean {
    if (this.#trouble !== "") return false;
    const listed = this.#families.length === 0;
    // Clients should not wait until all are listed.
    if (this.#found.length >= BATCH || (listed && this.#found.length > 0)) this.#destroySome();
    else if (this.#listing) this.#listOn();
    else if (!listed) this.#startList();
    else return this.#nextPass();
    return true;
  }

  #nextPass(): boolean {
    const resetSome = this.#passes === 0 || this.#reset > this.#resetBefore;
    if (!resetSome || this.#passes >= PASSES_MAX) return false;
    this.#resetBefore = this.#reset;
    this.#passes += 1;
    // Sockets of AF_INET6 may have IPv4 addresses.
    this.#families = [AF_INET, AF_INET6];
    return true;
  }

  #startList(): void {
    const writer = this.#writer;
    writer.reset();
    writer.begin(SOCK_DIAG_BY_FAMILY, REQUEST | DUMP);
    writeRequest(writer, this.#families[0] ?? AF_INET, new Uint8Array(IDENTITY_BYTES));
    writer.end();
    const started = this.#list.startDump(writer.bytes);
    this.#listing = started.ok;
    if (!started.ok) this.#trouble = troubleOf("list", started.error);
  }

  #listOn(): void {
    const part = this.#list.dumpPart((message) => this.#take(message));
    if (part.ok && part.value === "more") return;
    this.#listing = false;
    const family = this.#families.shift();
    if (part.ok) return;
    // Without IPv6 in the kernel there is nothing of it to reset.
    if (part.error.errno === ENOENT && family === AF_INET6) return;
    this.#trouble = troubleOf("list", part.error);
  }

  #take({ type, payload }: Message): void {
    if (type !== SOCK_DIAG_BY_FAMILY || payload.length < IDENTITY_AT + IDENTITY_BYTES) return;
    const family = payload[0] ?? 0;
    const length = family === AF_INET ? 4 : 16;
    if (!this.#wanted.has(hex(payload.subarray(SOURCE_AT, SOURCE_AT + length)))) return;
    // The buffer is used again.
    this.#found.push({ family, identity: payload.slice(IDENTITY_AT, IDENTITY_AT + IDENTITY_BYTES) });
  }

  #destroySome(): void {
    const some = this.#found.splice(-BATCH);
    const writer = this.#writer;
    writer.reset();
    for (const { family, identity } of some) {
      writer.begin(SOCK_DESTROY, REQUEST | ACK);
      writeRequest(writer, family, identity);
      writer.end();
    }
    const errors = this.#destroy.acknowledge(writer.bytes, some.length);
    this.#reset += some.length - errors.length;
    // Gone by itself in the meantime: as good as reset.
    const bad = errors.find((error) => error.errno !== ENOENT);
    if (bad !== undefined) this.#trouble = troubleOf("reset", bad);
  }
}

/** `struct inet_diag_req_v2`; an identity of zeros: any. */
function writeRequest(writer: MessageWriter, family: number, identity: Uint8Array): void {
  writer.u8(family).u8(IPPROTO_TCP).u8(0).u8(0).u32(STATES);
  for (const byte of identity) writer.u8(byte);
}

/** How the kernel writes an address: as it is, and an IPv4 one also inside an IPv6 socket. */
function identitiesOf(address: IpAddress): string[] {
  const bytes = hex(ipBytes(address));
  return bytes.length === 8 ? [bytes, MAPPED_PREFIX + bytes] : [bytes];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

function troubleOf(what: string, error: NetlinkError): string {
  if (what === "reset" && error.errno === EOPNOTSUPP)
    return "this kernel cannot reset connections (CONFIG_INET_DIAG_DESTROY)";
  if (what === "list" && [ENOENT, EPROTONOSUPPORT, EIO].includes(error.errno))
    return `this kernel does not list connections (CONFIG_INET_DIAG): ${describe(error)}`;
  return `cannot ${what} connections: ${describe(error)}`;
}
