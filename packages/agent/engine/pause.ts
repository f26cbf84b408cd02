/** Finds out that the whole machine stood still: CLOCK_BOOTTIME counts the time of a suspend, CLOCK_MONOTONIC does not. */

/** The two are read one after the other. */
const TOLERATED_MS = 5;

export class PauseWatch {
  readonly #boottime: () => number;
  readonly #monotonic: () => number;
  #offset: number;

  /** Both clocks in milliseconds. */
  constructor(boottime: () => number, monotonic: () => number) {
    this.#boottime = boottime;
    this.#monotonic = monotonic;
    this.#offset = boottime() - monotonic();
  }

  /** Milliseconds of standstill since the last look; 0 without one. */
  look(): number {
    const offset = this.#boottime() - this.#monotonic();
    const jumped = offset - this.#offset;
    if (jumped <= TOLERATED_MS) return 0;
    // Preempted between the two readings, the offset seems larger than it is: the second look knows.
    const again = Math.min(offset, this.#boottime() - this.#monotonic());
    if (again - this.#offset <= TOLERATED_MS) return 0;
    const paused = again - this.#offset;
    this.#offset = again;
    return paused;
  }
}
