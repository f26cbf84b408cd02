/** Doctor: the clocks. Leases live on the monotonic clock alone; the wall clock is for people, who compare events of nodes. */
import { readFileSync } from "node:fs";
import { type Finding, ok, warn } from "./finding.ts";

const CHECK = "clock";
/** Their rates have been seen to be off by more than leases allow for. */
const DOUBTFUL = new Set(["jiffies", "pit", "refined-jiffies"]);
const FAR_US = 1_000_000;

export interface ClockFacts {
  /** adjtimex(2): the kernel's bound of its error in microseconds; Infinity: not synchronised; undefined: not known. */
  readonly error_us: number | undefined;
  readonly source: string | undefined;
}

export function judgeClock({ error_us, source }: ClockFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const ntp = "start systemd-timesyncd, chrony or ntpd; a virtual machine may take its host's clock";
  if (error_us === Number.POSITIVE_INFINITY)
    findings.push(
      warn(CHECK, "the wall clock is not synchronised: events of nodes cannot be put in order by time", ntp),
    );
  else if (error_us !== undefined && error_us > FAR_US)
    findings.push(warn(CHECK, `the wall clock may be off by ${(error_us / 1e6).toFixed(1)} s`, ntp));
  if (source !== undefined && DOUBTFUL.has(source))
    findings.push(
      warn(
        CHECK,
        `the clock source is ${source}: leases allow for a rate that is wrong by 1 %`,
        "clocksource= on the kernel's command line",
      ),
    );
  if (findings.length > 0) return findings;
  const off =
    error_us === undefined
      ? "not known whether it is synchronised"
      : `off by ${(error_us / 1000).toFixed(0)} ms at most`;
  return [ok(CHECK, `wall clock ${off}; clock source ${source ?? "not known"}`)];
}

export async function clockFacts(): Promise<ClockFacts> {
  let source: string | undefined;
  try {
    source = readFileSync("/sys/devices/system/clocksource/clocksource0/current_clocksource", "utf8").trim();
  } catch {
    // No such file in some containers.
  }
  try {
    const { native } = await import("@holdfast/linux/load.ts");
    const error = native.clockError();
    return { error_us: error >= 0 ? error : undefined, source };
  } catch {
    return { error_us: undefined, source };
  }
}
