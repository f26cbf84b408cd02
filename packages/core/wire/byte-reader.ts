/**
 * Reads numbers, names, identities and texts in network byte order from untrusted bytes.
 *
 * The first thing that does not fit is kept in `error` and everything read afterwards is zero or empty, so that a parser
 * reads straight on and looks at `error` once for each entry. Nothing throws, nothing is read outside the bounds.
 */
import { isName } from "../units/names.ts";
import { readUtf8 } from "./utf8.ts";
import type { ParseError, ParseErrorKind } from "./parse-error.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #error: ParseError | undefined;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get error(): ParseError | undefined {
    return this.#error;
  }

  /** True while there is something left to read and nothing was wrong. */
  get more(): boolean {
    return this.#error === undefined && this.#position < this.#end;
  }

  fail(kind: ParseErrorKind, what: string): void {
    this.#error ??= { kind, at: this.#position, what };
  }

  u8(what: string): number {
    return this.#take(1, what) ? (this.#bytes[this.#position++] ?? 0) : 0;
  }

  u16(what: string): number {
    if (!this.#take(2, what)) return 0;
    return ((this.#bytes[this.#position++] ?? 0) << 8) | (this.#bytes[this.#position++] ?? 0);
  }

  u32(what: string): number {
    if (!this.#take(4, what)) return 0;
    const high = ((this.#bytes[this.#position++] ?? 0) << 8) | (this.#bytes[this.#position++] ?? 0);
    const low = ((this.#bytes[this.#position++] ?? 0) << 8) | (this.#bytes[this.#position++] ?? 0);
    return ((high << 16) | low) >>> 0;
  }

  u48(what: string): number {
    if (!this.#take(6, what)) return 0;
    return this.u16(what) * 0x1_0000_0000 + this.u32(what);
  }

  /** 0 or 1. */
  flag(what: string): boolean {
    const value = this.u8(what);
    if (value > 1) this.fail("value", what);
    return value === 1;
  }

  /** A code that stands for one of `words`. */
  word<Word extends string>(words: readonly [Word, ...Word[]], what: string): Word {
    const word = words[this.u8(what)];
    if (word === undefined) this.fail("value", what);
    return word ?? words[0];
  }

  /** A name of 1 to 32 bytes in the form `isName` demands. */
  name(what: string): string {
    const name = this.optionalName(what);
    if (name === undefined) this.fail("value", what);
    return name ?? "";
  }

  /** Undefined for a length of 0. */
  optionalName(what: string): string | undefined {
    const length = this.u8(what);
    if (length === 0 || !this.#take(length, what)) return undefined;
    let name = "";
    const end = this.#position + length;
    for (let i = this.#position; i < end; i++) name += String.fromCharCode(this.#bytes[i] ?? 0);
    if (!isName(name)) this.fail("value", what);
    this.#position = end;
    return name;
  }

  /** `count` bytes as lower-case hex digits. */
  hex(count: number, what: string): string {
    if (!this.#take(count, what)) return "";
    let digits = "";
    for (let i = 0; i < count; i++) digits += HEX[this.#bytes[this.#position++] ?? 0] ?? "";
    return digits;
  }

  /** A view of `count` bytes; of none when there are fewer. */
  raw(count: number, what: string): Uint8Array {
    if (!this.#take(count, what)) return this.#bytes.subarray(0, 0);
    this.#position += count;
    return this.#bytes.subarray(this.#position - count, this.#position);
  }

  /** UTF-8 behind its length in 16 bits, at most `maximumBytes` of it; invalid sequences become U+FFFD. */
  text(maximumBytes: number, what: string): string {
    const length = this.u16(what);
    if (length > maximumBytes) this.fail("long", what);
    if (!this.#take(length, what)) return "";
    this.#position += length;
    return readUtf8(this.#bytes, this.#position - length, this.#position);
  }

  /** A reader of the next `length` bytes alone; this one goes on behind them. */
  part(length: number, what: string): ByteReader {
    if (!this.#take(length, what)) return new ByteReader(this.#bytes, 0, 0);
    this.#position += length;
    return new ByteReader(this.#bytes, this.#position - length, this.#position);
  }

  /** Ends the reading of a part: takes over its error, and counts bytes it left unread as one. */
  finish(part: ByteReader, what: string): void {
    if (part.#error === undefined && part.#position < part.#end) part.fail("long", what);
    this.#error ??= part.#error;
  }

  #take(count: number, what: string): boolean {
    if (this.#error !== undefined) return false;
    if (this.#end - this.#position >= count) return true;
    this.fail("short", what);
    return false;
  }
}
