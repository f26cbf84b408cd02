/**
 * For tests: a serial line between two pseudo terminals. A pty has no speed: bytes are passed on at that of the line, by
 * looking every few milliseconds, and wait in the kernel meanwhile, as they do before a slow port.
 */
import { rmSync, symlinkSync } from "node:fs";
import { check } from "../load.ts";
import type { Native } from "../native.ts";

const LOOK_MS = 3;
const BITS_A_BYTE = 10;

export type Side = 0 | 1;

export class EmulatedLine {
  readonly #native: Native;
  readonly #bytes_per_ms: number;
  readonly #paths: readonly [string, string];
  readonly #masters: [number, number] = [-1, -1];
  /** What may pass in each direction, by the side it comes from. */
  readonly #credit: [number, number] = [0, 0];
  readonly #busy: [boolean, boolean] = [false, false];
  readonly passed: [number, number] = [0, 0];
  /** What becomes of bytes on their way from a side; a test changes it to make noise. */
  alter: (bytes: Uint8Array, from: Side) => Uint8Array = (bytes) => bytes;
  readonly #timer: NodeJS.Timeout;
  #lookedAt: number;

  /** The two ends appear as `paths`, which are symbolic links. */
  constructor(native: Native, baud: number, paths: readonly [string, string]) {
    this.#native = native;
    this.#bytes_per_ms = baud / BITS_A_BYTE / 1000;
    this.#paths = paths;
    this.#lookedAt = native.monotonic() / 1e6;
    this.plug(0);
    this.plug(1);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** The device of a side is there (again). */
  plug(side: Side): void {
    if (this.#masters[side] >= 0) return;
    const name = new Uint8Array(64);
    this.#masters[side] = check("pty", this.#native.openPseudoTerminal(name));
    rmSync(this.#paths[side], { force: true });
    symlinkSync(Buffer.from(name.subarray(0, name.indexOf(0))).toString(), this.#paths[side]);
  }

  /** The device of a side vanishes, as that of a USB adapter that is pulled out. */
  unplug(side: Side): void {
    if (this.#masters[side] < 0) return;
    rmSync(this.#paths[side], { force: true });
    this.#native.close(this.#masters[side]);
    this.#masters[side] = -1;
  }

  /** Bytes that no end sent arrive at a side. */
  inject(side: Side, bytes: Uint8Array): void {
    if (this.#masters[side] >= 0) this.#native.write(this.#masters[side], bytes);
  }

  close(): void {
    clearInterval(this.#timer);
    this.unplug(0);
    this.unplug(1);
  }

  #look(): void {
    const now = this.#native.monotonic() / 1e6;
    const credit = (now - this.#lookedAt) * this.#bytes_per_ms;
    this.#lookedAt = now;
    this.#pass(0, 1, credit);
    this.#pass(1, 0, credit);
  }

  #pass(from: Side, to: Side, credit: number): void {
    // Before its first octet a line has sent nothing of it, however late this look is.
    this.#credit[from] = this.#busy[from]
      ? this.#credit[from] + credit
      : Math.min(credit, LOOK_MS * this.#bytes_per_ms);
    const room = Math.floor(this.#credit[from]);
    if (room < 1 || this.#masters[from] < 0) return;
    const bytes = new Uint8Array(room);
    const count = Math.max(0, this.#native.read(this.#masters[from], bytes));
    // An idle line saves nothing up.
    this.#credit[from] = count < room ? 0 : this.#credit[from] - count;
    this.#busy[from] = count > 0;
    this.passed[from] += count;
    if (count > 0) this.inject(to, this.alter(bytes.subarray(0, count), from));
  }
}
