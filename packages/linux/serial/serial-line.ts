/** One end of a serial line: frames out, never more of them waiting than the line carries in an interval; frames in. */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { frameOf, FrameReader } from "@holdfast/core/wire/serial-frame.ts";
import { errnoName } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";

const { EAGAIN, EINTR } = constants.errno;
const CHUNK_BYTES = 4096;
/** One wake-up reads no more: noise at full speed must not keep the loop from its work. */
const CHUNKS_A_WAKE = 8;
/** A start bit, eight of data, a stop bit. */
const BITS_A_BYTE = 10;
/** What the kernel's own buffer takes at once, less what it may still hold. */
const WAITING_MAX_BYTES = 4000;

/**
 * Of the interval since what could not wait: repeats of a request come an eighth apart, so none will now. What waited and
 * begins later is not through before the next beat.
 */
const IDLE = 0.25;
const LATEST_START = 0.5;
const LATER_TRIES = 10;

export interface SerialOptions {
  readonly path: string;
  /** Bits a second. */
  readonly baud: number;
  /** Of what the line carries in so many milliseconds, no more waits to be sent. */
  readonly interval_ms: number;
}

export interface SerialEvents {
  /** Valid until the callback returns. */
  readonly datagram: (data: Uint8Array) => void;
  readonly garbled: (octets: number) => void;
  readonly drained?: () => void;
  /** The device is gone: the line is closed, and has to be opened anew. */
  readonly gone: (detail: string) => void;
}

export function openSerial(native: Native, options: SerialOptions, events: SerialEvents): Result<SerialLine, string> {
  const fd = native.openSerial(options.path, options.baud);
  if (fd < 0) return failure(`${options.path}: ${describe(fd)}`);
  const line = new SerialLine(native, fd, options, events);
  const started = line.start();
  return started === undefined ? success(line) : failure(`${options.path}: ${started}`);
}

function describe(error: number): string {
  const name = errnoName(error);
  if (name === "ENOENT") return "there is no such device";
  if (name === "ENOTTY") return "not a serial device";
  return name === "EBUSY" ? "another program has it (EBUSY)" : name;
}

export class SerialLine {
  readonly #native: Native;
  #fd: number;
  #handle: PollHandle | undefined;
  readonly #path: string;
  readonly #events: SerialEvents;
  readonly #reader: FrameReader;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  readonly #byte_ms: number;
  readonly #waiting_ms: number;
  /** When the line will have sent all it was given, on the monotonic clock in milliseconds. */
  #freeAt = 0;
  readonly #interval_ms: number;
  /** When something was last sent that could not wait. */
  #sentAt = 0;
  #later: { readonly datagram: Uint8Array; tries: number } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Use openSerial. */
  constructor(native: Native, fd: number, options: SerialOptions, events: SerialEvents) {
    this.#native = native;
    this.#fd = fd;
    this.#path = options.path;
    this.#events = events;
    this.#reader = new FrameReader({ frame: events.datagram, garbled: events.garbled });
    this.#byte_ms = (1000 * BITS_A_BYTE) / options.baud;
    this.#interval_ms = options.interval_ms;
    this.#waiting_ms = Math.min(options.interval_ms, WAITING_MAX_BYTES * this.#byte_ms);
  }

  /** Undefined, or what went wrong. */
  start(): string | undefined {
    const handle = this.#native.poll(this.#fd, 1, (status) => {
      // A tty has no error to ask for: it hung up.
      if (status < 0) return this.#gone("it hung up");
      this.read();
      if (this.#fd >= 0) this.#events.drained?.();
    });
    if (typeof handle !== "number") {
      this.#handle = handle;
      return undefined;
    }
    this.close();
    return errnoName(handle);
  }

  /** False: dropped, for the line has not sent what it was given before, or it is closed. */
  send(datagram: Uint8Array): boolean {
    const now = this.#native.monotonic() / 1e6;
    this.#sentAt = now;
    return this.#write(datagram, now);
  }

  /**
   * A quarter of an interval after what cannot wait, when requests and answers are through; what came to wait before is
   * dropped, and so is what something else always came between.
   */
  sendLater(datagram: Uint8Array): void {
    if (this.#fd < 0) return;
    this.#later = { datagram: datagram.slice(), tries: LATER_TRIES };
    this.#wait();
  }

  #wait(): void {
    const now = this.#native.monotonic() / 1e6;
    const idle = this.#interval_ms * IDLE;
    const until = this.#sentAt + idle - now;
    this.#timer ??= setTimeout(() => this.#sendWaiting(), until > 0 ? until : idle);
  }

  #sendWaiting(): void {
    this.#timer = undefined;
    const later = this.#later;
    if (later === undefined || this.#fd < 0) return;
    const now = this.#native.monotonic() / 1e6;
    const idle_ms = now - this.#sentAt;
    // Timers of the loop come up to a millisecond early.
    const inTime = idle_ms >= this.#interval_ms * IDLE - 1 && idle_ms <= this.#interval_ms * LATEST_START;
    if (inTime || idle_ms > 2 * this.#interval_ms) {
      this.#later = undefined;
      this.#write(later.datagram, now);
    } else if (later.tries-- > 0) this.#wait();
    else this.#later = undefined;
  }

  #write(datagram: Uint8Array, now: number): boolean {
    const frame = this.#fd < 0 ? undefined : frameOf(datagram);
    if (frame === undefined) return false;
    const freeAt = Math.max(now, this.#freeAt) + frame.length * this.#byte_ms;
    if (freeAt - now > this.#waiting_ms) return false;
    const written = this.#native.write(this.#fd, frame);
    if (written >= 0) this.#freeAt = freeAt;
    else if (written !== -EAGAIN && written !== -EINTR) this.#gone(errnoName(written));
    // Half a frame is what the other end finds out by itself.
    return written === frame.length;
  }

  /** Takes what has come already, without waiting for the loop. */
  read(): void {
    for (let chunk = 0; chunk < CHUNKS_A_WAKE && this.#fd >= 0; chunk++) {
      const count = this.#native.read(this.#fd, this.#chunk);
      if (count === -EAGAIN || count === -EINTR) return;
      if (count <= 0) return this.#gone(count === 0 ? "it hung up" : errnoName(count));
      this.#reader.push(this.#chunk.subarray(0, count));
      if (count < CHUNK_BYTES) return;
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    if (this.#handle !== undefined) this.#native.pollStop(this.#handle);
    clearTimeout(this.#timer);
    this.#native.discardSerial(this.#fd);
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  #gone(detail: string): void {
    if (this.#fd < 0) return;
    this.close();
    this.#events.gone(`${this.#path} is gone: ${detail}`);
  }
}
