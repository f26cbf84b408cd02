/** Which sequence numbers of one stream were seen: each is accepted once, in any order within the last 1024 (as RFC 4303 section 3.4.3). */

export const WINDOW = 1024;

export class ReplayWindow {
  /** One bit for each of the last 1024 numbers, at number modulo 1024. */
  readonly #seen = new Uint32Array(WINDOW / 32);
  #highest = -1;

  /** True the first time a number is given; false for a repeat and for one that is too old to tell. Whole numbers below 2^48. */
  accept(sequence: number): boolean {
    if (sequence > this.#highest) {
      this.#forget(sequence);
      this.#highest = sequence;
    } else if (this.#highest - sequence >= WINDOW) {
      return false;
    }
    const slot = sequence % WINDOW;
    const word = this.#seen[slot >>> 5] ?? 0;
    const bit = 1 << (slot & 31);
    if ((word & bit) !== 0) return false;
    this.#seen[slot >>> 5] = word | bit;
    return true;
  }

  /** Clears the places of the numbers that `sequence` moves the window over. */
  #forget(sequence: number): void {
    if (sequence - this.#highest >= WINDOW) {
      this.#seen.fill(0);
      return;
    }
    for (let number = this.#highest + 1; number <= sequence; number++) {
      const slot = number % WINDOW;
      this.#seen[slot >>> 5] = (this.#seen[slot >>> 5] ?? 0) & ~(1 << (slot & 31));
    }
  }
}
