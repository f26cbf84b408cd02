/** Heartbeat sockets and frames between two network namespaces of a real kernel. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { join, kernelTest, Namespace, until } from "../kernel-testing.ts";
import { native } from "../load.ts";
import { FrameListener, FrameSender } from "./frames.ts";
import { openUdp } from "./udp.ts";
import type { UdpEvents, UdpOptions, UdpSocket } from "./udp.ts";

const options = kernelTest();
let here: Namespace;
let there: Namespace;

before(() => {
  if (options.skip !== false) return;
  here = new Namespace();
  there = new Namespace();
  join(here, there, "one", 94);
  join(here, there, "two", 95);
});

after(() => {
  if (options.skip !== false) return;
  here.remove();
  there.remove();
});

/** Of the running test: what a failed one left open would keep this process from ending. */
const opened: { close(): void }[] = [];

afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

function closing<Closable extends { close(): void }>(each: Closable): Closable {
  opened.push(each);
  return each;
}

/** What the planted frames claim: their payload is zero where nothing else is said. */
const CLAIMED = ["0.0.0.0" as IpAddress, "::" as IpAddress];

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

function open(namespace: Namespace, udp: UdpOptions, events: UdpEvents = { datagram: () => {} }): UdpSocket {
  const result = namespace.inside(() => openUdp(native, udp, events));
  if (!result.ok) assert.fail(result.error);
  return closing(result.value);
}

for (const [family, near, far] of [
  ["IPv4", ip("10.94.0.1"), ip("10.94.0.2")],
  ["IPv6", ip("fd94::1"), ip("fd94::2")],
] as const) {
  test(`${family} datagrams arrive in order, one call each, with their sender`, options, async () => {
    const got: string[] = [];
    const receiver = open(
      there,
      { address: far, port: 0, device: "one" },
      { datagram: (data, from) => void got.push(`${from.address} ${from.port} ${data.join()}`) },
    );
    const sender = open(here, { address: near, port: 0, device: "one" });
    // More than one batch of the receiver, so that the seam between batches is crossed.
    const wanted = Array.from({ length: 150 }, (_, i) => `${near} ${sender.port} ${i}`);
    for (let i = 0; i < wanted.length; i++) assert.equal(sender.send(far, receiver.port, Uint8Array.of(i)), 1);
    await until("all arrived", () => got.length >= wanted.length);
    assert.deepEqual(got, wanted);
  });
}

test("a datagram that came by another interface is not heard", options, async () => {
  const got: string[] = [];
  const say = (name: string) => ({ datagram: () => void got.push(name) });
  const bound = open(there, { address: ip("10.94.0.2"), port: 7001, device: "two" }, say("bound to two"));
  open(there, { address: ip("10.94.0.2"), port: 7002, device: "one" }, say("bound to one"));
  const sender = open(here, { address: ip("10.94.0.1"), port: 0 });
  sender.send(ip("10.94.0.2"), 7001, Uint8Array.of(1));
  // Sent later by the same way: when it is here, the first one would be too.
  sender.send(ip("10.94.0.2"), 7002, Uint8Array.of(2));
  await until("the control arrived", () => got.length > 0);
  bound.read();
  assert.deepEqual(got, ["bound to one"]);
});

test("a refused datagram or an interface that was down does not end the hearing", options, async () => {
  let heard = 0;
  const receiver = open(there, { address: ip("10.94.0.2"), port: 0, device: "one" }, { datagram: () => void heard++ });
  const sender = open(here, { address: ip("10.94.0.1"), port: 0, device: "one" });
  sender.send(ip("10.94.0.2"), 9, Uint8Array.of(1));
  there.run("ip", "link", "set", "one", "down");
  there.run("ip", "link", "set", "one", "up");
  await until("heard again", () => {
    sender.send(ip("10.94.0.2"), receiver.port, Uint8Array.of(1));
    return heard > 0;
  });
});

test("an address or a device that is not there is an error that names both", options, () => {
  const refused = (udp: UdpOptions) => {
    const result = here.inside(() => openUdp(native, udp, { datagram: () => {} }));
    return result.ok ? assert.fail("opened") : result.error;
  };
  assert.match(
    refused({ address: ip("10.94.0.9"), port: 7003, device: "one" }),
    /10\.94\.0\.9 port 7003 on one.*EADDRNOTAVAIL/,
  );
  assert.match(
    refused({ address: ip("10.94.0.1"), port: 7003, device: "none" }),
    /10\.94\.0\.1 port 7003 on none.*ENODEV/,
  );
});

