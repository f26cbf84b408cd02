/** What this node can tell of its adapters (requirement A7): frames that others sent, answers by the right one, why one is down. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { Input } from "@holdfast/core/effects.ts";
import type { IpAddress, Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { InterfaceName } from "@holdfast/core/units/names.ts";
import { WatchedInterfaces } from "@holdfast/agent/engine/interfaces.ts";
import { openFence } from "@holdfast/linux/fence.ts";
import { FrameCounters } from "@holdfast/linux/frame-counters.ts";
import { announcement } from "@holdfast/linux/kernel-frames.ts";
import { answerer, kernelTest, pause, Prober, until } from "@holdfast/linux/kernel-testing.ts";
import { native } from "@holdfast/linux/load.ts";
import { FrameSender } from "@holdfast/linux/packet/frames.ts";
import { BOTH, SERVICE, STANDBY, TwoAdapters, V4, V6, WEB } from "./two-adapters.ts";

const options = kernelTest();
const GATEWAYS: readonly IpAddress[] = ["10.88.0.1" as Ipv4, "fd88::1" as Ipv6];
const STRANGER = "02:00:00:00:88:99" as Mac;
let net: TwoAdapters;

/** Who answered this question so far, by which interface. */
function answered(): string[] {
  const found = net.inputs.filter((input) => input.kind === "answered");
  return [...new Set(found.map((input) => `${input.address} by ${input.interface}`))].toSorted();
}

/** What was on its way has arrived. */
async function steady(count: () => number): Promise<number> {
  for (let last = count(); ;) {
    await pause(50);
    const next = count();
    if (next === last) return next;
    last = next;
  }
}

