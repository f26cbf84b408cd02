/** Faults of the network between the nodes that leave a majority reachable move nothing and cost the client nothing. */
import { strict as assert } from "node:assert";
import { after, before, beforeEach, describe, test } from "node:test";
import { Client } from "./client.ts";
import { NODES, TestCluster, pause, unable, until } from "./harness.ts";

describe("links that fail", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let ownership: string;
  let from: number;
  before(async () => {
    cluster = await TestCluster.start("links");
    client = new Client(cluster);
    await cluster.moveTo("n1");
  });
  after(() => cluster.down());
  beforeEach(async () => {
    await cluster.heal();
    await client.steady();
    ownership = await cluster.ownership("n1");
    from = client.position;
  });

  async function unmoved(): Promise<void> {
    const { lost, sent } = await client.since(from);
    assert.ok(sent > 500);
    assert.equal(lost, 0, `of ${sent}`);
    assert.equal(await cluster.ownership("n1"), ownership);
    assert.deepEqual(await cluster.violations(), []);
  }

  test("frames from the owner to one standby dropped on both links: no move, no gap, and links shows the direction", async () => {
    await cluster.lab("one-way", "n1", "n2");
    const rows = await until("n2 does not hear n1", async () => {
      const seen = (await cluster.links("n3")).rows.filter(
        ({ listener, speaker }) => listener === "n2" && speaker === "n1",
      );
      return seen.length === 2 && seen.every(({ state }) => state === "DOWN")
        ? (await cluster.links("n3")).rows
        : undefined;
    });
    for (const { listener, speaker, state } of rows)
      if (listener === "n1" && speaker === "n2") assert.notEqual(state, "DOWN", "n1 hears n2");
    await pause(2000);
    await unmoved();
  });

  test("frames from one standby to the owner dropped on both links: no move, no gap", async () => {
    await cluster.lab("one-way", "n2", "n1");
    await until("n1 does not hear n2", async () => (await cluster.status("n1")).nodes[1]?.alive === false);
    await pause(2000);
    await unmoved();
  });

  test("the private link cut on all nodes: no move, no gap, and every node says so", async () => {
    const rules = NODES.map((node) => `add rule bridge cut forward iifname "${node}-priv" drop`).join("; ");
    const chain = "{ type filter hook forward priority 1; }";
    await cluster.run("switch", "nft", `add table bridge cut; add chain bridge cut forward ${chain}; ${rules}`);
    try {
      for (const node of NODES) {
        await until(`${node} says that priv is down`, async () => {
          const rows = (await cluster.links(node)).rows;
          return rows.every(({ link, state }) => (state === "DOWN") === (link === "priv"));
        });
        const status = await cluster.holdfast(node, "status");
        assert.equal(status.code, 3);
        assert.match(status.stdout, /link priv .*is down/);
      }
      await pause(1000);
      await unmoved();
    } finally {
      await cluster.run("switch", "nft", "delete", "table", "bridge", "cut");
    }
  });

  test("30 % loss on both links for 20 s: no move, no gap", async (t) => {
    await cluster.lab("loss", "30");
    await pause(20_000);
    const { lost, sent, outage_ms } = await client.since(from);
    t.diagnostic(`lost ${lost} of ${sent}, longest ${outage_ms} ms`);
    await unmoved();
  });
});
