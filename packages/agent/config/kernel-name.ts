/** Names of interfaces as a configuration may write them. */
import { isInterfaceName } from "@holdfast/core/units/names.ts";
import { quoted } from "./config-error.ts";
import type { Path } from "./document.ts";
import type { Report } from "./report.ts";

/** Narrower than the kernel by what only aliases and mischief contain. */
export function isKernelName(text: string): boolean {
  return isInterfaceName(text) && /^[\x21-\x7e]+$/.test(text) && !/["'`\\:;{}$]/.test(text);
}

export function reportInterfaceName(report: Report, path: Path, text: string): void {
  const hint = text.length > 15 ? "Linux allows 15 characters; see: ip link" : "write a name that ip link shows";
  report.error("interface-name", path, "value", `${quoted(text)} is not a valid interface name`, hint);
}
