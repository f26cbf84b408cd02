/** Heartbeat frames and multicast datagrams between namespaces of a real kernel: who hears what, and who is not woken. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { macBytes, parseMac } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { receiverTag } from "@holdfast/core/wire/receiver-tag.ts";
import { kernelTest, Lan, Namespace, until } from "../kernel-testing.ts";
import { native } from "../load.ts";
import { ETHERTYPE, type EthernetEvents, type EthernetSocket, GROUP, openEthernet } from "./ethernet.ts";
import { FrameSender } from "./frames.ts";
import { joinGroup, sendToGroups } from "./multicast.ts";
import { openUdp, type UdpSocket } from "./udp.ts";

const options = kernelTest();
const WIRE = "wire" as InterfaceName;
const [N1, N2, N3] = ["n1", "n2", "n3"] as [NodeName, NodeName, NodeName];
let lan: Lan;
const stations: Namespace[] = [];
const macs: Mac[] = [];

before(() => {
  if (options.skip !== false) return;
  lan = new Lan(93);
  for (let host = 1; host <= 3; host++) {
    const station = new Namespace();
    stations.push(station);
    macs.push(lan.attach(station, WIRE, host));
  }
});

after(() => {
  if (options.skip !== false) return;
  for (const station of stations) station.remove();
  lan.remove();
});

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

function at(host: number): { readonly station: Namespace; readonly mac: Mac; readonly index: number } {
  const [station, mac] = [stations[host - 1], macs[host - 1]];
  assert.ok(station !== undefined && mac !== undefined);
  return { station, mac, index: station.inside(() => native.interfaceIndex(WIRE)) };
}

function ethernet(host: number, node: NodeName, events: EthernetEvents = { frame: () => {} }): EthernetSocket {
  const { station, index } = at(host);
  const socket = station.inside(() => openEthernet(native, { interface: WIRE, index, tag: receiverTag(node) }, events));
  if (!socket.ok) assert.fail(socket.error);
  opened.push(socket.value);
  return socket.value;
}

function tagged(node: NodeName, text: string): Uint8Array {
  const out = Buffer.alloc(text.length + 4);
  out.write(text, "latin1");
  out.writeUInt32BE(receiverTag(node), text.length);
  return out;
}

test(
  "frames pass with no address and with every inet rule set to drop; each hears what has its tag, and its sender",
  options,
  async () => {
    const got: string[] = [];
    const { mac } = at(1);
    const rules = ["input", "output"].map(
      (hook) => `add chain inet x ${hook} { type filter hook ${hook} priority -400; policy drop; }`,
    );
    for (const host of [1, 2]) {
      at(host).station.run("ip", "address", "flush", "dev", WIRE);
      at(host).station.run("nft", `add table inet x; ${rules.join("; ")}`);
    }
    try {
      ethernet(2, N2, {
        frame: (data, source) => void got.push(`${source()} ${Buffer.from(data.subarray(0, -4)).toString()}`),
      });
      const sender = ethernet(1, N1);
      assert.ok(sender.send(GROUP, tagged(N3, "for another")) > 0);
      assert.ok(sender.send(GROUP, tagged(N2, "to all")) > 0);
      assert.ok(sender.send(at(2).mac, tagged(N2, "to the station")) > 0);
      await until("both came", () => got.length >= 2);
      assert.deepEqual(got, [`${mac} to all`, `${mac} to the station`]);
    } finally {
      for (const host of [1, 2]) {
        at(host).station.run("nft", "delete table inet x");
        at(host).station.run("ip", "address", "add", `10.93.0.${host}/24`, "dev", WIRE);
        at(host).station.run("ip", "address", "add", `fd93::${host}/64`, "dev", WIRE, "nodad");
      }
    }
  },
);

test(
  "the loop is not woken by what is for other stations, other tags, other EtherTypes, or from itself",
  options,
  async () => {
    let woken = 0;
    const got: string[] = [];
    const own = ethernet(2, N2, {
      frame: (data) => void got.push(Buffer.from(data).toString("latin1")),
      drained: () => void woken++,
    });
    const raw = at(1).station.inside(() => new FrameSender(native));
    opened.push(raw);
    const frame = (to: Mac, type: number, payload: Uint8Array): void => {
      const head = Buffer.concat([macBytes(to), macBytes(at(1).mac), Buffer.from([type >> 8, type & 0xff])]);
      raw.sendFrame(at(1).index, Buffer.concat([head, payload]));
    };
    const other = parseMac("02:00:00:00:93:77") as Mac;
    frame(other, ETHERTYPE, tagged(N2, "for another station"));
    frame(at(2).mac, 0x88b6, tagged(N2, "another EtherType"));
    frame(GROUP, ETHERTYPE, tagged(N3, "another tag"));
    frame(GROUP, ETHERTYPE, Uint8Array.of(1));
    frame(parseMac("ff:ff:ff:ff:ff:ff") as Mac, ETHERTYPE, tagged(N3, "a broadcast"));
    own.send(GROUP, tagged(N2, "from itself"));
    frame(at(2).mac, ETHERTYPE, Buffer.from("junk for this station"));
    await until("what is for this station came", () => got.length > 0);
    assert.deepEqual([woken, got.length], [1, 1]);
    assert.match(got[0] ?? "", /^junk for this station/);
  },
);

test("an interface that goes down and comes up is heard again by the same socket", options, async () => {
  let heard = 0;
  ethernet(2, N2, { frame: () => void heard++ });
  const sender = ethernet(1, N1);
  at(2).station.run("ip", "link", "set", WIRE, "down");
  sender.send(GROUP, tagged(N2, "lost"));
  at(2).station.run("ip", "link", "set", WIRE, "up");
  // The kernel took it away with the interface.
  at(2).station.run("ip", "address", "add", "fd93::2/64", "dev", WIRE, "nodad");
  await until("heard again", () => {
    sender.send(GROUP, tagged(N2, "x"));
    return heard > 0;
  });
});

test("the right to raw sockets or the interface is missing: an error that names the interface", options, () => {
  const result = at(1).station.inside(() =>
    openEthernet(native, { interface: WIRE, index: 999, tag: 1 }, { frame: () => {} }),
  );
  assert.match(result.ok ? "opened" : result.error, /heartbeat socket on wire: packet membership: ENODEV/);
});

function group(
  host: number,
  node: NodeName,
  address: IpAddress,
  own: IpAddress,
  datagram: (text: string) => void,
): UdpSocket {
  const { station, index } = at(host);
  return station.inside(() => {
    const events = { datagram: (data: Uint8Array) => datagram(Buffer.from(data.subarray(0, -4)).toString()) };
    const receiver = openUdp(
      native,
      { address, port: 7400, device: WIRE, prepare: (fd) => joinGroup(native, fd, address, index, receiverTag(node)) },
      events,
    );
    const sender = openUdp(
      native,
      { address: own, port: 7400, device: WIRE, prepare: (fd) => sendToGroups(native, fd, address, index) },
      events,
    );
    if (!receiver.ok) assert.fail(receiver.error);
    opened.push(receiver.value);
    if (!sender.ok) assert.fail(sender.error);
    opened.push(sender.value);
    return sender.value;
  });
}

for (const [family, address, own] of [
  ["IPv4", "239.192.74.0", (host: number) => `10.93.0.${host}`],
  ["IPv6", "ff02::7400", (host: number) => `fd93::${host}`],
] as const) {
  test(`${family} multicast: one datagram, taken by the one whose tag it has, not by its sender`, options, async () => {
    const got: string[] = [];
    const to = parseIp(address) as IpAddress;
    const sockets = [N1, N2, N3].map((node, i) =>
      group(i + 1, node, to, parseIp(own(i + 1)) as IpAddress, (text) => void got.push(`${node} ${text}`)),
    );
    const [first] = sockets;
    assert.ok((first?.send(to, 7400, tagged(N1, "to itself")) ?? -1) > 0);
    assert.ok((first?.send(to, 7400, tagged(N3, "for n3")) ?? -1) > 0);
    assert.ok((first?.send(to, 7400, tagged(N2, "for n2")) ?? -1) > 0);
    await until("both came", () => got.length >= 2);
    assert.deepEqual(got.toSorted(), ["n2 for n2", "n3 for n3"]);
  });
}