test("heartbeats carry CS6 and may be fragmented", options, async () => {
  const frames: Uint8Array[] = [];
  const raw = there.inside(() => {
    const fd = native.socket(17, 3, 0x0300);
    assert.ok(fd >= 0);
    closing({ close: () => void native.close(fd) });
    return fd;
  });
  const sender = open(here, { address: ip("10.94.0.1"), port: 0, device: "one" });
  const sender6 = open(here, { address: ip("fd94::1"), port: 0, device: "one" });
  const buffer = new Uint8Array(2048);
  const isMine = (frame: Uint8Array, port: number, at: number) =>
    (((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0)) === port;
  const v4 = () =>
    frames.find((frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 17 && isMine(frame, sender.port, 34));
  const v6 = () => frames.find((frame) => frame[12] === 0x86 && frame[20] === 17 && isMine(frame, sender6.port, 54));
  await until("both captured", () => {
    sender.send(ip("10.94.0.2"), 7004, Uint8Array.of(1));
    sender6.send(ip("fd94::2"), 7004, Uint8Array.of(1));
    for (let length = 0; (length = native.receive(raw, buffer, null)) > 0;) frames.push(buffer.slice(0, length));
    return v4() !== undefined && v6() !== undefined;
  });
  assert.equal(v4()?.[15], 0xc0);
  assert.equal((v4()?.[20] ?? 0xff) & 0x40, 0, "don't fragment");
  assert.equal((((v6()?.[14] ?? 0) & 0x0f) << 4) | ((v6()?.[15] ?? 0) >> 4), 0xc0);
});

/** An Ethernet frame to everybody with `type` and zeros behind it, except for the given bytes. */
function frame(mark: number, type: number, bytes: Record<number, number> = {}): Uint8Array {
  const out = new Uint8Array(80);
  out.fill(255, 0, 6).set([2, 0, 0, 0, 0, mark], 6);
  out.set([type >> 8, type & 0xff], 12);
  for (const [at, value] of Object.entries(bytes)) out[Number(at)] = value;
  return out;
}

test(
  "a listener hears ARP and neighbour advertisements of its interface from others, and nothing else",
  options,
  async () => {
    const IPV6 = 0x86dd;
    const CASES: readonly [what: string, heard: boolean, frame: Uint8Array][] = [
      ["ARP", true, frame(1, 0x0806)],
      ["neighbour advertisement", true, frame(2, IPV6, { 20: 58, 54: 136 })],
      ["neighbour solicitation", false, frame(3, IPV6, { 20: 58, 54: 135 })],
      ["router advertisement", false, frame(4, IPV6, { 20: 58, 54: 134 })],
      ["UDP over IPv6 with 136 where the type would be", false, frame(5, IPV6, { 20: 17, 54: 136 })],
      ["IPv4", false, frame(6, 0x0800, { 20: 58, 54: 136 })],
      ["another EtherType", false, frame(7, 0x88cc)],
      ["cut IPv6", false, frame(8, IPV6, { 20: 58, 54: 136 }).subarray(0, 40)],
      ["ARP of another sender", false, frame(10, 0x0806, { 31: 1 })],
      ["neighbour advertisement for another target", false, frame(11, IPV6, { 20: 58, 54: 136, 77: 1 })],
      ["ARP at the end", true, frame(9, 0x0806)],
    ];
    const heard: number[] = [];
    const index = there.inside(() => native.interfaceIndex("one"));
    there.inside(() =>
      closing(
        new FrameListener(native, index, CLAIMED, {
          // The kernels' own neighbour discovery is heard too; planted senders begin with 02:00:00:00:00.
          frame: (each) =>
            void (each[6] === 2 && each.subarray(7, 11).every((byte) => byte === 0) && heard.push(each[11] ?? 0)),
        }),
      ),
    );
    const own = there.inside(() => closing(new FrameSender(native)));
    assert.equal(own.sendFrame(index, frame(20, 0x0806)), 80, "our own is sent and not heard");
    const sender = here.inside(() => closing(new FrameSender(native)));
    const two = here.inside(() => native.interfaceIndex("two"));
    assert.equal(sender.sendFrame(two, frame(21, 0x0806)), 80, "by the other interface");
    const one = here.inside(() => native.interfaceIndex("one"));
    for (const [what, , bytes] of CASES) assert.equal(sender.sendFrame(one, bytes), bytes.length, what);
    await until("the last arrived", () => heard.includes(9));
    assert.deepEqual(
      heard,
      CASES.flatMap(([, expected, bytes]) => (expected ? [bytes[11]] : [])),
    );
  },
);

test(
  "a frame on an interface that is down or missing is refused with its reason, and hearing goes on after it",
  options,
  async () => {
    const trouble: number[] = [];
    let heard = 0;
    const index = there.inside(() => native.interfaceIndex("two"));
    there.inside(() =>
      closing(
        new FrameListener(native, index, CLAIMED, {
          frame: () => void heard++,
          trouble: (status) => void trouble.push(status),
        }),
      ),
    );
    const sender = here.inside(() => closing(new FrameSender(native)));
    const two = here.inside(() => native.interfaceIndex("two"));
    there.run("ip", "link", "set", "two", "down");
    here.run("ip", "link", "set", "two", "down");
    await until("told", () => trouble.length > 0);
    assert.ok(sender.sendFrame(two, frame(1, 0x0806)) < 0);
    assert.ok(sender.sendFrame(999_999, frame(1, 0x0806)) < 0);
    here.run("ip", "link", "set", "two", "up");
    there.run("ip", "link", "set", "two", "up");
    await until("heard again", () => {
      sender.sendFrame(two, frame(2, 0x0806));
      return heard > 0;
    });
  },
);
