/** Which messages have come already: every message comes once over each link, and only the first copy is read whole. */
import type { BootId } from "@holdfast/core/units/names.ts";

/** Messages remembered of one sender: copies come within milliseconds of each other. */
const MESSAGES = 64;
/** Senders remembered; each is authentic. */
const SENDERS_MAX = 64;

export class Copies {
  readonly #seen = new Map<BootId, Float64Array>();

  readonly has = (boot: BootId, message: number): boolean => this.#seen.get(boot)?.[message % MESSAGES] === message;

  add(boot: BootId, message: number): void {
    let messages = this.#seen.get(boot);
    if (messages === undefined) {
      if (this.#seen.size >= SENDERS_MAX) this.#seen.clear();
      messages = new Float64Array(MESSAGES);
      this.#seen.set(boot, messages);
    }
    messages[message % MESSAGES] = message;
  }
}
