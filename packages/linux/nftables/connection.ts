/** An nfnetlink socket: transactions and look-ups, answered in the same turn, for the kernel works in the sender's call. */
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { check, errnoName, native } from "../load.ts";
import { type Answer, answers, encode, encodeBatch, errorOf, FLAG, isDone, type Request } from "./message.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_NETFILTER = 12;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const GROUP_NFTABLES = 7;
const BUFFER_BYTES = 8 * 1024 * 1024;

/** Why the kernel refused: the request it refused and the error's name ("ENOENT"). */
export interface Refusal {
  readonly what: string;
  readonly code: string;
}

export function refusalText(refusal: Refusal): string {
  return `${refusal.what}: ${refusal.code}`;
}

export class Connection {
  readonly descriptor: number;
  /** The socket's netlink port: the owner of tables with the flag OWNER. */
  readonly port: number;
  #sequence = 1;
  readonly #buffer = Buffer.alloc(64 * 1024);

  constructor() {
    this.descriptor = check("netlink socket", native.socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
    check("bind of the netlink socket", native.bind(this.descriptor, address(0)));
    const own = Buffer.alloc(12);
    check("name of the netlink socket", native.getsockname(this.descriptor, own));
    this.port = own.readUInt32LE(4);
    // Without the right to it the default size does for some hundred addresses.
    native.setsockopt(this.descriptor, SOL_SOCKET, SO_SNDBUFFORCE, int(BUFFER_BYTES));
    native.setsockopt(this.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, int(BUFFER_BYTES));
    native.setsockopt(this.descriptor, SOL_NETLINK, NETLINK_CAP_ACK, int(1));
  }

  /** Hear of every change of nf_tables in this network namespace, on this socket. */
  subscribe(): void {
    check("netlink events", native.setsockopt(this.descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int(GROUP_NFTABLES)));
  }

  /** All of it, or nothing. */
  transaction(requests: readonly Request[]): Result<void, Refusal> {
    const first = this.#sequence;
    this.#sequence += requests.length + 2;
    const sent = native.send(this.descriptor, encodeBatch(requests, first), address(0));
    if (sent < 0) return failure({ what: "transaction", code: errnoName(sent) });
    let acknowledged = false;
    let refusal: Refusal | undefined;
    for (const answer of this.receive()) {
      const error = errorOf(answer);
      if (error === 0) acknowledged = true;
      else if (error !== undefined && refusal === undefined) {
        refusal = { what: requests[answer.sequence - first - 1]?.what ?? "transaction", code: errnoName(error) };
      }
    }
    if (refusal !== undefined) return failure(refusal);
    return acknowledged ? success(undefined) : failure({ what: "transaction", code: "no answer" });
  }

  /** What the kernel has: the answers to one look-up or list. */
  ask(request: Request): Result<readonly Answer[], Refusal> {
    this.#sequence += 1;
    const isList = (request.flags & FLAG.dump) === FLAG.dump;
    const sent = native.send(this.descriptor, encode(request, this.#sequence), address(0));
    if (sent < 0) return failure({ what: request.what, code: errnoName(sent) });
    const found: Answer[] = [];
    for (const answer of this.receive()) {
      if (answer.sequence !== this.#sequence) continue;
      const error = errorOf(answer);
      if (error !== undefined && error !== 0) return failure({ what: request.what, code: errnoName(error) });
      if (error === undefined && !isDone(answer)) found.push({ ...answer, body: Uint8Array.from(answer.body) });
      if (!isList || isDone(answer)) break;
    }
    return success(found);
  }

  /** Everything that waits on the socket. */
  *receive(): Generator<Answer> {
    for (;;) {
      const length = native.receive(this.descriptor, this.#buffer, null);
      if (length <= 0) return;
      yield* answers(this.#buffer.subarray(0, Math.min(length, this.#buffer.length)));
    }
  }

  close(): void {
    native.close(this.descriptor);
  }
}

function address(groups: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(AF_NETLINK, 0);
  bytes.writeUInt32LE(groups, 8);
  return bytes;
}

function int(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
