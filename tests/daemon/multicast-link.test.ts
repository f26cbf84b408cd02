/** Links by multicast, IPv4 and IPv6: whole daemons hear each other, through the packet filter, and a kill moves the group. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable, until } from "./harness.ts";
import { linkWorks, relink } from "./relink.ts";

describe("links by multicast", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("multicast");
    client = new Client(cluster);
    await cluster.moveTo("n1");
    await client.steady();
  });
  after(() => cluster.down());

  test("one link after the other is changed over by reloads: no packet lost, every direction heard, by one datagram for each", async () => {
    const from = client.position;
    await relink(cluster, (text) =>
      text.replace("priv: { port: 7400 }", "priv: { port: 7400, multicast: 239.192.74.0 }"),
    );
    await linkWorks(cluster, "priv", 6);
    await relink(cluster, (text) => {
      const six = text.replace(
        "  lan: { port: 7400 }\n",
        (lan) => `${lan}  six: { port: 7401, multicast: "ff02::7400" }\n`,
      );
      return six.replaceAll(/lan: 10\.99\.0\.(\d+)/g, 'lan: 10.99.0.$1, six: "fd99::$1"');
    });
    await linkWorks(cluster, "six", 6);
    assert.equal((await client.since(from)).lost, 0);
    for (const node of NODES) assert.deepEqual((await cluster.links(node)).rejected, [], node);
  });

  test("with the unicast link gone they keep the lease, and the owner's death is noticed", async () => {
    await relink(cluster, (text) =>
      text.replace("  lan: { port: 7400 }\n", "").replaceAll(/lan: 10\.99\.0\.\d+, /g, ""),
    );
    const owner = await cluster.owner("n3");
    assert.equal(owner, "n1");
    cluster.signal("n1", "SIGKILL");
    await until("another one owns", async () => ["n2", "n3"].includes(await cluster.owner("n3")), 3000);
    assert.deepEqual(await cluster.violations(), []);
  });
});
