/** Durations as the configuration writes them: a number and a unit. */
import { milliseconds, type Milliseconds } from "@holdfast/core/units/time.ts";
import { quoted } from "./config-error.ts";
import { pathText, type Path } from "./document.ts";
import type { Report } from "./report.ts";

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** Longer than any wait that makes sense here, and exact in every unit. */
const LONGEST = 7 * 24 * UNITS.h;

/** `text` has the form of shape.ts. Reports what is longer than seven days or finer than a millisecond. */
export function parseDuration(report: Report, path: Path, text: string): Milliseconds {
  const [, number = "0", unit = "ms"] = /^([\d.]+)(ms|s|m|h)$/.exec(text) ?? [];
  const exact = Number(number) * UNITS[unit as keyof typeof UNITS];
  const duration = Math.round(exact);
  if (duration > LONGEST) {
    report.error("range", path, "value", `${pathText(path)} is longer than seven days`, "choose at most 168h");
  } else if (Math.abs(exact - duration) > 1e-6) {
    const hint = "write whole milliseconds";
    report.error("range", path, "value", `${quoted(text)} is finer than a millisecond`, hint);
  }
  return milliseconds(duration);
}
