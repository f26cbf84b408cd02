/** A link without IP: what it keeps alive when IP is dead, when it is lost itself, and what strangers on it can do. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { macBytes, parseMac } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import { receiverTag } from "@holdfast/core/wire/receiver-tag.ts";
import { native } from "@holdfast/linux/load.ts";
import { ETHERTYPE, GROUP } from "@holdfast/linux/packet/ethernet.ts";
import { FrameSender } from "@holdfast/linux/packet/frames.ts";
import { Client } from "./client.ts";
import { always, NODES, pause, TestCluster, unable, until } from "./harness.ts";
import { linkWorks, wireInsteadOfPriv } from "./relink.ts";

const WATCHED_MS = 1000;

describe("an Ethernet link beside one on UDP", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("wire");
    client = new Client(cluster);
    await wireInsteadOfPriv(cluster);
  });
  after(() => cluster.down());
  beforeEach(async () => {
    await linkWorks(cluster, "lan", 6);
    await linkWorks(cluster, "wire", 6);
    await cluster.moveTo("n1");
    await client.steady();
  });

  /** Every inet packet of the node is dropped before anything else sees it; `but` is let through. */
  async function withoutIp(node: string, but: string, watch: () => Promise<void>): Promise<void> {
    const table = `inet without-ip-${but}`;
    const chains = (policy: "drop" | "accept"): string =>
      ["input", "output"]
        .map((hook) => `add chain ${table} ${hook} { type filter hook ${hook} priority -400; policy ${policy}; }`)
        .join("; ");
    const lets =
      but === ""
        ? ""
        : `; add rule ${table} input iifname ${but} accept; add rule ${table} output oifname ${but} accept`;
    await cluster.nft(node, `add table ${table}; ${chains("drop")}${lets}`);
    try {
      await watch();
    } finally {
      await cluster.nft(node, chains("accept"));
    }
  }

  const row = async (node: string, link: string, listener: string, speaker: string) => {
    const { rows } = await cluster.links(node);
    const found = rows.find((each) => each.link === link && each.listener === listener && each.speaker === speaker);
    assert.ok(found);
    return found;
  };

  test("it needs no address on its interface, and links shows it with interface, round trip and jitter in both directions", async () => {
    for (const node of NODES) await cluster.run(node, "ip", "address", "flush", "dev", "eth1");
    await pause(500);
    await linkWorks(cluster, "wire", 6);
    const own = await row("n1", "wire", "n1", "n2");
    const told = await row("n1", "wire", "n2", "n1");
    for (const each of [own, told]) {
      assert.deepEqual([each.kind, each.adapter], ["ethernet", "eth1"]);
      assert.ok((each.round_trip_ms ?? 0) > 0 && (each.round_trip_ms ?? 0) < 50);
      assert.ok((each.jitter_ms ?? -1) >= 0);
    }
  });

  test("a standby can send and receive no IP packet: heartbeats and votes go on over Ethernet alone, nothing moves", async () => {
    const ownership = await cluster.ownership("n1");
    // The fence is moved by datagrams over lo, which is another matter than the network.
    await withoutIp("n2", "lo", async () => {
      await until("lan is down there", async () => (await row("n3", "lan", "n3", "n2")).state === "DOWN");
      await always("everybody is alive and n1 owns", WATCHED_MS, async () => {
        const { nodes } = await cluster.status("n3");
        return nodes.every(({ alive }) => alive) && (await cluster.ownership("n3")) === ownership;
      });
      assert.notEqual((await row("n3", "wire", "n3", "n2")).state, "DOWN");
    });
    assert.equal(await cluster.ownership("n1"), ownership);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the owner can exchange no IP packet with anybody, itself it can: it hears so over Ethernet, and hands over", async () => {
    await withoutIp("n1", "lo", async () => {
      await until("another one owns", async () => ["n2", "n3"].includes(await cluster.owner("n3")));
      const events = await until("everybody hears why", async () => {
        const told = (await cluster.events("n3", "node-unfit")).filter(({ node }) => node === "n1");
        return told.length > 0 && told;
      });
      assert.match(events[0]?.text ?? "", /ip-network/);
      assert.ok((await cluster.status("n3")).nodes.every(({ alive }) => alive));
    });
    await until("n1 is a standby again", async () => (await cluster.status("n3")).groups[0]?.standbys.includes("n1"));
    assert.deepEqual(await cluster.violations(), []);
  });

  test("its frames cut on all nodes: no move, no packet lost, and links says since when", async () => {
    const ownership = await cluster.ownership("n1");
    const from = client.position;
    const rules = NODES.map((node) => `add rule bridge cut forward iifname "${node}-priv" drop`).join("; ");
    const chain = "{ type filter hook forward priority 1; }";
    await cluster.run("switch", "nft", `add table bridge cut; add chain bridge cut forward ${chain}; ${rules}`);
    try {
      await until("wire is down", async () => (await row("n1", "wire", "n1", "n2")).state === "DOWN");
      await pause(WATCHED_MS);
      assert.match((await row("n1", "wire", "n1", "n2")).reason ?? "", /^not heard for \d+\.\d s$/);
      assert.notEqual((await row("n1", "lan", "n1", "n2")).state, "DOWN");
    } finally {
      await cluster.run("switch", "nft", "delete", "table", "bridge", "cut");
    }
    assert.equal((await client.since(from)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
  });

  test("its interface is removed and comes back with another MAC: both are told, nothing moves, and it is heard again", async () => {
    const ownership = await cluster.ownership("n1");
    const from = client.position;
    await cluster.run("n2", "ip", "link", "delete", "eth1");
    await until(
      "n2 says why",
      async () => (await row("n2", "wire", "n2", "n1")).reason === "there is no interface eth1",
    );
    const cable = ["link", "add", "name", "n2-priv", "type", "veth", "peer", "name", "eth1", "netns", "n2"];
    await cluster.insideLab("ip", ...cable);
    await cluster.insideLab("ip", "link", "set", "n2-priv", "master", "priv", "up");
    await cluster.run("n2", "ip", "link", "set", "eth1", "up");
    await linkWorks(cluster, "wire", 6);
    const told = async (code: string): Promise<boolean> =>
      (await cluster.events("n1", code)).some(({ node, text }) => node === "n2" && text.includes("link wire"));
    await until("n1 heard that it was down and is up", async () => (await told("link-down")) && told("link-up"));
    assert.equal((await client.since(from)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
  });

  test("a cable that is out: the reason is the carrier, on both sides what each knows", async () => {
    await cluster.run("switch", "ip", "link", "set", "n3-priv", "down");
    try {
      await until("n3 knows why", async () => (await row("n3", "wire", "n3", "n1")).reason === "no carrier on eth1");
      const { reason } = await row("n1", "wire", "n1", "n3");
      assert.match(reason ?? "", /^not heard for/);
    } finally {
      await cluster.run("switch", "ip", "link", "set", "n3-priv", "up");
    }
  });

  test("frames of our EtherType from a stranger: counted with his MAC, bounded, and nothing moves", async () => {
    const ownership = await cluster.ownership("n1");
    const from = client.position;
    const mac = parseMac("02:00:00:00:66:66") as Mac;
    const sender = cluster.inside("switch", () => new FrameSender(native));
    const index = cluster.inside("switch", () => native.interfaceIndex("priv"));
    const frame = (source: Mac, payload: Uint8Array): void => {
      const head = [macBytes(GROUP), macBytes(source), Buffer.from([ETHERTYPE >> 8, ETHERTYPE & 0xff])];
      assert.ok(sender.sendFrame(index, Buffer.concat([...head, payload])) > 0);
    };
    const tag = Buffer.alloc(4);
    tag.writeUInt32BE(receiverTag("n1" as NodeName));
    try {
      for (let i = 0; i < 300; i++) {
        frame(mac, Buffer.concat([Buffer.alloc(60 + i, i), tag]));
        frame(
          parseMac(`02:00:00:00:77:${(i % 256).toString(16).padStart(2, "0")}`) as Mac,
          Buffer.concat([Buffer.alloc(60, i), tag]),
        );
        if (i % 20 === 0) await pause(2);
      }
      const rejected = await until("it is counted", async () => {
        const rows = (await cluster.links("n1")).rejected.filter(({ link }) => link === "wire");
        return rows.some(({ source, count }) => source === mac && count >= 300) ? rows : undefined;
      });
      assert.ok(rejected.length <= 256);
      assert.ok(rejected.some(({ source }) => source === "others"));
    } finally {
      sender.close();
    }
    assert.equal((await client.since(from)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
    await linkWorks(cluster, "wire", 6);
  });

  // The last one: a node that found itself unfit owns nothing for a while.
  test("the owner's IP is dead, lo included: it is heard all the while, another one owns within the lease, never two", async () => {
    await withoutIp("n1", "", async () => {
      await until("another one owns", async () => ["n2", "n3"].includes(await cluster.owner("n3")), 3000);
      await always("n1 is alive and does not own", WATCHED_MS, async () => {
        const status = await cluster.status("n3");
        return status.nodes.every(({ alive }) => alive) && status.groups[0]?.owner !== "n1";
      });
    });
    assert.deepEqual(await cluster.violations(), []);
  });
});
