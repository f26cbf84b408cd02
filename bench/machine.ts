/** What the figures depend on besides the products: machine, kernel, versions, commit. */
import { spawnSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { native } from "@holdfast/linux/load.ts";

const ROOT = new URL("..", import.meta.url);

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memory_gb: number;
  readonly kernel: string;
  readonly hz: number;
  readonly node: string;
  readonly keepalived: string;
  /** With "+" when the tree had changes that are in no commit. */
  readonly commit: string;
  readonly date: string;
}

export function readMachine(): Machine {
  const dirty = output("git", "status", "--porcelain", "--untracked-files=no") !== "";
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memory_gb: Math.round(totalmem() / 1e9),
    kernel: release(),
    hz: Math.round(1e9 / native.tick()),
    node: process.version,
    keepalived: output("dpkg-query", "-W", "-f", "${Version}", "keepalived") || "unknown",
    commit: (output("git", "rev-parse", "--short=12", "HEAD") || "unknown") + (dirty ? "+" : ""),
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Empty when the program is missing or fails. */
function output(file: string, ...words: readonly string[]): string {
  const ran = spawnSync(file, words, { cwd: ROOT, encoding: "utf8" });
  return ran.status === 0 ? ran.stdout.trim() : "";
}
