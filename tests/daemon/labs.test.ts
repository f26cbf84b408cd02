/** Two whole clusters side by side do not notice each other, and nothing is left of them. */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable } from "./harness.ts";

/** Processes of the machine that have the directory in their command line. */
function processesOf(directory: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
      } catch {
        // It ended between two looks.
        return false;
      }
    });
}

test("two labs work at the same time, and of both nothing is left", { skip: unable() }, async () => {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  const labs = await Promise.all([TestCluster.start("left"), TestCluster.start("right")]);
  const [left, right] = labs;
  try {
    for (const lab of labs) assert.ok(processesOf(lab.directory).length >= 5);
    await right.moveTo("n1");
    const client = new Client(right);
    await client.steady();
    const from = client.position;
    const before = await right.ownership("n1");
    await left.moveTo("n2");
    left.signal("n2", "SIGKILL");
    const survivor = new Client(left);
    assert.notEqual(await survivor.steady("n2"), "n2");
    assert.equal(await right.ownership("n1"), before);
    assert.equal((await client.since(from)).lost, 0);
    for (const node of NODES) assert.deepEqual((await right.links(node)).rejected, []);
    for (const lab of labs) assert.deepEqual(await lab.violations(), []);
  } finally {
    await Promise.all(labs.map((lab) => lab.down()));
  }
  for (const lab of labs) {
    assert.deepEqual(processesOf(lab.directory), []);
    assert.ok(!existsSync(lab.directory));
  }
  assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), mounts);
  assert.deepEqual(existsSync("/run/netns") ? readdirSync("/run/netns") : [], namespaces);
});
