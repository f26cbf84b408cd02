/**
 * Requirements A6 and A7 with whole daemons: a node whose service adapter fails keeps its addresses on its standby adapter,
 * every node hears of it, and the client of the outage alone.
 */
import { strict as assert } from "node:assert";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test, type TestContext } from "node:test";
import { Client } from "./client.ts";
import { ADDRESS, ADDRESS6, NODES, TestCluster, always, unable, until } from "./harness.ts";

/** Of the default timing, what a silent adapter may take: dead and half an interval. */
const SILENT_MS = 350;
/** A machine that runs other things at the same time adds to every figure: the bench has the limits (bench/limits.ts). */
const BUSY_MS = 1000;

interface Swap {
  readonly node: string;
  readonly from: string;
  readonly to: string;
}

/** What all nodes have heard of `node` with this code. */
async function heardByAll(cluster: TestCluster, nodes: readonly string[], code: string, node: string): Promise<void> {
  for (const each of nodes)
    await until(`${each} hears ${code} of ${node}`, async () =>
      (await cluster.events(each, code)).some((event) => event.node === node),
    );
}

async function isOn(cluster: TestCluster, node: string, name: string): Promise<boolean> {
  const shown = await cluster.try(node, "ip", "address", "show", "dev", name);
  return [ADDRESS, ADDRESS6].every((address) => shown.stdout.includes(` ${address}/`));
}

/** Does it, and waits until the group is on the other adapter of the same node, under the same term. */
async function swaps(
  t: TestContext,
  cluster: TestCluster,
  client: Client,
  { node, from, to }: Swap,
  fault: () => Promise<unknown>,
): Promise<void> {
  await until(`${node} has it on ${from}`, () => isOn(cluster, node, from));
  const before = await cluster.ownership(node);
  const position = client.position;
  await fault();
  await until(`${node} has it on ${to}`, () => isOn(cluster, node, to));
  assert.equal(await client.steady(), node);
  const { lost, outage_ms } = await client.since(position);
  t.diagnostic(`${node} from ${from} to ${to}: ${lost} lost, outage ${outage_ms} ms`);
  assert.ok(outage_ms < BUSY_MS, `outage ${outage_ms} ms`);
  assert.equal(await cluster.ownership(node), before);
  assert.deepEqual(await cluster.violations(), []);
}

