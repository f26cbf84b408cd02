/** Passes on what stations claim, and no more of it than the core can use: a flood becomes a count. */
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { between, type Instant } from "@holdfast/core/units/time.ts";

/** In so long a station is told of once for an address, and so many stations at most. */
const WINDOW_MS = 200;
const STATIONS_MAX = 4;

interface Window {
  readonly since: Instant;
  readonly told: Set<Mac>;
  /** Claims that were not told of. */
  kept: number;
}

export class ClaimMeter {
  /** Bounded by the addresses of the configuration, which are all that is listened for. */
  readonly #windows = new Map<IpAddress, Window>();

  /** How many claims to tell of now, this one included; undefined: none. */
  take(address: IpAddress, mac: Mac, now: Instant): number | undefined {
    const before = this.#windows.get(address);
    if (before === undefined || between(before.since, now) >= WINDOW_MS) {
      this.#windows.set(address, { since: now, told: new Set([mac]), kept: 0 });
      return 1 + (before?.kept ?? 0);
    }
    if (before.told.has(mac) || before.told.size >= STATIONS_MAX) {
      before.kept += 1;
      return undefined;
    }
    before.told.add(mac);
    return 1;
  }
}
