/**
 * Datagrams on a serial line (docs/protocol.md section 1): each is a frame between two zero octets, with a CRC-32 behind
 * it, and both coded by consistent overhead byte stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7:2) so
 * that no zero is inside. Whatever was lost or added on the line, the next zero begins anew.
 */
import { crc32 } from "./crc32.ts";

/** The longest datagram a frame carries; what is longer is not sent and not taken. */
export const MAXIMUM_FRAMED_BYTES = 1500;

const CRC_BYTES = 4;
const DELIMITER = 0;
/** A code octet stands for at most so many octets, itself included. */
const LONGEST_RUN = 255;
const LONGEST_CODED = codedBytes(MAXIMUM_FRAMED_BYTES + CRC_BYTES);

function codedBytes(bytes: number): number {
  return bytes + Math.ceil(bytes / (LONGEST_RUN - 1));
}

/** Octets on the line for a datagram of this many. */
export function framedBytes(datagramBytes: number): number {
  return codedBytes(datagramBytes + CRC_BYTES) + 2;
}

/** The frame of one datagram, in a buffer of its own; undefined when it is too long. */
export function frameOf(datagram: Uint8Array): Uint8Array | undefined {
  if (datagram.length > MAXIMUM_FRAMED_BYTES) return undefined;
  const plain = new Uint8Array(datagram.length + CRC_BYTES);
  plain.set(datagram);
  new DataView(plain.buffer).setUint32(datagram.length, crc32(datagram));
  const out = new Uint8Array(framedBytes(datagram.length));
  // The zero in front ends whatever noise came before.
  let at = 2;
  let code = 1;
  for (const octet of plain) {
    if (at - code === LONGEST_RUN) {
      out[code] = LONGEST_RUN;
      code = at++;
    }
    if (octet !== DELIMITER) {
      out[at++] = octet;
      continue;
    }
    out[code] = at - code;
    code = at++;
  }
  out[code] = at - code;
  return out.subarray(0, at + 1);
}

export interface FrameEvents {
  /** Valid until the callback returns. */
  readonly frame: (datagram: Uint8Array) => void;
  /** So many octets between two zeros were no frame: cut, changed or noise. Told once for each such stretch but the first. */
  readonly garbled: (octets: number) => void;
}

/** Finds the frames in what a line brings, in pieces of any size. Its memory is fixed; nothing it is given makes it throw. */
export class FrameReader {
  readonly #events: FrameEvents;
  readonly #coded = new Uint8Array(LONGEST_CODED);
  readonly #plain = new Uint8Array(LONGEST_CODED);
  #length = 0;
  /** A zero has come: what was before it may have begun before the line was opened. */
  #begun = false;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  push(bytes: Uint8Array): void {
    for (const octet of bytes) {
      if (octet === DELIMITER) this.#end();
      else if (this.#length++ < LONGEST_CODED) this.#coded[this.#length - 1] = octet;
    }
  }

  #end(): void {
    const length = this.#length;
    this.#length = 0;
    // Two zeros in a row: between frames.
    if (length === 0) {
      this.#begun = true;
      return;
    }
    const plain = length > LONGEST_CODED ? undefined : this.#decode(length);
    if (plain !== undefined) this.#events.frame(plain);
    else if (this.#begun) this.#events.garbled(length);
    this.#begun = true;
  }

  #decode(length: number): Uint8Array | undefined {
    let out = 0;
    for (let at = 0; at < length;) {
      const code = this.#coded[at] ?? 0;
      const end = at + code;
      if (end > length) return undefined;
      for (at++; at < end; at++) this.#plain[out++] = this.#coded[at] ?? 0;
      // The zero of the last run is the one that ended the frame.
      if (code < LONGEST_RUN && at < length) this.#plain[out++] = DELIMITER;
    }
    const datagram = out - CRC_BYTES;
    if (datagram < 0 || datagram > MAXIMUM_FRAMED_BYTES) return undefined;
    const sum = new DataView(this.#plain.buffer).getUint32(datagram);
    return sum === crc32(this.#plain, 0, datagram) ? this.#plain.subarray(0, datagram) : undefined;
  }
}
