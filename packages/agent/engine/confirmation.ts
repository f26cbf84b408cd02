/** A reload that waits for an operator's word: without it the configuration before comes back by itself (netplan try). */
import type { Cluster } from "@holdfast/core/cluster.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

/** How soon what could not be rolled back is tried again. */
const AGAIN_MS = 1000;

interface Waiting {
  readonly digest: string;
  readonly until: number;
  readonly rollBack: () => Result<void, string>;
  /** Why it could not be rolled back when the time was over. */
  trouble: string | undefined;
  timer: NodeJS.Timeout;
}

export interface ConfirmationSteps {
  readonly now: () => number;
  readonly tell: (code: string, text: string, level: "warning" | "alarm") => void;
}

export class Confirmation {
  readonly #steps: ConfirmationSteps;
  #waiting: Waiting | undefined;

  constructor(steps: ConfirmationSteps) {
    this.#steps = steps;
  }

  /** Of the configuration that waits; undefined: none does. */
  get digest(): string | undefined {
    return this.#waiting?.digest;
  }

  /** Milliseconds until it is rolled back. */
  get remaining_ms(): number | undefined {
    return this.#waiting === undefined ? undefined : Math.max(0, Math.round(this.#waiting.until - this.#steps.now()));
  }

  /** Nothing must wait already. */
  begin(digest: string, for_ms: number, rollBack: () => Result<void, string>): void {
    const timer = setTimeout(() => this.#over(), for_ms);
    this.#waiting = { digest, until: this.#steps.now() + for_ms, rollBack, trouble: undefined, timer };
  }

  /** The digest of what stays now, or why there was nothing to say it for. */
  confirm(): Result<string, string> {
    const waiting = this.#waiting;
    if (waiting === undefined)
      return failure("no reload waits to be confirmed: it was rolled back, or confirmed already");
    clearTimeout(waiting.timer);
    this.#waiting = undefined;
    return success(waiting.digest);
  }

  #over(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const done = waiting.rollBack();
    if (done.ok) {
      this.#waiting = undefined;
      return;
    }
    if (waiting.trouble !== done.error)
      this.#steps.tell("config-not-rolled-back", `${waiting.digest} stays for now: ${done.error}`, "alarm");
    waiting.trouble = done.error;
    waiting.timer = setTimeout(() => this.#over(), AGAIN_MS);
  }
}

/** Why this change could not be undone by one node alone; undefined: it can. */
export function irreversible(before: Cluster, next: Cluster): string | undefined {
  if (before.generation === next.generation) return undefined;
  return (
    `generation ${next.generation} cannot be rolled back by itself: generations only go up (G3), so going back is ` +
    `generation ${next.generation + 1} with the settings of ${before.generation}, on every node; reload without --confirm`
  );
}
