/** What the kernel holds for the daemon: addresses that come back, a fence that stays, and silence when the daemon does not run. */
import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { Capture } from "./capture.ts";
import { Client } from "./client.ts";
import { ADDRESS, ADDRESS6, NODES, TestCluster, always, pause, unable, until } from "./harness.ts";

const KEEP_MS = 236;
const MAC_OF_N1 = "02:68:66:00:00:01";
const NFTABLES_CONF = "/etc/nftables.conf";

describe("the kernel of a node", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("kernel");
    client = new Client(cluster);
  });
  after(() => cluster.down());
  beforeEach(async () => {
    await cluster.moveTo("n1");
    await client.steady();
  });

  /** A cable of its own from the node to a new namespace, with the group's networks on it. */
  async function newVeth(node: string): Promise<string> {
    const station = `extra-${node}`;
    await cluster.insideLab("ip", "netns", "add", station);
    const peer = ["peer", "name", "eth0", "netns", station];
    await cluster.insideLab("ip", "link", "add", "name", "veth9", "netns", node, "type", "veth", ...peer);
    for (const [where, device, host] of [
      [node, "veth9", 1],
      [station, "eth0", 2],
    ] as const) {
      await cluster.run(where, "ip", "address", "add", `10.77.0.${host}/24`, "dev", device);
      await cluster.run(where, "ip", "address", "add", `fd77::${host}/64`, "dev", device, "nodad");
      await cluster.run(where, "ip", "link", "set", device, "up");
    }
    await cluster.run(station, "ip", "route", "add", `${ADDRESS}/32`, "dev", "eth0");
    await cluster.run(station, "ip", "-6", "route", "add", `${ADDRESS6}/128`, "dev", "eth0");
    return station;
  }

  test("an owned address removed by hand is back, counted and told", async () => {
    for (const [address, prefix] of [
      [ADDRESS, 24],
      [ADDRESS6, 64],
    ] as const) {
      const from = client.position;
      await cluster.run("n1", "ip", "address", "del", `${address}/${prefix}`, "dev", "eth0");
      await until(`${address} is back`, async () => (await cluster.addressesOf("n1")).includes(address));
      for (const node of NODES) {
        await until(`${node} tells`, async () =>
          (await cluster.events(node, "address-restored")).some(({ text }) => text.includes(address)),
        );
      }
      const { outage_ms } = await client.since(from);
      assert.ok(outage_ms < 50, `outage ${outage_ms} ms`);
      assert.equal(await cluster.owner("n2"), "n1");
    }
    assert.equal((await cluster.status("n1")).groups[0]?.addresses_restored, 2, "counted");
  });

  test("nft flush ruleset and Debian's nftables.conf: the service goes on and the fence is there", async () => {
    const fence = async (): Promise<boolean> => (await cluster.run("n1", "nft", "list", "tables")).includes("holdfast");
    assert.ok(await fence());
    const commands = [
      ["nft", "flush", "ruleset"],
      ...(existsSync(NFTABLES_CONF) ? [["nft", "-f", NFTABLES_CONF]] : []),
    ];
    for (const words of commands) {
      const from = client.position;
      await cluster.run("n1", ...words);
      await until("the fence is there", fence);
      await client.steady();
      await pause(2 * KEEP_MS);
      const { lost } = await client.since(from);
      const { owned } = await protection();
      if (owned) assert.equal(lost, 0, words.join(" "));
      assert.equal(await cluster.owner("n2"), "n1");
    }
    await cluster.try("n1", "nft", "delete", "table", "inet", "filter");
  });

  /** Whether this kernel can protect the table from everybody else. */
  function protection(): Promise<{ readonly owned: boolean }> {
    return Promise.resolve({ owned: !cluster.log("n1").includes("cannot protect it") });
  }

  test("on a veth that appears later the owner answers, a standby with the address planted by hand does not", async () => {
    const atOwner = new Client(cluster, await newVeth("n1"));
    await until("the owner answers there", () => atOwner.answersOf("n1", 0) > 20 || undefined);
    const station = await newVeth("n2");
    for (const address of [`${ADDRESS}/32`, `${ADDRESS6}/128`])
      await cluster.run("n2", "ip", "address", "add", address, "dev", "veth9", "nodad");
    const ping = await cluster.try(station, "ping", "-c", "1", "-W", "1", "10.77.0.1");
    assert.equal(ping.code, 0, "the cable itself works");
    const atStandby = new Client(cluster, station);
    await pause(500);
    assert.equal(atStandby.answersOf("n2", 0), 0);
    for (const address of [`${ADDRESS}/32`, `${ADDRESS6}/128`])
      await cluster.run("n2", "ip", "address", "del", address, "dev", "veth9");
    assert.ok((await atStandby.since(0)).sent > 100);
    for (const asker of [atOwner, atStandby]) asker.close();
    assert.deepEqual(await cluster.violations(), []);
  });

  test("an owner whose engine is stopped is silent after its lease: asked through eth0, eth1, a new veth and by itself", async () => {
    await cluster.run("n3", "ip", "route", "add", `${ADDRESS}/32`, "via", "172.31.0.11", "dev", "eth1");
    const askers = ["client", "extra-n1", "n1", "n3"].map(
      (station) => [station, new Client(cluster, station)] as const,
    );
    // Each of them is heard while the engine runs: silence means something.
    for (const [station, asker] of askers)
      await until(`n1 answers ${station}`, () => asker.answersOf("n1", 0) > 20 || undefined);
    const frames = new Capture(cluster, "n1-lan", true);
    try {
      cluster.signal("n1", "SIGSTOP", "engine");
      const next = await client.steady("n1");
      const from = client.position;
      const starts = askers.map(([, asker]) => asker.position);
      await pause(800);
      const silent = (): void =>
        askers.forEach(([station, asker], i) =>
          assert.equal(asker.answersOf("n1", starts[i] as number), 0, `n1 answers ${station}`),
        );
      silent();
      assert.equal((await cluster.addressesOf("n1")).length, 2, "it is silent though it still has the addresses");
      const wall_ms = Date.now();
      cluster.signal("n1", "SIGCONT", "engine");
      await until("n1 is a standby again", async () => (await cluster.status(next)).groups[0]?.standbys.includes("n1"));
      await until("its addresses are gone", async () => (await cluster.addressesOf("n1")).length === 0);
      // A process on n1 may ask the new owner now: the echo tells them apart.
      silent();
      const { answered, lost } = await client.since(from);
      assert.deepEqual(Object.keys(answered), [next]);
      assert.equal(lost, 0);
      const late = frames.announcements().filter(({ mac, wall_ms: at }) => mac === MAC_OF_N1 && at >= wall_ms);
      assert.deepEqual(late, []);
    } finally {
      cluster.signal("n1", "SIGCONT", "engine");
      for (const [, asker] of askers) asker.close();
      await cluster.run("n3", "ip", "route", "del", `${ADDRESS}/32`, "via", "172.31.0.11", "dev", "eth1");
    }
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the addresses of a daemon that was killed vanish within six seconds", async () => {
    assert.deepEqual((await cluster.addressesOf("n1")).toSorted(), [ADDRESS, ADDRESS6].toSorted());
    cluster.signal("n1", "SIGKILL");
    await client.steady("n1");
    await until("they are gone", async () => (await cluster.addressesOf("n1")).length === 0, 6000);
    await cluster.heal();
  });

  test("addresses left on a standby before its daemon starts are gone after the start", async () => {
    cluster.signal("n3", "SIGKILL");
    await until("n3 is dead", () => cluster.processes("n3").length === 0);
    await cluster.run("n3", "ip", "address", "add", `${ADDRESS}/24`, "dev", "eth0");
    await cluster.run("n3", "ip", "address", "add", `${ADDRESS6}/64`, "dev", "eth0", "nodad");
    assert.equal((await cluster.addressesOf("n3")).length, 2);
    const from = client.position;
    await cluster.heal();
    await until("they are gone", async () => (await cluster.addressesOf("n3")).length === 0);
    await always("n1 owns", 300, async () => (await cluster.owner("n3")) === "n1");
    assert.equal((await client.since(from)).lost, 0);
    assert.deepEqual(await cluster.violations(), []);
  });
});
