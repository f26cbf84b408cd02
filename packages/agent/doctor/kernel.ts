/** Doctor: what this kernel can do for the fence and for a heartbeat that must not wait. */
import { readSysctl } from "@holdfast/linux/sysctl.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

const CHECK = "kernel";

export interface KernelFacts {
  /** uname -r */
  readonly release: string;
  /** One tick in milliseconds. */
  readonly jiffy_ms: number | undefined;
  /** Why there is no real-time scheduling; "" when there is; undefined: not known. */
  readonly notRealTime: string | undefined;
  /** kernel.sched_rt_runtime_us */
  readonly rtRuntime_us: number | undefined;
  /** Of the configuration, in milliseconds. */
  readonly heartbeat_ms: number;
}

const MINIMUM = [6, 1] as const;
const KEEPS_TABLES = [6, 9] as const;
const REAL_TIME_BELOW_MS = 50;

export function judgeKernel(facts: KernelFacts): readonly Finding[] {
  const { release, jiffy_ms, notRealTime, rtRuntime_us, heartbeat_ms } = facts;
  const findings: Finding[] = [];
  if (older(release, MINIMUM))
    findings.push(
      fail(CHECK, `Linux ${release} is older than 6.1: the fence is not tested there`, "use Debian 12 or later"),
    );
  else if (older(release, KEEPS_TABLES))
    findings.push(
      warn(
        CHECK,
        `Linux ${release}: nft flush ruleset takes the fence away until the daemon puts it back (6.9 and later refuse it)`,
        "keep nft flush ruleset out of scripts; Debian's nftables.service has it",
      ),
    );
  if (notRealTime !== undefined && notRealTime !== "") {
    const text = `no real-time scheduling for this user (${notRealTime})`;
    const remedy = "the unit has CPUSchedulingPolicy=fifo and LimitRTPRIO=50; in a container: cap_add SYS_NICE";
    findings.push(
      heartbeat_ms < REAL_TIME_BELOW_MS
        ? fail(CHECK, `${text}, which heartbeat ${heartbeat_ms} ms needs`, remedy)
        : warn(CHECK, `${text}: a busy machine costs beats`, remedy),
    );
  }
  if (rtRuntime_us === 0)
    findings.push(
      fail(
        CHECK,
        "sched_rt_runtime_us is 0: no real-time process ever runs",
        "sysctl -w kernel.sched_rt_runtime_us=950000",
      ),
    );
  if (findings.length > 0) return findings;
  const tick = jiffy_ms === undefined ? "tick not known" : `tick ${jiffy_ms} ms`;
  return [ok(CHECK, `Linux ${release}, ${tick}, real-time scheduling ${notRealTime === "" ? "allowed" : "not known"}`)];
}

/** Of a release that cannot be read nothing is said. */
function older(release: string, than: readonly [number, number]): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major < than[0] || (major === than[0] && minor < than[1]);
}

export function rtRuntime(): number | undefined {
  const text = readSysctl("kernel/sched_rt_runtime_us");
  return text === undefined ? undefined : Number(text);
}
