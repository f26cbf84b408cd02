/** The neighbours method: whole desired state in, frames on the right interface at the right time out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, success } from "@holdfast/core/units/result.ts";
import { instant, NEVER } from "@holdfast/core/units/time.ts";
import { parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import { createNeighbours } from "./neighbours.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import type { Announcement, NeighbourPort, Neighbours } from "./neighbours.ts";

const MACS: Readonly<Record<string, Mac>> = { eth0: "02:00:00:00:00:0a" as Mac, eth1: "02:00:00:00:01:0a" as Mac };

/** Keeps what was sent, as "eth0 request 10.0.0.100 02:..."; `down` interfaces refuse. */
class RecordingPort implements NeighbourPort {
  readonly down = new Set<string>();
  #sent: string[] = [];

  macOf(name: InterfaceName): Mac | undefined {
    return MACS[name];
  }

  send(name: InterfaceName, frame: Uint8Array): ReturnType<NeighbourPort["send"]> {
    if (this.down.has(name)) return failure("ENETDOWN");
    const [arp, ndp] = [parseArpFrame(frame), parseNdpFrame(frame)];
    if (arp.ok) this.#sent.push(`${name} ${arp.value.operation} ${arp.value.senderAddress} ${arp.value.senderMac}`);
    else if (ndp.ok) this.#sent.push(`${name} ${ndp.value.kind} ${ndp.value.target} ${ndp.value.linkLayer ?? "none"}`);
    else assert.fail("sent what is neither ARP nor neighbour discovery");
    return success(undefined);
  }

  /** What was sent since the last time this was asked. */
  taken(): string[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }
}

const WEB = "web" as GroupName;
const DB = "db" as GroupName;

function announcement(term: number, ...places: string[]): Announcement {
  return {
    term,
    addresses: places.map((place) => {
      const [address, name] = place.split(" ");
      return { address: address as IpAddress, interface: name as InterfaceName };
    }),
  };
}

function running(): { port: RecordingPort; neighbours: Neighbours; at: (now: number) => string[] } {
  const port = new RecordingPort();
  const neighbours = createNeighbours(port);
  const at = (now: number): string[] => {
    neighbours.run(instant(now));
    return port.taken();
  };
  return { port, neighbours, at };
}

const V4 = ["eth0 request 10.0.0.100 02:00:00:00:00:0a", "eth0 reply 10.0.0.100 02:00:00:00:00:0a"];
const V6 = ["eth1 advertisement 2001:db8::64 02:00:00:00:01:0a"];

test("each round has both ARP forms for IPv4 and the advertisement for IPv6, on the address's own interface", () => {
  const { neighbours, at } = running();
  assert.equal(neighbours.nextDeadline(), NEVER);
  neighbours.apply(new Map([[WEB, announcement(1, "10.0.0.100 eth0", "2001:db8::64 eth1")]]), instant(0));
  const sent = new Map<number, string[]>();
  for (let time = neighbours.nextDeadline(); time !== NEVER; time = neighbours.nextDeadline()) sent.set(time, at(time));
  assert.deepEqual([...sent.keys()], [0, 50, 200, 1000, 2000, 5000]);
  for (const frames of sent.values()) assert.deepEqual(frames, [...V4, ...V6]);
});

test("what is said again changes nothing; a new term or address starts over; a group left out falls silent", () => {
  const { neighbours, at } = running();
  const rows: [number, [GroupName, Announcement][], number][] = [
    // at ms, desired, frames of that run
    [0, [[WEB, announcement(1, "10.0.0.100 eth0")]], 2],
    [10, [[WEB, announcement(1, "10.0.0.100 eth0")]], 0],
    [20, [[WEB, announcement(2, "10.0.0.100 eth0")]], 2],
    [30, [[WEB, announcement(2, "10.0.0.100 eth0", "10.0.0.101 eth0")]], 2],
    [40, [[WEB, announcement(2, "10.0.0.100 eth1", "10.0.0.101 eth0")]], 2],
    [
      45,
      [
        [WEB, announcement(2, "10.0.0.100 eth1", "10.0.0.101 eth0")],
        [DB, announcement(1, "10.0.0.7 eth0")],
      ],
      2,
    ],
    [90, [[DB, announcement(1, "10.0.0.7 eth0")]], 0],
    [95, [[DB, announcement(1, "10.0.0.7 eth0")]], 2],
    [96, [], 0],
    [9999, [], 0],
    [9999, [[DB, announcement(1, "10.0.0.7 eth0")]], 2],
  ];
  for (const [now, desired, frames] of rows) {
    assert.deepEqual(neighbours.apply(new Map(desired), instant(now)), []);
    assert.equal(at(now).length, frames, `at ${now} ms`);
  }
});

test("an older term is refused and told, also after the group was given up", () => {
  const { neighbours, at } = running();
  const apply = (term: number, now: number): unknown =>
    neighbours.apply(new Map([[WEB, announcement(term, "10.0.0.100 eth0")]]), instant(now));
  assert.deepEqual(apply(7, 0), []);
  assert.equal(at(0).length, 2);
  assert.deepEqual(apply(6, 10), [{ group: WEB, term: 6, known: 7 }]);
  // The newer announcement goes on.
  assert.equal(at(50).length, 2);
  neighbours.apply(new Map(), instant(60));
  assert.deepEqual(apply(6, 70), [{ group: WEB, term: 6, known: 7 }]);
  assert.deepEqual(at(70), []);
  assert.equal(neighbours.nextDeadline(), NEVER);
  assert.deepEqual(apply(8, 80), []);
  assert.equal(at(80).length, 2);
});

test("a conflict starts over at most once a second, and only what is announced", () => {
  const { neighbours, at } = running();
  neighbours.apply(new Map([[WEB, announcement(1, "10.0.0.100 eth0")]]), instant(0));
  for (const time of [0, 50, 200]) at(time);
  neighbours.again(WEB, instant(900));
  assert.equal(neighbours.nextDeadline(), 1000);
  at(1000);
  neighbours.again(WEB, instant(1100));
  neighbours.again(DB, instant(1100));
  assert.equal(at(1100).length, 2);
  for (let now = 1100; now < 2100; now += 10) neighbours.again(WEB, instant(now));
  assert.equal(neighbours.nextDeadline(), 1150);
});

test("what could not be sent is returned and tried again; the other addresses are not held up", () => {
  const { port, neighbours, at } = running();
  port.down.add("eth0");
  neighbours.apply(
    new Map([
      [WEB, announcement(1, "10.0.0.100 eth0", "2001:db8::64 eth1", "10.0.0.9 gone0")],
      [DB, announcement(1, "2001:db8::64 eth1")],
    ]),
    instant(0),
  );
  assert.deepEqual(neighbours.run(instant(0)), [
    { group: WEB, address: "10.0.0.100", interface: "eth0", reason: "ENETDOWN" },
    { group: WEB, address: "10.0.0.9", interface: "gone0", reason: "there is no interface gone0" },
  ]);
  assert.deepEqual(port.taken(), [...V6, ...V6]);
  assert.deepEqual(at(50), [...V6, ...V6], "what went well keeps its schedule");
  port.down.clear();
  assert.deepEqual(at(199), []);
  assert.deepEqual(at(200), [...V4, ...V6, ...V6]);
  // The one that fails goes on failing and being tried, long after the schedule's end.
  const deadlines = Array.from({ length: 20 }, () => {
    const deadline = neighbours.nextDeadline();
    neighbours.run(deadline);
    return deadline;
  });
  assert.ok((deadlines.at(-1) ?? 0) > 10_000 && neighbours.nextDeadline() !== NEVER, String(deadlines));
});