describe("a node with a service and a standby adapter", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("adapters", "--standby");
    client = new Client(cluster);
  });
  after(() => cluster.down());

  const service = (node: string): Swap => ({ node, from: "eth0", to: "eth2" });

  /** On the switch, so that nothing waits for the client. */
  const port = (node: string, cable: string, state: "up" | "down"): Promise<string> =>
    cluster.run("switch", "ip", "link", "set", `${node}-${cable}`, state);
  const mute = (node: string, cable: string, muted: boolean): Promise<string> =>
    cluster.run("switch", "bridge", "link", "set", "dev", `${node}-${cable}`, "state", muted ? "0" : "3");

  async function given(node: string): Promise<void> {
    await cluster.moveTo(node);
    await client.steady();
  }

  /** n1's engine is killed and started at once (C10), its service adapter out of order: the addresses stay where they are. */
  async function startAgain(t: TestContext): Promise<void> {
    rmSync(`/proc/${cluster.init}/root${cluster.files("n1").run}/starts`, { force: true });
    const position = client.position;
    process.kill(cluster.process("n1", "engine"), "SIGKILL");
    const started = cluster.startDaemon("n1");
    const owner = await client.steady();
    const { lost } = await client.since(position);
    t.diagnostic(`killed and started again: ${lost} lost`);
    // On a busy machine another node may have been faster.
    if (owner !== "n1") await cluster.moveTo("n1");
    else if (lost === 0) assert.match(started.output(), /took over the fence of the daemon before/);
    await until("it is on the standby adapter", () => isOn(cluster, "n1", "eth2"));
    assert.equal(await isOn(cluster, "n1", "eth0"), false);
    await client.steady();
  }

  test("without a carrier its service adapter is replaced, and has the addresses again when it has settled: no packet lost then", async (t) => {
    await given("n1");
    await swaps(t, cluster, client, service("n1"), () => port("n1", "lan", "down"));
    await heardByAll(cluster, NODES, "adapter-failed", "n1");
    await heardByAll(cluster, NODES, "swap-adapter", "n1");
    await startAgain(t);
    const position = client.position;
    await port("n1", "lan", "up");
    await heardByAll(cluster, NODES, "adapter-restored", "n1");
    await until(
      "it comes back",
      async () => (await isOn(cluster, "n1", "eth0")) && !(await isOn(cluster, "n1", "eth2")),
      30_000,
    );
    assert.equal(await client.steady(), "n1");
    const { lost } = await client.since(position);
    assert.equal(lost, 0);
  });

  test("silent with a carrier it is replaced, within the lease and half an interval where nothing else runs", async (t) => {
    await given("n2");
    await swaps(t, cluster, client, service("n2"), () => mute("n2", "lan", true));
    t.diagnostic(`the limit without other load is ${SILENT_MS} ms`);
    await heardByAll(cluster, NODES, "adapter-failed", "n2");
    assert.match(await cluster.run("n2", "ip", "link", "show", "eth0"), /LOWER_UP/);
    await mute("n2", "lan", false);
    await heardByAll(cluster, NODES, "adapter-restored", "n2");
  });

  test("a planned move from a standby adapter loses no packet; taken down by an administrator the next service adapter is replaced", async (t) => {
    assert.ok(await isOn(cluster, "n2", "eth2"), "n2 has it on its standby adapter from the test before");
    const position = client.position;
    await given("n3");
    assert.equal((await client.since(position)).lost, 0);
    await swaps(t, cluster, client, service("n3"), () => cluster.run("n3", "ip", "link", "set", "eth0", "down"));
    await heardByAll(cluster, NODES, "adapter-failed", "n3");
    const [failed] = await cluster
      .events("n1", "adapter-failed")
      .then((all) => all.filter(({ node }) => node === "n3"));
    assert.match(failed?.text ?? "", /administratively|down/);
    await cluster.run("n3", "ip", "link", "set", "eth0", "up");
    await cluster.run("n3", "ip", "address", "replace", "fd99::13/64", "dev", "eth0", "nodad");
    await heardByAll(cluster, NODES, "adapter-restored", "n3");
  });

  test("a failed standby adapter is an event on every node, and costs nothing", async () => {
    await given("n1");
    const ownership = await cluster.ownership("n1");
    const position = client.position;
    await port("n1", "standby", "down");
    await heardByAll(cluster, NODES, "fail-standby", "n1");
    await port("n1", "standby", "up");
    await heardByAll(cluster, NODES, "standby-adapter-restored", "n1");
    await mute("n1", "standby", true);
    await until(
      "it is silent",
      async () => (await cluster.events("n2", "fail-standby")).filter(({ node }) => node === "n1").length === 2,
      30_000,
    );
    await mute("n1", "standby", false);
    assert.equal((await client.since(position)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
  });

  test("its service adapter deleted it keeps the group, and takes the adapter again when it is back", async (t) => {
    await given("n1");
    await until("the standby adapter is well", async () => {
      const restored = (await cluster.events("n2", "standby-adapter-restored")).filter(({ node }) => node === "n1");
      return restored.length === 2;
    });
    await swaps(t, cluster, client, service("n1"), () => cluster.run("n1", "ip", "link", "delete", "eth0"));
    const position = client.position;
    await cluster.insideLab("ip", "-batch", again(cluster));
    await cluster.run("n1", "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad");
    for (const words of [
      "link set eth0 up",
      "address add 10.99.0.11/24 brd + dev eth0",
      "address add fd99::11/64 dev eth0 nodad",
    ])
      await cluster.run("n1", "ip", ...words.split(" "));
    await port("n1", "lan", "up");
    await until("it is well again", async () => {
      const restored = (await cluster.events("n2", "adapter-restored")).filter(({ node }) => node === "n1");
      return restored.length >= 2;
    });
    assert.equal((await client.since(position)).lost, 0);
  });

  test("nobody hears anything on the network: nothing moves, and every node says so", async () => {
    const owner = await client.steady();
    const ownership = await cluster.ownership(owner);
    for (const node of NODES) for (const cable of ["lan", "standby"]) await mute(node, cable, true);
    await heardByAll(cluster, NODES, "network-down", owner);
    await always("nothing moves", 1500, async () => (await cluster.ownership(owner)) === ownership);
    for (const node of NODES) for (const cable of ["lan", "standby"]) await mute(node, cable, false);
    assert.equal(await client.steady(), owner);
    assert.equal(await cluster.ownership(owner), ownership);
    assert.deepEqual(await cluster.violations(), []);
  });
});

describe("two nodes and a witness elsewhere", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("adapters2", "--standby", "--witness");
    client = new Client(cluster);
    // The witness is not on the network of the addresses.
    await cluster.run("switch", "ip", "link", "set", "n3-lan", "down");
  });
  after(() => cluster.down());

  for (const [node, what] of [
    ["n1", "silent with a carrier"],
    ["n2", "without a carrier"],
  ] as const) {
    test(`${what} a service adapter is replaced`, async (t) => {
      await cluster.moveTo(node);
      await client.steady();
      const fault = what.startsWith("silent")
        ? (): Promise<string> => cluster.run("switch", "bridge", "link", "set", "dev", `${node}-lan`, "state", "0")
        : (): Promise<string> => cluster.run("switch", "ip", "link", "set", `${node}-lan`, "down");
      await swaps(t, cluster, client, { node, from: "eth0", to: "eth2" }, fault);
      await heardByAll(cluster, NODES, "adapter-failed", node);
      await cluster.run("switch", "ip", "link", "set", `${node}-lan`, "up");
      await cluster.run("switch", "bridge", "link", "set", "dev", `${node}-lan`, "state", "3");
    });
  }
});

/** A file for `ip -batch` in the switch that makes the cable of n1's service adapter anew. */
function again(cluster: TestCluster): string {
  const file = `${cluster.directory}/again`;
  const lines = [
    "link add name n1-lan type veth peer name eth0 address 02:68:66:00:00:01 netns n1",
    "link set n1-lan master lan",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}
