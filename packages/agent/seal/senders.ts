/** What is remembered of the boots whose datagrams were authentic: their ciphers, and which numbers they have used. */
import type { Aead } from "./aead.ts";
import { Recent } from "./recent.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

/** Bounds of what is remembered. A forgotten window would accept a replay once. */
const REMEMBERED_BOOTS = 1024;
const REMEMBERED_WINDOWS = 4096;
const STREAMS = 65_536;

export interface Sender {
  readonly boot: BootId;
  readonly number: number;
  /** By the key's id. */
  readonly aeads: Map<number, Aead>;
}

export class Senders {
  readonly #senders = new Recent<BootId, Sender>(REMEMBERED_BOOTS);
  /** By the sender's number and stream. */
  readonly #windows = new Recent<number, ReplayWindow>(REMEMBERED_WINDOWS);
  #count = 0;

  find(boot: BootId): Sender | undefined {
    return this.#senders.find(boot);
  }

  /** Only for one whose tag was verified: strangers can neither fill nor clear this. */
  remember(boot: BootId): Sender {
    const sender = { boot, number: this.#count++, aeads: new Map<number, Aead>() };
    this.#senders.put(boot, sender);
    return sender;
  }

  window(sender: Sender, stream: number): ReplayWindow {
    const key = sender.number * STREAMS + stream;
    const known = this.#windows.find(key);
    if (known !== undefined) return known;
    const window = new ReplayWindow();
    this.#windows.put(key, window);
    return window;
  }

  /** A key's name may have been given to another secret. Which numbers were used stays. */
  forgetKeys(): void {
    for (const sender of this.#senders.values()) sender.aeads.clear();
  }
}
