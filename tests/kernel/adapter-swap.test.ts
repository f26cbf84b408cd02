/**
 * Requirements A6 and A8 on the real kernel: a node with two adapters in one network, whose address changes from one to the
 * other. Whoever asks, beside it or behind a router, gets the answer from the address, by the adapter that carries it.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { afterEach, describe, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { InterfaceName } from "@holdfast/core/units/names.ts";
import { kernelTest, pause, until } from "@holdfast/linux/kernel-testing.ts";
import { BOTH, type NodeOptions, SERVICE, STANDBY, TwoAdapters, V4, V6, WEB } from "./two-adapters.ts";

const options = kernelTest();
let net: TwoAdapters;

function given(made: NodeOptions = {}): TwoAdapters {
  net = new TwoAdapters(made);
  return net;
}

/** Both clients talk to both addresses, and the frames that answer come from this adapter alone. */
async function answersBy(name: InterfaceName): Promise<void> {
  for (const address of BOTH) {
    for (const [from, at, device] of [
      [net.client, net.client, "eth0"],
      [net.far, net.router, "eth0"],
    ] as const) {
      const capture = net.capture(at, device, address);
      assert.equal(await net.talk(from, address), "node", `${address} by ${name}, asked from ${from.name}`);
      assert.deepEqual(capture.stations(), [net.macs[name]], `${address} by ${name}`);
      capture.close();
    }
  }
}

function rules(): string {
  return ours("rule", "show");
}

function tables(): string {
  return ours("route", "show", "table", "all");
}

/** Of what ip(8) lists, that of our protocol. */
function ours(...words: string[]): string {
  const listed = ["-4", "-6"].map((family) => net.node.run("ip", family, ...words)).join("");
  return listed
    .split("\n")
    .filter((line) => line.includes(" proto 104"))
    .join("\n");
}

function isOn(address: IpAddress, name: string): boolean {
  return net.node.run("ip", "address", "show", "dev", name).includes(` ${address}/`);
}

async function isOnlyOn(name: InterfaceName): Promise<void> {
  const other = name === SERVICE ? STANDBY : SERVICE;
  await until(`the addresses are on ${name} alone`, () =>
    BOTH.every((address) => isOn(address, name) && !isOn(address, other)),
  );
}

