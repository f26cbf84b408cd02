/** The kernel's monotonic clock without the addon: what libuv reads for both of Node's clocks. */
import { instant, type Instant } from "@holdfast/core/units/time.ts";

/** performance.now() is the same clock counted from the start of the process, and makes no garbage. */
const STARTED_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function monotonic(): Instant {
  return instant(STARTED_MS + performance.now());
}
