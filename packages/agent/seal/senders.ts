/** What is remembered of the boots that a holder of a key has made: their ciphers, and which numbers they have used. */
import type { Aead } from "./aead.ts";
import { AT } from "./header.ts";
import type { Key } from "./keys.ts";
import { Recent } from "./recent.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

/** Bounds of what is remembered. A forgotten window would accept a replay once. */
const REMEMBERED_BOOTS = 1024;
const REMEMBERED_WINDOWS = 4096;
/** Both versions count for themselves. */
const STREAMS = 131_072;

export interface Sender {
  readonly boot: BootId;
  readonly number: number;
  /** The first 32 bits, of which 11 are not in the key of the map. */
  readonly head: number;
  /** Version 1, by the key's id. */
  readonly aeads: Map<number, Aead>;
  /** Version 2, by the mark in the header. */
  readonly marks: Map<number, MarkedKey>;
}

/** A key under which this boot was marked. */
export interface MarkedKey {
  readonly key: Key;
  /** By the number of the link. */
  readonly aeads: (Aead | undefined)[];
}

export class Senders {
  readonly #senders = new Recent<number, Sender>(REMEMBERED_BOOTS);
  /** By the sender's number and stream. */
  readonly #windows = new Recent<number, ReplayWindow>(REMEMBERED_WINDOWS);
  #count = 0;

  /** By the boot in a header; makes nothing for one that is not known. */
  find(header: Buffer): Sender | undefined {
    const sender = this.#senders.find(keyOf(header));
    return sender?.head === header.readUInt32BE(AT.boot) ? sender : undefined;
  }

  /** Only for one that was proven to be made by a holder of a key: strangers can neither fill nor clear this. */
  remember(header: Buffer): Sender {
    const boot = header.toString("hex", AT.boot, AT.bootEnd) as BootId;
    const head = header.readUInt32BE(AT.boot);
    const sender: Sender = { boot, number: this.#count++, head, aeads: new Map(), marks: new Map() };
    this.#senders.put(keyOf(header), sender);
    return sender;
  }

  window(sender: Sender, version: 1 | 2, stream: number): ReplayWindow {
    const key = sender.number * STREAMS + (version - 1) * (STREAMS / 2) + stream;
    const known = this.#windows.find(key);
    if (known !== undefined) return known;
    const window = new ReplayWindow();
    this.#windows.put(key, window);
    return window;
  }

  /** A key's name may have been given to another secret. Which numbers were used stays. */
  forgetKeys(): void {
    for (const sender of this.#senders.values()) {
      sender.aeads.clear();
      sender.marks.clear();
    }
  }
}

/** The last 53 bits of the boot: as much as a number holds, so that looking one up makes no text. */
function keyOf(header: Buffer): number {
  return (header.readUInt32BE(AT.boot) & 0x1fffff) * 2 ** 32 + header.readUInt32BE(AT.boot + 4);
}
