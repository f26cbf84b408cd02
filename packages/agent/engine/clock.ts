/** The kernel's monotonic clock as the core wants it. */
import { instant, type Instant } from "@holdfast/core/units/time.ts";
import { native } from "@holdfast/linux/load.ts";

export function monotonic(): Instant {
  return instant(native.monotonic() / 1e6);
}
