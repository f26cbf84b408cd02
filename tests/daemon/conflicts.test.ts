/** Requirement A9 on whole daemons: a stranger with the group's addresses, IPv4 and IPv6, before and after they are owned. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { arpRequest, parseArpFrame } from "@holdfast/core/wire/arp.ts";
import type { IpAddress, Ipv4 } from "@holdfast/core/units/ip.ts";
import { native } from "@holdfast/linux/load.ts";
import { FrameListener } from "@holdfast/linux/packet/frames.ts";
import { ADDRESS, ADDRESS6, NODES, TestCluster, always, unable, until as untilWithin } from "./harness.ts";
import { Stranger, STRANGER_MAC, believed } from "./stranger.ts";

const BOTH = [ADDRESS, ADDRESS6];
/** For a machine that is busy with other tests. */
const PATIENCE_MS = 30_000;
const MAC_OF_N1 = "02:68:66:00:00:01";

function until<Value>(what: string, look: Parameters<typeof untilWithin<Value>>[1]): Promise<Value> {
  return untilWithin(what, look, PATIENCE_MS);
}

describe("a stranger with the group's addresses", { skip: unable() }, () => {
  let cluster: TestCluster;
  let stranger: Stranger;
  before(async () => {
    cluster = await TestCluster.start("stranger");
    stranger = await Stranger.join(cluster);
  });
  after(() => cluster.down());
  afterEach(() => stranger.give());
  beforeEach(async () => {
    await cluster.moveTo("n1");
    await until("no stranger is heard", async () => (await strangerWarnings("n1")).length === 0);
  });

  const strangerWarnings = async (node: string): Promise<readonly string[]> =>
    (await cluster.status(node)).warnings.map(({ text }) => text).filter((text) => text.includes(STRANGER_MAC));
  /** Conflicts that `node` knows of, from the `from`th on. */
  const told = async (node: string, from: number): Promise<readonly string[]> =>
    (await cluster.events(node, "address-conflict")).slice(from).map(({ text }) => text);
  const count = async (code = "address-conflict"): Promise<number> => (await cluster.events("n1", code)).length;
  const owners = (): Promise<readonly string[]> => Promise.all(NODES.map((node) => cluster.owner(node)));
  const policy = async (word: string): Promise<void> => {
    const { config } = cluster.files("n1");
    const text = readFileSync(config, "utf8").replace(/^ {4}on_conflict: .*\n/m, "");
    writeFileSync(config, text.replace("    failback: manual\n", `    failback: manual\n    on_conflict: ${word}\n`));
    for (const node of NODES) {
      const ran = await cluster.holdfast(node, "reload", "--yes");
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    }
  };
  const killAll = async (): Promise<void> => {
    for (const node of NODES) cluster.signal(node, "SIGKILL");
    await until("all are gone", () => NODES.every((node) => cluster.processes(node).length === 0));
  };
  /** The client has entries that a frame can change. */
  const clientAsks = async (): Promise<void> => {
    for (const address of BOTH) await cluster.try("client", "ping", "-c", "1", "-W", "1", address);
  };

  test("defend: clients that followed him are back at once, every node tells his MAC, the owner stays; then it is over", async () => {
    const from = await count();
    const ended = await count("address-conflict-over");
    await clientAsks();
    await stranger.take();
    for (const address of BOTH)
      await until(`the client is back for ${address}`, async () => {
        return (await believed(cluster, "client", address)) === MAC_OF_N1;
      });
    const first = await until("it is told", async () => (await told("n1", from)).length >= 2 && told("n1", from));
    for (const address of BOTH)
      assert.ok(
        first.some((text) => text === `${STRANGER_MAC} claims ${address} on eth0: n1 owns it and announced it again`),
        first.join("; "),
      );
    for (const node of NODES) {
      const texts = await until(`${node} knows that he keeps them`, async () => {
        const all = await told(node, from);
        return BOTH.every((address) => all.some((text) => text.includes(`keeps ${address}, `))) && all;
      });
      assert.ok(texts.every((text) => text.startsWith(`${STRANGER_MAC} `)));
      await until(`${node} warns`, async () => (await strangerWarnings(node)).length > 0);
    }
    const why = await cluster.holdfast("n3", "why", "web");
    assert.match(why.stdout, new RegExp(`${STRANGER_MAC} keeps `));
    assert.deepEqual(await owners(), ["n1", "n1", "n1"]);
    assert.deepEqual(await cluster.events("n1", "group-yielded"), []);
    await stranger.give();
    await until("it is over", async () => (await count("address-conflict-over")) > ended);
    for (const node of NODES) await until("nobody warns", async () => (await strangerWarnings(node)).length === 0);
  });

  test("who asks before he takes an address gets the owner's answer, and is no conflict", async () => {
    const from = await count();
    await stranger.ip("address", "add", `${ADDRESS6}/64`, "dev", "eth0");
    await until("duplicate address detection failed", async () =>
      (await stranger.ip("-6", "address", "show", "dev", "eth0")).includes("dadfailed"),
    );
    const index = cluster.inside(stranger.name, () => native.interfaceIndex("eth0"));
    const answers: string[] = [];
    const listener = cluster.inside(
      stranger.name,
      () =>
        new FrameListener(native, index, [ADDRESS as IpAddress], {
          frame: (frame) => {
            const arp = parseArpFrame(frame);
            if (arp.ok && arp.value.operation === "reply") answers.push(arp.value.senderMac);
          },
        }),
    );
    cluster.atEnd(() => listener.close());
    await until("an ARP probe is answered", () => {
      stranger.send(arpRequest(STRANGER_MAC, "0.0.0.0" as Ipv4, ADDRESS as Ipv4));
      return answers.includes(MAC_OF_N1);
    });
    listener.close();
    assert.deepEqual(await told("n1", from), []);
  });

  test("alarm: it is told and nothing is done: clients follow him, and the owner stays", async () => {
    await policy("alarm");
    await clientAsks();
    const from = await count();
    await stranger.take();
    await until("the client follows him", async () => {
      // The owner may still announce what it defended before.
      stranger.announce();
      return (await believed(cluster, "client", ADDRESS)) === STRANGER_MAC;
    });
    await until("it is told that he keeps it", async () =>
      (await told("n2", from)).some((text) => /keeps .*does nothing/.test(text)),
    );
    assert.deepEqual(await owners(), ["n1", "n1", "n1"]);
  });

  test("yield: nobody owns it while he keeps it, also after all daemons were killed; then somebody does", async () => {
    await policy("yield");
    await stranger.take();
    await until("it is given up", async () => (await owners()).every((owner) => owner === ""));
    const [yielded] = await cluster.events("n3", "group-yielded");
    assert.match(yielded?.text ?? "", new RegExp(`^web is given up on all nodes while ${STRANGER_MAC} keeps `));
    await always("nobody owns it", 1000, async () => (await owners()).every((owner) => owner === ""));
    assert.deepEqual(await cluster.addressesOf("n1"), []);
    const why = await cluster.holdfast("n2", "why", "web");
    assert.match(why.stdout, /n1 gives way to another station that keeps an address of it/);
    await killAll();
    for (const node of NODES) cluster.startDaemon(node);
    await until("a majority again", async () => (await cluster.status("n1")).quorum);
    const until_ms = performance.now() + 1000;
    await until("each has found him", async () => {
      assert.deepEqual((await owners()).join(""), "");
      const { nodes } = await cluster.status("n1");
      return performance.now() > until_ms && nodes.every(({ failing }) => failing.includes("yielded"));
    });
    await stranger.give();
    await until("an owner", async () => (await owners()).every((owner) => owner !== ""));
    assert.deepEqual(await cluster.violations(), []);
    // From here on they are the lab's own again.
    await killAll();
    await cluster.heal();
  });

  test("a takeover beside a stranger that came before it: defended from the first moment, and told", async () => {
    await policy("defend");
    await stranger.take();
    await until("n1 tells", async () => (await strangerWarnings("n1")).length > 0);
    const from = (await cluster.events("n2", "address-conflict")).length;
    cluster.signal("n1", "SIGKILL");
    await until("n2 owns", async () => (await cluster.owner("n2")) === "n2");
    await until("n2 tells", async () =>
      (await told("n2", from)).some((text) => text.includes(STRANGER_MAC) && text.includes("n2 owns it")),
    );
    for (const address of BOTH)
      await until(`the client is at n2 for ${address}`, async () => {
        return (await believed(cluster, "client", address)) === "02:68:66:00:00:02";
      });
    await cluster.heal();
  });
});
