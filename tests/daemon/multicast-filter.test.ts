/** A multicast link on a running cluster: the packet filter lets the group's nodes in, and nobody else. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { NODES, pause, TestCluster, unable, until } from "./harness.ts";
import { Intruder } from "./intruder.ts";
import { linkWorks, relink } from "./relink.ts";

const GROUP = "239.72.70.1";

describe("a multicast link", { skip: unable() }, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start("group");
    await cluster.moveTo("n1");
    await relink(cluster, (text) => text.replace("priv: { port: 7400 }", `priv: { port: 7400, multicast: ${GROUP} }`));
    await linkWorks(cluster, "priv", 6);
  });
  after(() => cluster.down());

  test("is heard in all directions through the filter, without a rejected datagram", async () => {
    const earlier = new Map<string, number>();
    const rejected = async (node: string): Promise<number> =>
      (await cluster.links(node)).rejected.reduce((sum, { count }) => sum + count, 0);
    for (const node of NODES) earlier.set(node, await rejected(node));
    await pause(2000);
    for (const node of NODES) assert.equal(await rejected(node), earlier.get(node), node);
  });

  test("what a stranger sends to the group is dropped by every node's kernel and told", async () => {
    const intruder = await Intruder.join(cluster);
    const datagrams = Array.from({ length: 50 }, () => new Uint8Array(100));
    await intruder.sendToGroup("priv", GROUP, datagrams);
    for (const node of NODES) {
      await until(`${node} counts them`, async () =>
        (await cluster.links(node)).rejected.some(
          (row) => row.link === "priv" && row.reason === "filtered" && row.count >= 50 && row.source.includes(".66 "),
        ),
      );
    }
    intruder.close();
    assert.deepEqual(await cluster.violations(), []);
  });
});
