/** Sessions on the real kernel: keepalived in the topology, and that nothing outlives the bench. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Report } from "./results.ts";
import { Workspace } from "./run.ts";

const root = process.getuid?.() === 0;
const skip = root ? false : "keepalived needs root";
const spaces: Workspace[] = [];
after(() => spaces.forEach((space) => space.close()));

/** Processes of this machine whose command line names something. */
function processesNaming(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It ended between the two looks.
    return "";
  }
}

async function ended(text: string): Promise<void> {
  const end = performance.now() + 5000;
  while (processesNaming(text).length > 0) {
    assert.ok(performance.now() < end, `still there: ${processesNaming(text).map(commandLine).join("; ")}`);
    await delay(20);
  }
}

test("keepalived serves in the lab's topology, and another node serves when it stops", { skip }, async () => {
  const space = new Workspace();
  spaces.push(space);
  const order = {
    product: "keepalived",
    timing: "10ms",
    faults: ["stop"],
    rounds: 1,
    idle: false,
    nodes: 3,
    standby: false,
    load_ms: 0,
  } as const;
  const { reports } = await space.run(order, () => undefined);
  assert.equal(reports.at(-1)?.kind, "done", JSON.stringify(reports));
  const round = reports.find((each): each is Extract<Report, { kind: "round" }> => each.kind === "round");
  assert.ok(round, JSON.stringify(reports));
  assert.ok(round.during.steady && round.healing?.steady);
  assert.ok(round.during.changes >= 1, "the client must have seen another node");
  space.close();
  await ended(space.directory);
  assert.equal(existsSync(space.directory), false);
});

test("Ctrl-C ends all that the bench has started and removes its files", { skip }, async () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const words = [main, "--only", "keepalived", "--fault", "stop", "--timing", "10ms"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const directory = await new Promise<string>((resolve, reject) => {
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const found = /\/tmp\/holdfast-bench-\w+/.exec(said)?.[0];
      if (found !== undefined && /stop 1/.test(said)) resolve(found);
    });
    child.on("exit", (code) => reject(new Error(`the bench ended with ${code}: ${said}`)));
  });
  assert.ok(processesNaming(directory).length > 0, "there must be something to end");
  child.kill("SIGINT");
  assert.equal(await exited, 130);
  await ended(directory);
  assert.equal(existsSync(directory), false);
});
