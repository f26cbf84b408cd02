/** Counts the datagrams that were dropped, so that the core hears of each kind at most once a second. */
import type { Input, RejectReason } from "@holdfast/core/effects.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";

/** Sources told apart for one link and reason; the rest is counted as "others". An attacker has many addresses. */
const SOURCES_MAX = 64;

type Rejected = Extract<Input, { kind: "rejected" }>;

export class Rejections {
  readonly #counts = new Map<
    string,
    { readonly link: LinkName; readonly reason: RejectReason; readonly source: string; count: number }
  >();

  count(link: LinkName, reason: RejectReason, source: string, packets = 1): void {
    const known = this.#counts.get(`${link} ${reason} ${source}`);
    if (known !== undefined) {
      known.count += packets;
      return;
    }
    const shown = this.#counts.size < SOURCES_MAX ? source : "others";
    const key = `${link} ${reason} ${shown}`;
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { link, reason, source: shown, count: packets });
    else entry.count += packets;
  }

  /** What was counted since the last call. */
  take(): Rejected[] {
    if (this.#counts.size === 0) return [];
    const taken = [...this.#counts.values()].map((entry): Rejected => ({ kind: "rejected", ...entry }));
    this.#counts.clear();
    return taken;
  }
}