describe("evidence of adapters", options, () => {
  afterEach(() => net.remove());

  test("frames of others count, our own do not, on a veth and on a macvlan; a silent adapter keeps its carrier", async () => {
    net = new TwoAdapters();
    net.node.run("ip", "link", "add", "mv0", "link", STANDBY, "type", "macvlan", "mode", "bridge");
    net.node.run("ip", "link", "set", "mv0", "up");
    const [counters, frames] = net.node.inside(() => [new FrameCounters(native), new FrameSender(native)] as const);
    const client = net.client.inside(() => ({ sender: new FrameSender(native), index: native.interfaceIndex("eth0") }));
    /** Everybody hears it. */
    const broadcast = (): void => {
      client.sender.sendFrame(client.index, announcement(STRANGER, "10.88.0.51" as Ipv4));
    };
    const indexes = new Map(
      [SERVICE, "mv0"].map((name) => [name, net.node.inside(() => native.interfaceIndex(name))] as const),
    );
    for (const [name, index] of indexes) {
      // The kernels' own beginnings: routers are solicited, multicast groups joined.
      net.lan.mute(net.node, name === "mv0" ? STANDBY : name, true);
      const before = await steady(() => counters.received(index) ?? -1);
      assert.ok(before >= 0);
      for (let i = 0; i < 50; i++) frames.sendFrame(index, announcement(STRANGER, V4));
      broadcast();
      assert.equal(counters.received(index), before, name);
      assert.match(net.node.run("ip", "link", "show", name), /LOWER_UP/);
      net.lan.mute(net.node, name === "mv0" ? STANDBY : name, false);
      await until(`${name} hears others`, () => {
        broadcast();
        return (counters.received(index) ?? 0) > before;
      });
    }
    assert.equal(counters.received(999_999), undefined);
    assert.ok(
      (counters.received(indexes.get(SERVICE) ?? 0) ?? 0) > 0,
      "it goes on after an interface that is not there",
    );
    counters.close();
    frames.close();
    client.sender.close();
  });

  test("the reference answers by the interface that asked, with its own address there or without one, and by no muted one", async () => {
    net = new TwoAdapters();
    const { probes } = net.start();
    const ask = (through: InterfaceName): void =>
      net.node.inside(() => probes.send({ kind: "probe", of: undefined, addresses: GATEWAYS, through }));
    const by = (name: string): string[] => GATEWAYS.map((address) => `${address} by ${name}`);
    ask(SERVICE);
    await until("answers", () => answered().length === 2);
    await pause(30);
    assert.deepEqual(answered(), by(SERVICE));
    net.inputs.length = 0;
    net.node.run("ip", "address", "flush", "dev", STANDBY);
    ask(STANDBY);
    await until("answers", () => answered().length === 2);
    assert.deepEqual(answered(), by(STANDBY));
    net.inputs.length = 0;
    net.lan.mute(net.node, SERVICE, true);
    for (const name of [SERVICE, STANDBY]) ask(name);
    await until("answers", () => answered().length === 2);
    await pause(30);
    assert.deepEqual(answered(), by(STANDBY));
  });

  test("an adapter that does not work says why, whether it is the service or a standby adapter", async () => {
    net = new TwoAdapters();
    net.start();
    const { cluster, self } = net.configuration();
    const told: Input[] = [];
    const watched = new WatchedInterfaces(cluster, self, net.adapters, (input) => void told.push(input));
    assert.deepEqual(watched.down(), []);
    for (const name of [SERVICE, STANDBY]) {
      for (const [change, back, expected] of [
        [() => net.lan.plug(net.node, name, "down"), () => net.lan.plug(net.node, name, "up"), "no-carrier"],
        [
          () => net.node.run("ip", "link", "set", name, "down"),
          () => net.node.run("ip", "link", "set", name, "up"),
          "administratively",
        ],
      ] as const) {
        change();
        await until(expected, () => {
          watched.look(name);
          return told.length === 1;
        });
        assert.deepEqual(told.splice(0), [{ kind: "interfaceChanged", interface: name, up: false, down: expected }]);
        assert.deepEqual(watched.down(), [name]);
        back();
        await until("up again", () => {
          watched.look(name);
          return told.length === 1;
        });
        assert.deepEqual(told.splice(0), [{ kind: "interfaceChanged", interface: name, up: true }]);
      }
    }
    net.lan.plug(net.node, STANDBY, "down");
    await until("no carrier", () => net.adapters.byName(STANDBY)?.down === "no-carrier");
    watched.look(STANDBY);
    net.node.run("ip", "link", "set", STANDBY, "down");
    await until("taken down", () => net.adapters.byName(STANDBY)?.down === "administratively");
    watched.look(STANDBY);
    net.node.run("ip", "link", "delete", STANDBY);
    await until("gone", () => net.adapters.byName(STANDBY) === undefined);
    watched.look(STANDBY);
    const reasons = told.map((input) => input.kind === "interfaceChanged" && input.down);
    assert.deepEqual(reasons, ["no-carrier", "administratively", "missing"]);
  });

  test("behind the closed fence nothing answers by either adapter; open, only the one with the address answers", async () => {
    net = new TwoAdapters();
    net.start();
    const fence = net.node.inside(() => {
      const groups = [{ number: 1, addresses: BOTH }];
      const opened = openFence(native, { groups, window_ms: 1000, keep_ms: 60_000, uid: 0 });
      assert.ok(opened.ok, opened.ok ? "" : opened.error);
      for (const { index, name, port } of net.adapters.all())
        assert.ok(opened.value.coverInterface(index, name, port).ok);
      return opened.value;
    });
    const servers = BOTH.map((address) =>
      answerer(net.node, address.includes(":") ? ("::" as IpAddress) : ("0.0.0.0" as IpAddress), 5300),
    );
    for (const name of [STANDBY, SERVICE, STANDBY]) {
      net.use(name);
      const captures = BOTH.map((address) => net.capture(net.client, "eth0", address));
      const probers = [
        new Prober(net.client, "eth0", V4, 5300, "10.88.0.50" as IpAddress),
        new Prober(net.client, "eth0", V6, 5300, "fd88::50" as IpAddress),
      ];
      for (const prober of probers) assert.deepEqual(await prober.count(), { udp: 0, neighbour: 0 }, name);
      for (const capture of captures) assert.deepEqual(capture.stations(), []);
      net.node.inside(() => {
        assert.ok(fence.arm(1, 7).ok && fence.commit(1, 7).ok);
        net.addresses.announce({ kind: "announce", group: WEB, term: 2 }, net.now());
      });
      for (const prober of probers) {
        const { udp, neighbour } = await prober.count();
        assert.ok(udp > 0 && neighbour > 0, `${name}: ${udp} ${neighbour}`);
        prober.close();
      }
      for (const capture of captures) assert.deepEqual(capture.stations(), [net.macs[name]]);
      assert.ok(net.node.inside(() => fence.close(1, [7])).ok);
    }
    for (const server of servers) server.close();
    net.node.inside(() => fence.dispose());
  });
});
