/** The heartbeat filter in a real kernel: nodes of the link pass, strangers do not, nothing else is touched. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { HeartbeatFilter, type Dropped } from "./filter.ts";
import { type FilterPlan, rateFor } from "./plan.ts";
import { kernelTest, Lan, Namespace } from "../kernel-testing.ts";
import { native } from "../load.ts";
import { openUdp, type UdpSocket } from "../packet/udp.ts";

const CLUSTER = 0x93850b70;
const PORT = 7400;
const v4 = (host: number): IpAddress => `10.77.0.${host}` as IpAddress;
const v6 = (host: number): IpAddress => `fd77::${host}` as IpAddress;

/** What every heartbeat begins with. */
function heartbeat(bytes = 100): Uint8Array {
  const datagram = Buffer.alloc(bytes);
  datagram.writeUInt16BE(0x4846, 0);
  datagram.writeUInt32BE(CLUSTER, 4);
  return datagram;
}

test("the heartbeat filter", kernelTest(), async (t) => {
  const lan = new Lan(77);
  const [node, peer, stranger] = [new Namespace(), new Namespace(), new Namespace()];
  lan.attach(node, "eth0", 11);
  lan.attach(peer, "eth0", 12);
  const strangerMac = lan.attach(stranger, "eth0", 66);
  const received: string[] = [];
  const sockets: UdpSocket[] = [];
  const open = (where: Namespace, address: IpAddress, port: number): UdpSocket =>
    where.inside(() => {
      const opened = openUdp(
        native,
        { address, port },
        { datagram: (data, from) => received.push(`${from.address} ${data.length}`) },
      );
      assert.ok(opened.ok, opened.ok ? "" : opened.error);
      sockets.push(opened.value);
      return opened.value;
    });
  const filter = node.inside(() => new HeartbeatFilter(native));
  const index = node.inside(() => native.interfaceIndex("eth0"));
  const link = { name: "lan", index, port: PORT, to: [v4(11), v6(11)], from: [v4(12), v6(12)] };
  const plan: FilterPlan = { links: [link], cluster: CLUSTER, rate: rateFor(100, 1) };
  const take = (): readonly Dropped[] => filter.take((detail) => assert.fail(detail));

  before(() => {
    for (const address of [v4(11), v6(11)]) {
      open(node, address, PORT);
      open(node, address, PORT + 1);
    }
  });
  after(() => {
    filter.dispose();
    for (const socket of sockets) socket.close();
    for (const each of [node, peer, stranger]) each.remove();
    lan.remove();
  });

  /** What of `count` datagrams arrives. */
  async function send(from: UdpSocket, to: IpAddress, datagram: Uint8Array, count = 1, port = PORT): Promise<number> {
    received.length = 0;
    for (let i = 0; i < count; i++) {
      assert.equal(from.send(to, port, datagram), datagram.length);
      if (i % 200 === 199) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, 60));
    return received.length;
  }

  const families = [v4, v6].map((of) => ({
    to: of(11),
    peer: open(peer, of(12), PORT),
    stranger: open(stranger, of(66), PORT),
    strangerAddress: of(66),
  }));

  await t.test("without it everything arrives; with it only what nodes of the link send", async () => {
    for (const { to, stranger: from } of families) assert.equal(await send(from, to, heartbeat()), 1);
    const applied = filter.apply(plan);
    assert.ok(applied.ok, applied.ok ? "" : applied.error);
    for (const each of families) {
      assert.equal(await send(each.peer, each.to, heartbeat(), 5), 5);
      assert.equal(await send(each.stranger, each.to, heartbeat(), 5), 0);
      assert.equal(
        await send(each.stranger, each.to, heartbeat(), 5, PORT + 1),
        5,
        "another port is nobody's business",
      );
      assert.equal(await send(each.stranger, each.to, heartbeat(8000)), 0, "nor in fragments");
      assert.equal(await send(each.peer, each.to, heartbeat(1800)), 1, "a node's fragments are put together");
    }
  });

  await t.test("what it drops is counted with address and MAC address, once", () => {
    const dropped = take();
    assert.deepEqual(
      dropped.map(({ reason, port, station, packets }) => [reason, port, station?.mac, station?.address, packets]),
      families.map(({ strangerAddress }) => ["filtered", PORT, strangerMac, strangerAddress, 6]),
    );
    assert.deepEqual(take(), []);
    const [own] = filter.stations(v4(12));
    assert.equal(own?.mac, "02:00:00:00:77:12");
  });

  await t.test(
    "beyond the rate of a node, and of what is no heartbeat beyond a hundred a second, is dropped and counted",
    async () => {
      const [four] = families;
      assert.ok(four !== undefined);
      const got = await send(four.peer, four.to, heartbeat(), 3 * plan.rate);
      console.log(
        got,
        node
          .run("nft", "list", "ruleset")
          .split("\n")
          .filter((l) => /counter packets|limit/.test(l))
          .join("\n"),
        node.run("cat", "/proc/net/udp"),
      );
      assert.ok(got >= plan.rate && got < 2 * plan.rate, `${got} of ${3 * plan.rate}`);
      const junk = await send(four.peer, four.to, new Uint8Array(100), 1000);
      assert.ok(junk >= 100 && junk < 300, `${junk} of 1000`);
      const [flood, ...more] = take();
      assert.equal(more.length, 0);
      assert.equal(flood?.reason, "flood");
      assert.equal(flood?.station?.address, v4(12));
      assert.equal(flood?.packets, 3 * plan.rate + 1000 - got - junk);
      // What is no heartbeat does not use up what is allowed to heartbeats.
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(await send(four.peer, four.to, heartbeat(), 100), 100);
    },
  );

  await t.test("of many sources 64 are named, the rest is one", async () => {
    const [four] = families;
    assert.ok(four !== undefined);
    for (let host = 0; host < 100; host++) stranger.run("ip", "address", "add", `10.77.1.${host}/16`, "dev", "eth0");
    for (let host = 0; host < 100; host++) {
      const socket = open(stranger, `10.77.1.${host}` as IpAddress, PORT);
      socket.send(four.to, PORT, heartbeat());
      socket.close();
    }
    const dropped = take();
    assert.equal(
      dropped.filter(({ station }) => station !== undefined).length,
      63,
      "one more is remembered from before",
    );
    assert.equal(dropped.find(({ station }) => station === undefined)?.packets, 37);
  });

  await t.test(
    "a change lets a new node in; a flush by somebody else does not last, and foreign tables are left alone",
    async () => {
      const [four] = families;
      assert.ok(four !== undefined);
      node.run("nft", "add table inet foreign; add chain inet foreign c; add rule inet foreign c counter");
      const foreign = node.run("nft", "list", "table", "inet", "foreign");
      assert.ok(filter.apply({ ...plan, links: [{ ...link, from: [v4(12), v4(66)] }] }).ok);
      assert.equal(await send(four.stranger, four.to, heartbeat()), 1);
      assert.ok(filter.apply(plan).ok);
      assert.equal(await send(four.stranger, four.to, heartbeat()), 0);
      assert.equal(node.run("nft", "list", "table", "inet", "foreign"), foreign);
      // What an operator does with tables of his own: nft reads ours too.
      for (let i = 0; i < 5; i++) {
        node.run("nft", "add", "table", "inet", "another");
        node.run("nft", "delete", "table", "inet", "another");
      }
      assert.match(node.run("nft", "list", "table", "inet", "holdfast-heartbeats"), /comment "holdfast: only nodes/);
      node.run("nft", "flush", "ruleset");
      assert.equal(await send(four.stranger, four.to, heartbeat()), 0, "its owner lives");
      assert.match(node.run("nft", "list", "tables"), /holdfast-heartbeats/);
    },
  );

  await t.test("one without an owner, as older kernels have them, is put back when somebody flushes it", async () => {
    filter.remove();
    const unowned = node.inside(() => new HeartbeatFilter(native, "none"));
    assert.ok(unowned.apply(plan).ok);
    assert.deepEqual(
      unowned.take((detail) => assert.fail(detail)),
      [],
    );
    node.run("nft", "flush", "ruleset");
    const said: string[] = [];
    unowned.take((detail) => said.push(detail));
    assert.deepEqual(said, ["somebody removed it; it was put back"]);
    const [four] = families;
    assert.ok(four !== undefined);
    assert.equal(await send(four.stranger, four.to, heartbeat()), 0);
    unowned.remove();
    unowned.dispose();
    assert.ok(filter.apply({ ...plan, rate: plan.rate + 1 }).ok);
  });

  await t.test("it goes with its daemon, and one that an older kernel left is replaced", () => {
    const second = node.inside(() => new HeartbeatFilter(native));
    const refused = second.apply(plan);
    assert.ok(!refused.ok, "another daemon's");
    filter.dispose();
    assert.doesNotMatch(node.run("nft", "list", "tables"), /holdfast/);
    node.run("nft", "add table inet holdfast-heartbeats; add chain inet holdfast-heartbeats old");
    const applied = second.apply(plan);
    assert.ok(applied.ok, applied.ok ? "" : applied.error);
    assert.doesNotMatch(node.run("nft", "list", "table", "inet", "holdfast-heartbeats"), /chain old/);
    second.remove();
    second.dispose();
  });
});
