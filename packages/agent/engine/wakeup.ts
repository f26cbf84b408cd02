/** One timerfd on the loop: wakes the engine at its next deadline. setTimeout has whole milliseconds and drifts; this does not. */
import { instant, type Instant } from "@holdfast/core/units/time.ts";
import { check, native } from "@holdfast/linux/load.ts";

const READABLE = 1;

export interface WakeupEvents {
  /** The deadline came, `late_ms` ago. */
  readonly woken: (now: Instant, late_ms: number) => void;
  /** By how much a deadline was missed, be it the timer or something else that woke the loop first. */
  readonly late: (late_ms: number, now: Instant) => void;
}

export class Wakeup {
  readonly #timer: number;
  readonly #events: WakeupEvents;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(events: WakeupEvents) {
    this.#events = events;
    this.#timer = check("timerfd", native.timerCreate());
    const watched = native.poll(this.#timer, READABLE, () => {
      if (native.timerRead(this.#timer) < 0) return;
      const now = instant(native.monotonic() / 1e6);
      const late_ms = Math.max(0, now - this.#deadline);
      this.#deadline = Number.POSITIVE_INFINITY;
      events.late(late_ms, now);
      events.woken(now, late_ms);
    });
    if (typeof watched === "number") check("watching the timer", watched);
  }

  /** By how much the deadline is missed now, when something else woke the loop. */
  overdue(): number {
    return Math.max(0, native.monotonic() / 1e6 - this.#deadline);
  }

  /** The next wake-up replaces the one before; a time in the past wakes at once. */
  at(deadline: Instant): void {
    if (deadline === this.#deadline) return;
    const now = instant(native.monotonic() / 1e6);
    // A datagram woke the loop, and by now the timer would have.
    if (this.#deadline < now) this.#events.late(now - this.#deadline, now);
    this.#deadline = deadline;
    check("timer", native.timerSet(this.#timer, Number.isFinite(deadline) ? Math.max(1, deadline * 1e6) : 0, 0));
  }
}
