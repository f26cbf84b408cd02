/** The engine's clock. */
import { instant, type Instant } from "@holdfast/core/units/time.ts";
import { native } from "@holdfast/linux/load.ts";

/** CLOCK_MONOTONIC, read anew at every call. */
export function monotonic(): Instant {
  return instant(native.monotonic() / 1e6);
}
