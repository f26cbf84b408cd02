/** Floods of the heartbeat port, from a stranger and in a node's own name: nothing moves, and every node hears of them. */
import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { port } from "@holdfast/lab/topology.ts";
import { Capture } from "./capture.ts";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable, until } from "./harness.ts";
import { Intruder, isHeartbeatTo, NETWORK, UDP_PAYLOAD } from "./intruder.ts";

const FLOOD = fileURLToPath(new URL("../../packages/lab/traffic/flood.ts", import.meta.url));
/** The bench has more, for longer. */
const RATE = 30_000;
const SECONDS = 2;
const N1_MAC = "02:68:66:00:00:01";
const N2_MAC = "02:68:66:00:00:02";

describe("a flood", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let intruder: Intruder;
  let ownership: string;
  let began: number;

  before(async () => {
    cluster = await TestCluster.start("flood");
    await cluster.moveTo("n1");
    client = new Client(cluster);
    await client.steady();
    intruder = await Intruder.join(cluster);
    ownership = await cluster.ownership("n1");
    began = Date.now();
  });
  after(async () => {
    intruder.close();
    client.close();
    await cluster.down();
  });

  /** From the intruder over lan to n1. */
  async function flood(fromMac: string, from: string, head = ""): Promise<number> {
    const to = `${NETWORK.lan}.11`;
    const words = ["eth0", fromMac, from, N1_MAC, to, "7400", String(RATE), String(SECONDS), head];
    const said = await cluster.run("intruder", "nice", process.execPath, FLOOD, ...words);
    const { sent } = JSON.parse(said) as { readonly sent: number };
    assert.ok(sent > (RATE * SECONDS) / 3, `only ${sent} were sent`);
    return sent;
  }

  async function unmoved(): Promise<void> {
    for (const node of NODES) {
      assert.equal(await cluster.ownership(node), ownership, node);
      const { events } = await cluster.history(node);
      const since = events.filter(({ time }) => Date.parse(time) >= began).map(({ code }) => code);
      for (const code of ["node-dead", "group-lost", "group-owned", "group-moved"])
        assert.ok(!since.includes(code), code);
    }
    assert.deepEqual(await cluster.violations(), []);
  }

  async function counted(reason: string): Promise<number> {
    const { rejected } = await cluster.links("n1");
    return rejected.filter((row) => row.reason === reason).reduce((sum, { count }) => sum + count, 0);
  }

  /** What every node shows of it, until somebody acknowledges it. */
  async function alarmed(code: string, said: RegExp): Promise<void> {
    for (const node of NODES)
      await until(`${node} to tell ${said}`, async () =>
        (await cluster.status(node)).alarms.some((alarm) => alarm.code === code && said.test(alarm.text)),
      );
  }

  test("of a stranger: the kernel drops it, no link suffers, every node shows his address and MAC address", async () => {
    const from = client.position;
    const mac = (await cluster.run("intruder", "cat", "/sys/class/net/eth0/address")).trim();
    const sent = await flood(mac, `${NETWORK.lan}.66`);
    await until("all of it to be counted", async () => (await counted("filtered")) >= sent, 3000);
    // The counters are read while packets come: one may be seen twice.
    const more = (await counted("filtered")) - sent;
    assert.ok(more <= sent / 1000, `${more} more than ${sent}`);
    await unmoved();
    const { lost } = await client.since(from);
    assert.equal(lost, 0);
    await alarmed(
      "heartbeats-filtered",
      new RegExp(`heartbeats from 10\\.99\\.0\\.66 \\(${mac}\\) on lan dropped by n1`),
    );
  });

  test("in the name of a node, its recorded headers in front: no move, and the alarm names the address", async () => {
    const capture = new Capture(cluster, port("n1", "lan"), false);
    const heartbeat = await until("a heartbeat of n2 to n1", () =>
      capture.frames.map(({ bytes }) => bytes).find((bytes) => isHeartbeatTo(bytes, 1) && bytes[29] === 12),
    );
    capture.close();
    const head = Buffer.from(heartbeat.subarray(UDP_PAYLOAD, UDP_PAYLOAD + 28)).toString("hex");
    await flood(N2_MAC, `${NETWORK.lan}.12`, head);
    await until("the flood to be noticed", async () => (await counted("flood")) > 0, 3000);
    await unmoved();
    await alarmed(
      "heartbeat-rejected",
      /heartbeats from 10\.99\.0\.12 \(02:68:66:00:00:02.*\) on lan dropped by n1: flood/,
    );
    await alarmed("heartbeat-rejected", /heartbeats from 10\.99\.0\.12 .* dropped by n1: auth/);
    await until(
      "the link to be well again",
      async () => (await cluster.links("n1")).rows.every(({ state }) => state === "ok"),
      15_000,
    );
  });

  test("what was seen is acknowledged on one node, and leaves the status of all", async () => {
    const seen = await cluster.holdfast("n2", "status");
    assert.equal(seen.code, 3, seen.stdout);
    assert.match(seen.stdout, /holdfast acknowledge/);
    const { code, stdout } = await cluster.holdfast("n3", "ack");
    assert.equal(code, 0, stdout);
    for (const node of NODES) {
      await until(`${node} to be well`, async () => (await cluster.status(node)).alarms.length === 0);
      assert.ok((await cluster.events(node, "alarms-acknowledged")).length === 1);
    }
    await until("all to be well", async () => (await cluster.holdfast("n1", "status")).code === 0, 15_000);
  });
});
