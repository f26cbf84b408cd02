/** Which state of the source tree this is. */
import { spawnSync } from "node:child_process";

/** The commit, with "+" when files were changed since; "unknown" without git. */
export function commit(): string {
  const at = import.meta.dirname;
  const head = spawnSync("git", ["rev-parse", "--short=12", "HEAD"], { cwd: at, encoding: "utf8" });
  if (head.status !== 0) return "unknown";
  const changed = spawnSync("git", ["status", "--porcelain", "--untracked-files=no"], { cwd: at, encoding: "utf8" });
  return head.stdout.trim() + (changed.stdout.trim() === "" ? "" : "+");
}
