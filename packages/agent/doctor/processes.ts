/** The names of processes in this network namespace, for the checks that look for other programs. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Names as the kernel keeps them (15 characters at most) with one process id each. */
export function processesHere(): ReadonlyMap<string, number> {
  const own = read(() => readlinkSync("/proc/self/ns/net"));
  const found = new Map<string, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const name = read(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
    const namespace = read(() => readlinkSync(`/proc/${pid}/ns/net`));
    // Without root the namespaces of others' processes are hidden: better one too many.
    if (name !== undefined && (namespace === undefined || namespace === own)) found.set(name, Number(pid));
  }
  return found;
}

function read(look: () => string): string | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
