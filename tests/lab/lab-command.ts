/** Runs `lab` commands for the tests, each lab under a name of its own, and tells whether labs can run here at all. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const RUN = fileURLToPath(new URL("run-lab.ts", import.meta.url));
const ADDON = fileURLToPath(new URL("../../packages/linux/build/holdfast.node", import.meta.url));
const CLI = fileURLToPath(new URL("../../packages/cli/main.ts", import.meta.url));

/** False to run, or the reason to skip a test with, printed by the runner. Under CI=true the lack is a failure instead. */
export function missing(asUser = false): string | false {
  const reason = lack(asUser);
  if (reason !== undefined && process.env["CI"] === "true") throw new Error(`under CI this must work: ${reason}`);
  return reason ?? false;
}

function lack(asUser: boolean): string | undefined {
  if (!existsSync(ADDON)) return `the addon ${ADDON} is not built`;
  if (asUser && process.getuid?.() !== 0) return "needs root to become another user";
  const [file, ...args] = asUser
    ? [...NOBODY, "unshare", "--user", "--map-root-user", "--net", "true"]
    : ["unshare", process.getuid?.() === 0 ? "--net" : "-Urn", "true"];
  const tried = spawnSync(file, args, { encoding: "utf8" });
  if (tried.status !== 0) return `namespaces are refused: ${tried.stderr || String(tried.error)}`;
  if (asUser && spawnSync("setpriv", [...NOBODY.slice(1), "test", "-r", RUN]).status !== 0)
    return `the user nobody can not read ${RUN}`;
  return undefined;
}

/** The same for tests that need the daemon's command too. */
export function missingDaemon(): string | false {
  if (!existsSync(CLI)) return `the daemon's command ${CLI} is not there`;
  return missing();
}

export const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class TestLab {
  readonly name: string;
  readonly #prefix: readonly string[];

  /** `prefix` is put before the command, to run it as another user. */
  constructor(name: string, prefix: readonly string[] = []) {
    this.name = `${name}-${process.pid}`;
    this.#prefix = prefix;
  }

  get directory(): string {
    return `/tmp/holdfast-lab-${this.#prefix.length > 0 ? 65534 : (process.getuid?.() ?? 0)}/${this.name}`;
  }

  /** Options of the lab's command come first, so that `exec` can have its own. */
  try(...args: readonly string[]): Ran {
    const [file, ...rest] = [...this.#prefix, process.execPath, RUN, "--name", this.name, ...args];
    const ran = spawnSync(file as string, rest, { encoding: "utf8" });
    return { code: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
  }

  /** Throws unless the command ended with 0. */
  run(...args: readonly string[]): string {
    const ran = this.try(...args);
    if (ran.code !== 0) throw new Error(`lab ${args.join(" ")}: status ${ran.code}: ${ran.stderr}${ran.stdout}`);
    return ran.stdout;
  }

  json(...args: readonly string[]): { readonly [field: string]: unknown } {
    const { stdout, stderr } = this.try("--json", ...args);
    try {
      return JSON.parse(stdout) as { readonly [field: string]: unknown };
    } catch {
      throw new Error(`lab ${args.join(" ")}: no JSON: ${stderr}${stdout}`);
    }
  }

  exec(where: string, command: string): Ran {
    return this.try("exec", where, "sh", "-c", command);
  }

  place(node: string): void {
    this.run("exec", node, "ip", "address", "add", "10.99.0.100/24", "dev", "eth0");
    this.run("exec", node, "ip", "address", "add", "fd99::100/64", "dev", "eth0", "nodad");
  }

  remove(node: string): void {
    this.run("exec", node, "ip", "address", "del", "10.99.0.100/24", "dev", "eth0");
    this.run("exec", node, "ip", "address", "del", "fd99::100/64", "dev", "eth0");
  }

  /** The lab's first process, seen from here. */
  get pid(): number {
    return Number(readFileSync(`${this.directory}/lab.pid`, "utf8"));
  }
}

/** All processes below `root`, itself included. */
export function descendants(root: number): readonly number[] {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [root];
  for (let i = 0; i < found.length; i++)
    found.push(...rows.filter(([, parent]) => parent === found[i]).map(([pid]) => pid));
  return found;
}

/** Network namespaces ("net:[4026531840]") that some process of the machine is in or holds open or mounted. */
export function networkNamespaces(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const link = attempt(() => readlinkSync(`/proc/${pid}/ns/net`));
    if (link !== undefined) found.add(link);
    for (const match of (attempt(() => readFileSync(`/proc/${pid}/mountinfo`, "utf8")) ?? "").matchAll(/net:\[\d+\]/g))
      found.add(match[0]);
  }
  return found;
}

function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action();
  } catch {
    // The process ended between two looks, or is not ours to look at.
    return undefined;
  }
}

/** Waits for a condition; throws with its name when it does not come within ten seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited 10 s for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
