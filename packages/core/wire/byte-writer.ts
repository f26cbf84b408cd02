/** Writes numbers, names, identities and texts in network byte order into a buffer that grows. */
import { writeUtf8 } from "./utf8.ts";

/** A usual heartbeat has 240 bytes. */
const FIRST_CAPACITY = 512;

export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written; shares memory with the writer, which changes it when it is used again. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begin anew in the same memory. */
  clear(): void {
    this.#length = 0;
  }

  /** A copy of what was written since `start`, a `length` of before. */
  copyFrom(start: number): Uint8Array {
    return this.#bytes.slice(start, this.#length);
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.#bytes[this.#length++] = value >>> 24;
    this.#bytes[this.#length++] = value >>> 16;
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
  }

  /** A whole number below 2^48; anything else becomes the nearest one (not a number: 0). */
  u48(value: number): void {
    const whole = clamp(value, 0xffff_ffff_ffff);
    this.u16(Math.floor(whole / 0x1_0000_0000));
    this.u32(whole % 0x1_0000_0000);
  }

  /** Unsigned 16 bits; larger values become 65535, negative ones and NaN 0, fractions are cut. */
  saturated16(value: number): void {
    this.u16(clamp(value, 0xffff));
  }

  /** Unsigned 32 bits, saturated in the same way. */
  saturated32(value: number): void {
    this.u32(clamp(value, 0xffff_ffff));
  }

  /** A name of 1 to 32 ASCII characters behind its length; undefined is written as length 0. */
  name(name: string | undefined): void {
    const length = name?.length ?? 0;
    this.#room(1 + length);
    this.#bytes[this.#length++] = length;
    if (name === undefined) return;
    for (let i = 0; i < length; i++) this.#bytes[this.#length++] = name.charCodeAt(i);
  }

  /** An identity or digest given as hex digits: half as many bytes. */
  hex(digits: string): void {
    this.#room(digits.length / 2);
    for (let i = 0; i < digits.length; i += 2) {
      this.#bytes[this.#length++] = (nibble(digits.charCodeAt(i)) << 4) | nibble(digits.charCodeAt(i + 1));
    }
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** UTF-8 behind its length in 16 bits, cut at a character boundary so that it takes at most `maximumBytes`. */
  text(text: string, maximumBytes: number): void {
    this.#room(2 + maximumBytes);
    const start = this.#length + 2;
    const end = writeUtf8(text, this.#bytes, start, start + maximumBytes);
    this.u16(end - start);
    this.#length = end;
  }

  /** Leaves room for a length of 16 bits; `end` with the returned mark writes how much followed. */
  begin(): number {
    this.u16(0);
    return this.#length;
  }

  /** Throws when more than 65535 bytes were written since `begin`: a caller that did not split its message. */
  end(mark: number): void {
    const length = this.#length - mark;
    if (length > 0xffff)
      throw new RangeError(`a section of ${length} bytes does not fit in 16 bits; split the message`);
    this.#bytes[mark - 2] = length >>> 8;
    this.#bytes[mark - 1] = length;
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

function clamp(value: number, maximum: number): number {
  // Written so that NaN fails the first comparison too.
  if (!(value > 0)) return 0;
  return value >= maximum ? maximum : Math.floor(value);
}

/** Of '0' to '9' and 'a' to 'f'. */
function nibble(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
