/** Passes on what stations claim, and no more of it than the core can use: a flood becomes a count. */
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { between, instant, type Instant } from "@holdfast/core/units/time.ts";

/** In so long a station is told of once for an address, and so many stations at most; and so many in all. */
const WINDOW_MS = 200;
const STATIONS_MAX = 4;
const CLAIMS_MAX = 64;

interface Window {
  readonly since: Instant;
  readonly told: Set<Mac>;
}

export class ClaimMeter {
  /** Bounded by the addresses of the configuration, which are all that is listened for. */
  readonly #windows = new Map<IpAddress, Window>();
  /** Claims that were not told of. */
  readonly #kept = new Map<IpAddress, number>();
  #all = { since: instant(Number.NEGATIVE_INFINITY), told: 0 };

  /** A question was sent: the first to answer it is told of whatever was told before. */
  asked(address: IpAddress): void {
    this.#windows.delete(address);
  }

  /** How many claims to tell of now, this one included; undefined: none. */
  take(address: IpAddress, mac: Mac, now: Instant): number | undefined {
    const kept = this.#kept.get(address) ?? 0;
    if (!this.#isTold(address, mac, now)) {
      this.#kept.set(address, kept + 1);
      return undefined;
    }
    this.#all.told += 1;
    this.#kept.delete(address);
    return kept + 1;
  }

  #isTold(address: IpAddress, mac: Mac, now: Instant): boolean {
    if (between(this.#all.since, now) >= WINDOW_MS) this.#all = { since: now, told: 0 };
    const window = this.#windows.get(address);
    if (window !== undefined && this.#all.told >= CLAIMS_MAX) return false;
    if (window === undefined || between(window.since, now) >= WINDOW_MS) {
      this.#windows.set(address, { since: now, told: new Set([mac]) });
      return true;
    }
    if (window.told.has(mac) || window.told.size >= STATIONS_MAX) return false;
    window.told.add(mac);
    return true;
  }
}
