/** Starts sessions, each in namespaces that end with it, and collects what they report. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isolatedCommand } from "@holdfast/lab/isolation.ts";
import { onLines } from "@holdfast/lab/lines.ts";
import type { Report, SessionResult } from "./results.ts";
import type { SessionOrder } from "./session.ts";

const SESSION = fileURLToPath(new URL("session.ts", import.meta.url));
const SLEEPER = fileURLToPath(new URL("load/sleeper.c", import.meta.url));

/** Everything a run leaves on this machine while it runs; `close` ends and removes it, also after Ctrl-C. */
export class Workspace {
  readonly directory: string;
  readonly sleeper: string;
  readonly #children = new Set<ChildProcess>();
  #sessions = 0;

  constructor() {
    this.directory = mkdtempSync("/tmp/holdfast-bench-");
    // Each node's control process becomes an unprivileged user and writes its history below.
    chmodSync(this.directory, 0o711);
    this.sleeper = `${this.directory}/sleeper`;
    const built = spawnSync("gcc", ["-O2", "-o", this.sleeper, SLEEPER], { encoding: "utf8" });
    if (built.status !== 0) {
      this.close();
      throw new Error(`cannot build ${SLEEPER}: ${built.error?.message ?? built.stderr}`);
    }
  }

  /** Resolves when the session has ended, in whatever way; what it did not measure is missing from its reports. */
  run(order: Omit<SessionOrder, "directory" | "sleeper">, take: (report: Report) => void): Promise<SessionResult> {
    const directory = `${this.directory}/${++this.#sessions}`;
    mkdirSync(directory, { mode: 0o711 });
    const whole: SessionOrder = { ...order, directory, sleeper: this.sleeper };
    const [file = "", ...words] = isolatedCommand(process.getuid?.() ?? 0, [
      process.execPath,
      SESSION,
      JSON.stringify(whole),
    ]);
    // A process group of its own: Ctrl-C reaches the bench, which ends the namespaces as a whole.
    const child = spawn(file, words, { stdio: ["ignore", "pipe", "inherit", "pipe"], detached: true, cwd: "/" });
    this.#children.add(child);
    const reports: Report[] = [];
    if (child.stdout)
      onLines(child.stdout, (line) => {
        if (!line.startsWith("{")) return take({ kind: "progress", text: line });
        const report = JSON.parse(line) as Report;
        reports.push(report);
        take(report);
      });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => {
        this.#children.delete(child);
        rmSync(directory, { recursive: true, force: true });
        resolve({ product: order.product, timing: order.timing, reports });
      });
    });
  }

  close(): void {
    // The first process of the namespaces dies with unshare, and everything in them with the first process.
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}
