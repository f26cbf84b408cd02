/** Which kernel and network namespace this is: one identity for each fence that can exist (ownership.md section 2). */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { KernelId } from "@holdfast/core/units/names.ts";

/** The same for every process of one namespace until the machine reboots. Throws without /proc. */
export function kernelId(): KernelId {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const namespace = statSync("/proc/self/ns/net", { bigint: true });
  const text = `${boot} ${namespace.dev} ${namespace.ino}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 16) as KernelId;
}
