/**
 * How the daemons before this one ended: a file on tmpfs that says "running" until a daemon leaves in order. One that is
 * found running by its successor crashed. Like the votes it counts for this kernel only.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { CRASH_MEMORY_MS } from "@holdfast/core/node/crashes.ts";
import type { KernelId } from "@holdfast/core/units/names.ts";
import { between, instant, type Instant } from "@holdfast/core/units/time.ts";

/** More than the rule asks about. */
const REMEMBERED = 16;

interface Stored {
  readonly kernel: KernelId;
  readonly running: boolean;
  /** On the kernel's monotonic clock, oldest first. */
  readonly crashes: readonly number[];
}

export class Starts {
  readonly #path: string;
  readonly #kernel: KernelId;
  #crashes: readonly Instant[] = [];

  constructor(path: string, kernel: KernelId) {
    this.#path = path;
    this.#kernel = kernel;
  }

  /** When daemons were found to have crashed, each within a minute of the next, this start's finding last. */
  begin(now: Instant): readonly Instant[] {
    const before = this.#read();
    const crashes = [...(before?.crashes ?? []).map(instant), ...(before?.running === true ? [now] : [])];
    const forgotten = crashes.findLastIndex((at, index) => between(at, crashes[index + 1] ?? now) > CRASH_MEMORY_MS);
    this.#crashes = crashes.slice(forgotten + 1).slice(-REMEMBERED);
    this.#write(true);
    return this.#crashes;
  }

  /** This daemon leaves in order, or is replaced by its successor on purpose. */
  end(): void {
    this.#write(false);
  }

  #read(): Stored | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch {
      return undefined;
    }
    try {
      const stored = JSON.parse(text) as Partial<Stored> | null;
      const valid = Array.isArray(stored?.crashes) && stored.crashes.every((at) => typeof at === "number");
      if (valid) return stored?.kernel === this.#kernel ? (stored as Stored) : undefined;
    } catch {
      // Not what was written.
    }
    return { kernel: this.#kernel, running: true, crashes: [] };
  }

  /** What cannot be written is not counted: a full tmpfs must not keep a daemon from serving. */
  #write(running: boolean): void {
    const stored: Stored = { kernel: this.#kernel, running, crashes: this.#crashes };
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch {
      // The votes are on the same file system, and tell when it is full.
    }
  }
}
