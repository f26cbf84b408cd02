/** A cloned machine: the same name, keys and address on one of the links, another kernel. Every node says so, and two never own. */
import { strict as assert } from "node:assert";
import { mkdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { NODES, TestCluster, always, unable, until } from "./harness.ts";

const MAC = "02:66:66:00:01:11";

describe("a clone of a node", { skip: unable() }, () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await TestCluster.start("clone");
    await cluster.moveTo("n2");
  });
  after(() => cluster.down());

  test("is not answered while the first lives; every node names both, and nothing moves", async () => {
    await cluster.insideLab("ip", "netns", "add", "clone");
    for (const [device, link, mac] of [
      ["eth0", "lan", "02:66:66:00:00:11"],
      ["eth1", "priv", MAC],
    ] as const) {
      const cable = ["link", "add", "name", `clone-${link}`, "type", "veth", "peer", "name", device, "address", mac];
      await cluster.insideLab("ip", ...cable, "netns", "clone");
      await cluster.insideLab("ip", "link", "set", `clone-${link}`, "master", link, "up");
      await cluster.run("clone", "ip", "link", "set", device, "up");
    }
    await cluster.run("clone", "ip", "address", "add", "172.31.0.11/24", "dev", "eth1");
    // On the other link it was given addresses of its own: it has no end there.
    await cluster.run("clone", "ip", "address", "add", "10.99.0.77/24", "dev", "eth0");
    await cluster.run("clone", "ip", "address", "add", "fd99::77/64", "dev", "eth0", "nodad");
    const boot = (await cluster.status("n1")).engine.boot;
    const ownership = await cluster.ownership("n2");

    const own = `${cluster.directory}/clone`;
    mkdirSync(own, { recursive: true });
    const places = ["--socket", `${own}/socket`, "--state-dir", `${own}/state`, "--run-dir", `${own}/run`];
    const started = cluster.startDaemon("clone", ["--config", cluster.files("n1").config, "--node", "n1", ...places]);
    const alarm = await until(
      "n2 to tell",
      async () => (await cluster.status("n2")).alarms.find(({ code }) => code === "node-cloned"),
      15_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; the clone said: ${started.output()}`);
    });
    assert.match(alarm.text, /^two machines call themselves n1: boot [0-9a-f]{16} from /);
    assert.match(
      alarm.text,
      new RegExp(`boot ${boot} from .* counts; boot [0-9a-f]{16} on priv from 172\\.31\\.0\\.11 .*${MAC}`),
    );
    for (const node of NODES)
      await until(`${node} to tell`, async () =>
        (await cluster.status(node)).alarms.some(({ code }) => code === "node-cloned"),
      );
    await always("n2 owns and n1 is the first", 3000, async () => {
      const { nodes } = await cluster.status("n2");
      return (await cluster.ownership("n2")) === ownership && nodes.every(({ alive }) => alive);
    });
    assert.deepEqual(await cluster.violations(), []);
  });
});
