/**
 * Builds nf_tables messages for nfnetlink: headers, attributes, a batch that the kernel applies as one transaction.
 * The names are those of linux/netfilter/nfnetlink.h and nf_tables.h; numbers in attributes are big endian.
 */

export const FAMILY = { inet: 1, arp: 3, netdev: 5 } as const;
export type Family = (typeof FAMILY)[keyof typeof FAMILY];

const SUBSYSTEM = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;

/** Message types of the nf_tables subsystem. */
export const MESSAGE = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  deleteChain: 5,
  newRule: 6,
  deleteRule: 8,
  newSet: 9,
  deleteSet: 11,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
} as const;

export const FLAG = { request: 1, ack: 4, dump: 0x300, create: 0x400, append: 0x800 } as const;

export const HEADER_BYTES = 20;

/** An attribute: its type and its bytes (nested attributes are bytes too). */
export type Attribute = readonly [type: number, value: Uint8Array];

const NESTED = 0x8000;

export function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`, "latin1");
}

export function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** In the kernel's own byte order, for what nf_tables compares with its own variables. */
export function native32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new Uint32Array(bytes.buffer)[0] = value;
  return bytes;
}

/** Attributes one after the other, each padded to four bytes. */
export function attributes(...list: readonly Attribute[]): Uint8Array {
  const size = list.reduce((sum, [, value]) => sum + 4 + padded(value.length), 0);
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const [type, value] of list) {
    if (value.length + 4 > 0xffff) throw new RangeError(`attribute ${type & 0x7fff} has ${value.length} bytes`);
    bytes.writeUInt16LE(value.length + 4, at);
    bytes.writeUInt16LE(type, at + 2);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  return bytes;
}

export function nested(type: number, ...list: readonly Attribute[]): Attribute {
  return [type | NESTED, attributes(...list)];
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** One request; `what` names it in errors. */
export interface Request {
  readonly what: string;
  readonly type: number;
  readonly flags: number;
  readonly family: Family;
  readonly body: Uint8Array;
}

export function encode(request: Request, sequence: number): Uint8Array {
  return raw((SUBSYSTEM << 8) | request.type, request.flags | FLAG.request, request.family, 0, sequence, request.body);
}

/** The requests as one transaction; request i has the sequence number `first + 1 + i`. The last one is acknowledged. */
export function encodeBatch(requests: readonly Request[], first: number): Uint8Array {
  const messages = requests.map((request, i) => {
    const flags = i === requests.length - 1 ? request.flags | FLAG.ack : request.flags;
    return encode({ ...request, flags }, first + 1 + i);
  });
  const begin = raw(BATCH_BEGIN, FLAG.request, 0, SUBSYSTEM, first, new Uint8Array());
  const end = raw(BATCH_END, FLAG.request, 0, SUBSYSTEM, first + 1 + requests.length, new Uint8Array());
  return Buffer.concat([begin, ...messages, end]);
}

function raw(type: number, flags: number, family: number, resource: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes[16] = family;
  bytes.writeUInt16BE(resource, 18);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** A message from the kernel, its parts not yet looked at. */
export interface Answer {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The socket that asked, or that made the change an event tells of. */
  readonly port: number;
  readonly body: Uint8Array;
}

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** Splits what one receive brought; stops at the first message that does not fit. */
export function* answers(bytes: Uint8Array): Generator<Answer> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= view.length; ) {
    const length = view.readUInt32LE(at);
    if (length < 16 || at + length > view.length) return;
    yield {
      type: view.readUInt16LE(at + 4),
      flags: view.readUInt16LE(at + 6),
      sequence: view.readUInt32LE(at + 8),
      port: view.readUInt32LE(at + 12),
      body: view.subarray(at + 16, at + length),
    };
    at += padded(length);
  }
}

/** The error an answer carries: 0 for an acknowledgement, -errno, undefined when it is not an error message. */
export function errorOf(answer: Answer): number | undefined {
  if (answer.type !== NLMSG_ERROR || answer.body.length < 4) return undefined;
  return Buffer.from(answer.body).readInt32LE(0);
}

export function isDone(answer: Answer): boolean {
  return answer.type === NLMSG_DONE;
}

/** The nf_tables message type of an answer or event; undefined for another subsystem. */
export function messageType(answer: Answer): number | undefined {
  return answer.type >> 8 === SUBSYSTEM ? answer.type & 0xff : undefined;
}

/** The attributes of a body, by type; `skip` bytes of header come first (4 for nf_tables messages). */
export function parseAttributes(bytes: Uint8Array, skip = 0): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const [type, value] of eachAttribute(bytes, skip)) found.set(type, value);
  return found;
}

export function* eachAttribute(bytes: Uint8Array, skip = 0): Generator<Attribute> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = skip; at + 4 <= view.length; ) {
    const length = view.readUInt16LE(at);
    if (length < 4 || at + length > view.length) return;
    yield [view.readUInt16LE(at + 2) & 0x3fff, view.subarray(at + 4, at + length)];
    at += padded(length);
  }
}

export function textOf(value: Uint8Array | undefined): string {
  return value === undefined ? "" : Buffer.from(value).toString("latin1").replace(/\0.*$/s, "");
}