describe("addresses on one of two adapters", options, () => {
  afterEach(() => net.remove());

  for (const standbyFirst of [false, true]) {
    const which = standbyFirst ? "the standby adapter's" : "the service adapter's";
    const strict = standbyFirst ? ", with strict reverse path filters" : "";
    test(`answers leave by the adapter with the address when ${which} routes come first${strict}`, async () => {
      given({ standbyFirst });
      if (standbyFirst)
        net.node.run("sh", "-c", "for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $each; done");
      net.start();
      net.use(SERVICE);
      await net.serve();
      await answersBy(SERVICE);
      net.use(STANDBY);
      await isOnlyOn(STANDBY);
      await answersBy(STANDBY);
    });
  }

  test("without a carrier on the service adapter connections go on by the standby adapter", async () => {
    given().start();
    net.node.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/ignore_routes_with_linkdown");
    net.use(SERVICE);
    await net.serve();
    const connections = await Promise.all(
      BOTH.flatMap((address) => [net.client, net.far].map((from) => net.connect(from, address))),
    );
    for (const ask of connections) assert.equal(await ask(), "node");
    net.lan.plug(net.node, SERVICE, "down");
    net.use(STANDBY);
    for (const ask of connections) assert.equal(await ask(), "node");
    await answersBy(STANDBY);
  });

  test("the gateway that the kernel forgets with an adapter is remembered for the other, and for its return", async () => {
    given().start();
    net.use(SERVICE);
    await net.serve();
    net.node.run("ip", "link", "set", SERVICE, "down");
    net.use(STANDBY);
    await answersBy(STANDBY);
    assert.ok(!net.node.run("ip", "route", "show", "default").includes("via"));
    net.node.run("ip", "link", "set", SERVICE, "up");
    net.node.run("ip", "address", "add", "fd88::11/64", "dev", SERVICE, "nodad");
    await until(
      "its table is back",
      () =>
        tables()
          .split("\n")
          .filter((line) => line.includes(`dev ${SERVICE}`)).length >= 4,
    );
    net.use(SERVICE);
    await isOnlyOn(SERVICE);
    await answersBy(SERVICE);
  });

  test("addresses that the kernel takes off an adapter that goes down were removed by nobody, and are back with it", async () => {
    given().start();
    net.use(SERVICE);
    net.node.run("ip", "link", "set", SERVICE, "down");
    await until("it is told", () => net.adapters.byName(SERVICE)?.down === "administratively");
    net.node.run("ip", "link", "set", SERVICE, "up");
    await until("the address is back", () => isOn(V6, SERVICE));
    const restored = (): number => net.inputs.filter(({ kind }) => kind === "addressRestored").length;
    assert.equal(restored(), 0);
    await until("it is up", () => net.adapters.byName(SERVICE)?.up === true);
    net.node.run("ip", "address", "delete", `${V6}/64`, "dev", SERVICE);
    await until("somebody is told of", () => restored() === 1);
  });

  test("an adapter that is deleted takes nothing along, and carries the address again when it is back", async () => {
    given().start();
    net.use(SERVICE);
    await net.serve();
    net.node.run("ip", "link", "delete", SERVICE);
    net.use(STANDBY);
    await answersBy(STANDBY);
    (net.macs as Record<string, string>)[SERVICE] = net.lan.attach(net.node, SERVICE, 11);
    await until("it is known", () => net.adapters.byName(SERVICE)?.up === true);
    await until("its table is there", () => tables().includes(`dev ${SERVICE}`));
    net.use(SERVICE);
    await isOnlyOn(SERVICE);
    await answersBy(SERVICE);
  });

  test("of two adapters in one network only the one with the address answers who asks for it", async () => {
    given().start();
    for (const name of [SERVICE, STANDBY]) {
      net.use(name);
      await isOnlyOn(name);
      // What was announced and asked before is over.
      await pause(50);
      for (const address of BOTH) {
        const capture = net.capture(net.client, "eth0", address);
        net.client.run("ip", "neighbour", "flush", "all");
        net.client.run("ping", "-c", "3", "-i", "0.2", "-W", "5", address);
        assert.deepEqual(capture.stations(), [net.macs[name]], `${address} on ${name}`);
        capture.close();
      }
    }
  });

  test("a swap between two adapters that work loses no packet", async () => {
    given().start();
    net.use(SERVICE);
    const pings = BOTH.map((address) => net.client.start("ping", "-q", "-i", "0.002", "-c", "600", "-W", "1", address));
    await pause(200);
    for (const name of [STANDBY, SERVICE, STANDBY]) {
      net.use(name);
      await pause(200);
    }
    for (const output of await Promise.all(pings)) assert.match(output, /600 packets transmitted, 600 received/);
  });

  test("rules are there only for addresses that are here, and go with them; an operator's own stay", async () => {
    given().start();
    net.node.run("ip", "rule", "add", "from", "10.88.0.77", "lookup", "77", "priority", "32400");
    assert.equal(rules(), "");
    net.use(STANDBY);
    const index = net.adapters.byName(STANDBY)?.index ?? 0;
    assert.match(rules(), new RegExp(`^32400:\\tfrom ${V4} lookup ${0x68660000 + index} proto 104`));
    assert.match(rules(), new RegExp(`from ${V6} lookup ${0x68660000 + index} proto 104`));
    net.withdraw();
    assert.equal(rules(), "");
    net.node.inside(() => net.addresses.leave());
    assert.equal(tables(), "");
    assert.match(net.node.run("ip", "rule"), /from 10\.88\.0\.77 lookup 77/);
  });

  test("what a daemon left on any adapter is removed by the next; what is still open stays where it is", async () => {
    given().start();
    net.use(STANDBY);
    net.crash();
    net.start([WEB]);
    assert.ok(isOn(V4, STANDBY) && isOn(V6, STANDBY) && !isOn(V4, SERVICE));
    assert.match(rules(), /from 10\.88\.0\.100/);
    net.crash();
    net.start();
    assert.ok(!isOn(V4, STANDBY) && !isOn(V6, STANDBY));
    assert.equal(rules(), "");
  });

  test("rules or routes of ours that somebody removes are put back", async () => {
    given().start();
    net.use(STANDBY);
    const before = tables();
    net.node.run("ip", "rule", "delete", "from", V4, "priority", "32400");
    const index = net.adapters.byName(STANDBY)?.index ?? 0;
    net.node.run("ip", "route", "flush", "table", String(0x68660000 + index));
    await until("all is back", () => rules().includes(`from ${V4}`) && tables() === before);
  });

  test("a node with one adapter in each network gets no rules", () => {
    given({ interfaces: ["service"] });
    net.node.run("ip", "address", "flush", "dev", STANDBY);
    net.start();
    net.use(SERVICE);
    assert.equal(rules() + tables(), "");
  });

  test("a reload brings standby adapters and takes them away; no packet is lost", async () => {
    given({ interfaces: ["service"] });
    net.node.run("ip", "address", "flush", "dev", STANDBY);
    net.start();
    net.use(SERVICE);
    const pings = BOTH.map((address) => net.client.start("ping", "-q", "-i", "0.002", "-c", "500", "-W", "1", address));
    await pause(200);
    net.reload(["service", "standby"]);
    assert.match(rules(), /from 10\.88\.0\.100/);
    net.use(STANDBY);
    await pause(200);
    net.use(SERVICE);
    await isOnlyOn(SERVICE);
    net.reload(["service"]);
    assert.equal(rules() + tables(), "");
    for (const output of await Promise.all(pings)) assert.match(output, /500 packets transmitted, 500 received/);
  });

  test("a main table that is too long is not copied: an alarm says so, and the address is answered as the main table has it", async () => {
    given();
    const routes = Array.from(
      { length: 1200 },
      (_, i) => `route add 10.${100 + (i >> 8)}.${i & 255}.0/24 via 10.88.0.1`,
    );
    const file = `/tmp/hfl-${process.pid}-routes`;
    writeFileSync(file, `${routes.join("\n")}\n`);
    net.node.run("ip", "-batch", file);
    rmSync(file);
    net.start();
    net.use(SERVICE);
    await until("an alarm", () => net.inputs.some((input) => input.kind === "trouble"));
    const [trouble] = net.inputs.filter((input) => input.kind === "trouble");
    assert.match(trouble?.text ?? "", /more than 1000 routes/);
    await net.serve();
    assert.equal(await net.talk(net.client, V4), "node");
    assert.equal(await net.talk(net.far, V4), "node");
  });

  test("two adapters in one network need rules also without standby adapters", async () => {
    given({ interfaces: ["service"], standbyFirst: true }).start();
    net.use(SERVICE);
    await net.serve();
    assert.match(rules(), /from 10\.88\.0\.100/);
    for (const address of BOTH) {
      const capture = net.capture(net.client, "eth0", address);
      assert.equal(await net.talk(net.client, address), "node");
      assert.ok(capture.stations().includes(net.macs[SERVICE] as never));
    }
  });
});
