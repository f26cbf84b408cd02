/** Kernel parameters under /proc/sys, read and set by their dotted names (sysctl(8)). */
import { readFileSync, writeFileSync } from "node:fs";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

/** In a name with an interface its dots are slashes: "net/ipv4/conf/eth0.5/promote_secondaries". */
function pathOf(name: string): string {
  return `/proc/sys/${name}`;
}

/** Undefined when the kernel has no such parameter or it cannot be read. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Leaves a value that is right already as it is, so that a read-only /proc does no harm then. */
export function setSysctl(name: string, value: string): Result<void, string> {
  if (readSysctl(name) === value) return success(undefined);
  try {
    writeFileSync(pathOf(name), value);
    return success(undefined);
  } catch (error) {
    return failure(`sysctl ${name} = ${value}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
