/** One timerfd on the loop: wakes the engine at its next deadline. setTimeout has whole milliseconds and drifts; this does not. */
import { instant, type Instant } from "@holdfast/core/units/time.ts";
import { check, native } from "@holdfast/linux/load.ts";

const READABLE = 1;

export class Wakeup {
  readonly #timer: number;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(woken: (now: Instant) => void) {
    this.#timer = check("timerfd", native.timerCreate());
    const watched = native.poll(this.#timer, READABLE, () => {
      if (native.timerRead(this.#timer) < 0) return;
      this.#deadline = Number.POSITIVE_INFINITY;
      woken(instant(native.monotonic() / 1e6));
    });
    if (typeof watched === "number") check("watching the timer", watched);
  }

  /** The next wake-up replaces the one before; a time in the past wakes at once. */
  at(deadline: Instant): void {
    if (deadline === this.#deadline) return;
    this.#deadline = deadline;
    check("timer", native.timerSet(this.#timer, Number.isFinite(deadline) ? Math.max(1, deadline * 1e6) : 0, 0));
  }
}
