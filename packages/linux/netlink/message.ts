/**
 * Netlink messages (RFC 3549 section 2, netlink(7)): building with nested attributes, and reading with every length checked.
 *
 * Netlink speaks the machine's own byte order, except where nf_tables says big endian.
 */
import { endianness } from "node:os";

const LITTLE = endianness() === "LE";
const HEADER_BYTES = 16;
const ATTRIBUTE_TYPE = 0x3fff;
const NESTED = 0x8000;

export const REQUEST = 0x1;
export const ACK = 0x4;
export const REPLACE = 0x100;
export const DUMP = 0x300;
export const EXCLUSIVE = 0x200;
export const CREATE = 0x400;
export const APPEND = 0x800;

export const TYPE_ERROR = 2;
export const TYPE_DONE = 3;

/** Appends messages to one buffer, which is used again after `reset`. */
export class MessageWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #start = 0;
  #sequence = 0;

  /** The sequence number of the latest message; counts on over resets. */
  get sequence(): number {
    return this.#sequence;
  }

  /** What was written since the last reset; valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** Opens a message; everything up to `end` belongs to it. Returns its sequence number. */
  begin(type: number, flags: number): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    this.#start = this.#length;
    this.u32(0).u16(type).u16(flags).u32(this.#sequence).u32(0);
    return this.#sequence;
  }

  end(): void {
    this.#view.setUint32(this.#start, this.#length - this.#start, LITTLE);
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#view.setUint8(this.#length, value);
    this.#length += 1;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, LITTLE);
    this.#length += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, LITTLE);
    this.#length += 4;
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    this.u16(4 + value.length).u16(type);
    this.#reserve(value.length + 3);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    while (this.#length % 4 !== 0) this.#bytes[this.#length++] = 0;
    return this;
  }

  /** A number in the machine's order. */
  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** A number in network order, as nf_tables wants it. */
  attributeBe32(type: number, value: number): this {
    this.u16(8).u16(type);
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
    return this;
  }

  attributeBe64(type: number, value: number): this {
    this.u16(12).u16(type);
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, BigInt(value));
    this.#length += 8;
    return this;
  }

  /** Text with its terminating NUL. */
  attributeText(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`));
  }

  /** An attribute made of the attributes that `content` writes. */
  nested(type: number, content: () => void): this {
    const start = this.#length;
    this.u16(0).u16(type | NESTED);
    content();
    this.#view.setUint16(start, this.#length - start, LITTLE);
    return this;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The netlink port of who asked for what an event tells; 0: the kernel itself. */
  readonly port: number;
  /** Everything behind the header. */
  readonly payload: Uint8Array;
}

/** The messages of one datagram; ends at the first whose length is impossible. */
export function* messages(datagram: Uint8Array): Generator<Message> {
  const view = viewOf(datagram);
  let offset = 0;
  while (offset + HEADER_BYTES <= datagram.length) {
    const length = view.getUint32(offset, LITTLE);
    if (length < HEADER_BYTES || length > datagram.length - offset) return;
    yield {
      type: view.getUint16(offset + 4, LITTLE),
      flags: view.getUint16(offset + 6, LITTLE),
      sequence: view.getUint32(offset + 8, LITTLE),
      port: view.getUint32(offset + 12, LITTLE),
      payload: datagram.subarray(offset + HEADER_BYTES, offset + length),
    };
    offset += (length + 3) & ~3;
  }
}

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** The attributes from `offset` on, by type; ends at the first whose length is impossible. Of equal types the last counts. */
export function attributes(bytes: Uint8Array, offset: number): Attributes {
  const found = new Map<number, Uint8Array>();
  for (const [type, value] of attributeList(bytes, offset)) found.set(type, value);
  return found;
}

/** As `attributes`, for lists in which a type occurs many times. Empty for an offset outside the bytes. */
export function attributeList(bytes: Uint8Array, offset: number): [type: number, value: Uint8Array][] {
  const found: [number, Uint8Array][] = [];
  const view = viewOf(bytes);
  let at = offset < 0 ? bytes.length : offset;
  while (at + 4 <= bytes.length) {
    const length = view.getUint16(at, LITTLE);
    if (length < 4 || length > bytes.length - at) break;
    found.push([view.getUint16(at + 2, LITTLE) & ATTRIBUTE_TYPE, bytes.subarray(at + 4, at + length)]);
    at += (length + 3) & ~3;
  }
  return found;
}

/** Undefined when the attribute is absent or shorter than 4 bytes. */
export function readU32(bytes: Uint8Array | undefined, offset = 0): number | undefined {
  if (bytes === undefined || bytes.length < offset + 4) return undefined;
  return viewOf(bytes).getUint32(offset, LITTLE);
}

export function readI32(bytes: Uint8Array | undefined, offset = 0): number | undefined {
  const value = readU32(bytes, offset);
  return value === undefined ? undefined : value | 0;
}

export function readU16(bytes: Uint8Array | undefined, offset = 0): number | undefined {
  if (bytes === undefined || bytes.length < offset + 2) return undefined;
  return viewOf(bytes).getUint16(offset, LITTLE);
}

export function readBe32(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 4) return undefined;
  return viewOf(bytes).getUint32(0);
}

export function readBe64(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 8) return undefined;
  return Number(viewOf(bytes).getBigUint64(0));
}

/** The text up to its NUL. */
export function readText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("utf8");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
