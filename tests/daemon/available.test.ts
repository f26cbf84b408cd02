/** `quorum: available` on whole daemons: two nodes, a reference that answers, and the kernel's own ARP and neighbour discovery. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Status } from "@holdfast/api/schema.ts";
import { Client } from "./client.ts";
import { HEARTBEAT_PORT } from "@holdfast/lab/topology.ts";
import { always, TestCluster, unable, until } from "./harness.ts";

/** The lab's client: on the service network and no node. */
const REFERENCE = "10.99.0.200";

describe("two nodes with quorum available", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("available", "--nodes", "2");
    client = new Client(cluster);
  });
  after(() => cluster.down());

  const status = (node: string): Promise<Status> => cluster.status(node);

  test("changed by reload, with a generation; then a node that loses its peer goes on alone, and no longer when it is back", async (t) => {
    await client.steady();
    const { config } = cluster.files("n1");
    const text = readFileSync(config, "utf8")
      .replace("version: 1\n", `version: 1\ngeneration: 2\nreference: [${REFERENCE}]\n`)
      .replace("cluster: {", "cluster: { quorum: available,");
    writeFileSync(config, text);
    for (const node of ["n1", "n2"]) {
      const ran = await cluster.holdfast(node, "reload", "--yes");
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    }
    // Two voters of different generations own nothing: who asks first afterwards has it.
    await cluster.moveTo("n1");
    assert.equal(await client.steady(), "n1");

    const from = client.position;
    await cluster.lab("kill", "n1");
    assert.equal(await client.steady("n1"), "n2");
    const { outage_ms } = await client.since(from);
    t.diagnostic(`owner killed: ${outage_ms} ms`);
    await until("n2 says so", async () => (await status("n2")).alone);
    assert.match((await cluster.holdfast("n2", "status")).stdout, /quorum available: alone/);

    await cluster.heal();
    await until("a majority again", async () => !(await status("n2")).alone);
    assert.equal(await cluster.owner("n1"), "n2");
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the owner's daemon is frozen, and the standby's: the other answers alone, and never both when it wakes", async (t) => {
    for (const victim of ["owner", "standby"] as const) {
      const owner = await client.steady();
      const other = owner === "n1" ? "n2" : "n1";
      const [frozen, left] = victim === "owner" ? [owner, other] : [other, owner];
      const from = client.position;
      cluster.signal(frozen, "SIGSTOP");
      await until(`${left} goes on alone`, async () => (await status(left)).alone);
      assert.equal(await client.steady(), left);
      // Longer than any lease: whatever it still believes is over.
      await always(`${left} alone`, 1500, async () => (await cluster.owner(left)) === left);
      cluster.signal(frozen, "SIGCONT");
      await until("a majority again", async () => !(await status(left)).alone);
      assert.equal(await client.steady(), left);
      t.diagnostic(`${victim} frozen: ${(await client.since(from)).outage_ms} ms`);
      assert.deepEqual(await cluster.violations(), []);
    }
  });

  test("the owner is killed again and again and starts at once: one node answers at a time", async () => {
    for (let round = 0; round < 3; round++) {
      const owner = await client.steady();
      await cluster.lab("kill", owner);
      const next = await client.steady(owner);
      assert.notEqual(next, owner);
      await cluster.heal();
      await until("a majority again", async () => !(await status(next)).alone);
      assert.deepEqual(await cluster.violations(), []);
    }
  });

  test("all links cut, the clients' network whole: the owner keeps the group, the other finds it answered", async () => {
    const owner = await client.steady();
    const other = owner === "n1" ? "n2" : "n1";
    // Heartbeats alone: the lab's own cut takes the clients' network between the nodes along, and with it the probes.
    for (const node of ["n1", "n2"]) {
      await cluster.run(node, "nft", "add", "table", "inet", "cut");
      await cluster.run(node, "nft", "add chain inet cut out { type filter hook output priority 0 ; }");
      await cluster.run(node, "nft", "add", "rule", "inet", "cut", "out", "udp", "dport", `${HEARTBEAT_PORT}`, "drop");
    }
    await until("the other asked", async () => (await cluster.events(other, "address-answered")).length > 0);
    await always("one owner", 2000, async () => (await cluster.owner(other)) !== other);
    for (const node of ["n1", "n2"]) await cluster.run(node, "nft", "delete", "table", "inet", "cut");
    await until("both count again", async () => !(await status("n1")).alone && !(await status("n2")).alone);
    assert.equal(await client.steady(), owner);
    assert.deepEqual(await cluster.violations(), []);
  });
});
