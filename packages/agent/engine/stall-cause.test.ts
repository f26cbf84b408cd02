/** The cause of a stall is named from what the kernel counted: each kind of it for real where this machine lets one make it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { causeOf, type Counters } from "./stall-cause.ts";

const NOTHING: Counters = {
  run_ms: 0,
  wait_ms: 0,
  majorFaults: 0,
  steal_ms: 0,
  throttled_ms: 0,
  memoryPressure_ms: 0,
  ioPressure_ms: 0,
  cpuPressure_ms: 0,
};

test("each counter has its words, the one nearest to the cause first", () => {
  const rows: readonly (readonly [Partial<Counters>, RegExp])[] = [
    [{}, /^stopped or frozen/],
    [{ run_ms: 40 }, /^stopped or frozen/],
    [{ throttled_ms: 400, wait_ms: 900 }, /^held back by the CPU limit .*400 ms/],
    [{ steal_ms: 500, wait_ms: 900 }, /steal time 500 ms/],
    [{ majorFaults: 90, memoryPressure_ms: 700, ioPressure_ms: 900 }, /90 major faults.*swaps/],
    [{ majorFaults: 2, ioPressure_ms: 900, wait_ms: 20 }, /^waiting for a disk/],
    [{ wait_ms: 700, cpuPressure_ms: 900 }, /^waiting for a processor .*700 ms in the run queue/],
    [{ run_ms: 1100 }, /^busy itself/],
    [{ memoryPressure_ms: 800 }, /^waiting for memory/],
  ];
  for (const [grown, words] of rows) assert.match(causeOf({ ...NOTHING, ...grown }, 1000, 5000), words);
  assert.equal(causeOf({ ...NOTHING, wait_ms: 400 }, 1000, 5000), "");
});

/** A program with a timer of 20 ms that prints the cause of each delay of more than 300 ms. */
const PROGRAM = `
import { StallCauses } from ${JSON.stringify(new URL("stall-cause.ts", import.meta.url).pathname)};
const causes = new StallCauses(() => performance.now());
let due = performance.now() + 20;
setInterval(() => {
  const late = performance.now() - due;
  due = performance.now() + 20;
  if (late > 300) console.log(Math.round(late) + " " + causes.cause(late));
}, 20);
console.log("ready");
`;

class Victim {
  readonly child: ChildProcess;
  #said = "";

  constructor() {
    this.child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async says(pattern: RegExp): Promise<void> {
    const end = performance.now() + 15_000;
    while (!pattern.test(this.#said)) {
      if (performance.now() > end) assert.fail(`never said ${pattern}, but: ${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  end(): void {
    this.child.kill("SIGKILL");
  }
}

test("a process that is stopped and goes on names it", async () => {
  const victim = new Victim();
  try {
    await victim.says(/ready/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(victim.pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    process.kill(victim.pid, "SIGCONT");
    await victim.says(/^\d+ stopped or frozen/m);
  } finally {
    victim.end();
  }
});

test("a process at its CPU limit names the limit", async (t) => {
  const group = "/sys/fs/cgroup/holdfast-stall-test";
  const lacking = makeGroup(group);
  if (lacking !== undefined) {
    t.diagnostic(`NOT RUN: ${lacking}`);
    return t.skip(lacking);
  }
  const victim = new Victim();
  try {
    await victim.says(/ready/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    writeFileSync(`${group}/cgroup.procs`, String(victim.pid));
    // A millisecond in each second: its timer alone takes more.
    writeFileSync(`${group}/cpu.max`, "1000 1000000");
    await victim.says(/^\d+ held back by the CPU limit/m);
  } finally {
    victim.end();
    await new Promise((resolve) => victim.child.once("close", resolve));
    rmdirSync(group);
  }
});

/** Why there is no group with a CPU limit; undefined: there is one. */
function makeGroup(path: string): string | undefined {
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers")) return "no control groups of version 2 here";
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    return `no control group can be made: ${String(error)}`;
  }
  if (existsSync(`${path}/cpu.max`)) return undefined;
  rmdirSync(path);
  return "the cpu controller is not given to control groups here";
}
