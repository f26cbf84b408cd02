/** What a beat and a message of reports have over a link that carries little: the lease first, and everything in turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canWait, narrowBeat, narrowLinks, narrowReports, serialNeed } from "./narrow-links.ts";
import type { Cluster, SerialLink } from "../cluster.ts";
import { emitHeartbeat } from "../wire/heartbeat.ts";
import { FULL, typicalHeartbeat } from "../wire/heartbeat-samples.ts";
import { SEAL_BYTES } from "../wire/heartbeat-split.ts";
import { framedBytes } from "../wire/serial-frame.ts";
import type { GroupName, LinkName, NodeName } from "../units/names.ts";
import { milliseconds } from "../units/time.ts";

const WHOLE = { ...typicalHeartbeat(10, 4), events: FULL.events, adapters: FULL.adapters, outcomes: FULL.outcomes };

function cluster(baud: number, heartbeat = 100, window = 48): { readonly cluster: Cluster; readonly link: SerialLink } {
  const link: SerialLink = { kind: "serial", name: "cable" as LinkName, baud };
  const node = { name: "lb1" as NodeName, role: "member", links: {}, interfaces: {} } as const;
  const group = {
    name: "web" as GroupName,
    addresses: [],
    prefer: [],
    failback: { kind: "manual" },
    settle: milliseconds(0),
    drain: milliseconds(0),
  } as const;
  const timing = {
    heartbeat: milliseconds(heartbeat),
    dead: milliseconds(3 * heartbeat),
    window: milliseconds(window),
    keep: milliseconds(2 * heartbeat),
    jiffy: milliseconds(4),
  };
  const shared = { name: "edge", generation: 1, digest: "00000000", keys: "/keys", seal: "encrypt" } as const;
  return { cluster: { ...shared, timing, links: [link], nodes: [node], groups: [group] }, link };
}

test("only serial links are narrow", () => {
  const { cluster: with_ } = cluster(115_200);
  const udp = { kind: "udp", name: "lan" as LinkName, port: 7400 } as const;
  const wire = { kind: "ethernet", name: "wire" as LinkName } as const;
  assert.deepEqual([...narrowLinks({ ...with_, links: [udp, wire, ...with_.links] }).keys()], ["cable"]);
});

test("a beat has every lease entry and what moves no lease only as far as there is room", () => {
  for (const room of [-50, 0, 150, 300, 400, 600, 1400]) {
    const beat = narrowBeat(WHOLE, room, 3);
    assert.deepEqual(beat.lease, WHOLE.lease);
    assert.deepEqual([beat.message, beat.echo, beat.extra], [WHOLE.message, WHOLE.echo, false]);
    assert.deepEqual([beat.heard, beat.events, beat.adapters, beat.about], [[], [], [], undefined]);
    assert.ok(beat.groups.length >= 1);
    const bytes = emitHeartbeat(beat).length;
    assert.ok(beat.groups.length === 1 || bytes <= room, `${bytes} of ${room}`);
  }
});

test("each group has its turn in the beats", () => {
  const told = new Set<string>();
  for (let turn = 0; turn < WHOLE.groups.length; turn++)
    for (const { group } of narrowBeat(WHOLE, 0, turn).groups) told.add(group);
  assert.equal(told.size, WHOLE.groups.length);
});

test("a further part of a large heartbeat is its lease entries alone", () => {
  const part = { ...WHOLE, heard: [], groups: [], extra: true };
  const beat = narrowBeat(part, 1000, 0);
  assert.deepEqual([beat.groups, beat.lease.length], [[], WHOLE.lease.length]);
});

test("reports keep to their room, are told apart from what cannot wait, and everything that fits comes in some turn", () => {
  for (const room of [200, 250, 300, 409, 870, 1372]) {
    const told = new Set<string>();
    for (let turn = 0; turn < 600; turn += 5) {
      const reports = narrowReports(WHOLE, room, turn);
      assert.ok(reports !== undefined);
      const bytes = emitHeartbeat({ ...reports, echo: { message: 1, held_us: 1 } }).length;
      assert.ok(bytes <= room, `${bytes} of ${room} in turn ${turn}`);
      assert.equal(canWait(reports), true);
      assert.deepEqual(reports.lease, []);
      for (const report of reports.heard) told.add(`heard ${report.peer} ${report.link}`);
      for (const { group } of reports.groups) told.add(`group ${group}`);
      for (const { number } of reports.events) told.add(`event ${number}`);
      for (const { number } of reports.outcomes) told.add(`outcome ${number}`);
      for (const { name } of reports.adapters) told.add(`adapter ${name}`);
      if (reports.about !== undefined) told.add("about");
    }
    assert.equal(told.size, 10 + 4 + 1 + 1 + 1 + 1, `room ${room}: ${[...told].join(", ")}`);
  }
});

test("without room for any report there is no message", () => {
  assert.equal(narrowReports(WHOLE, 60, 0), undefined);
  assert.equal(narrowReports(WHOLE, -13, 5), undefined);
});

test("events are told in order: none before one that did not fit", () => {
  const long = { ...FULL.events[0], number: 1, text: "x".repeat(200) } as (typeof FULL.events)[number];
  const whole = { ...WHOLE, events: [long, { ...long, number: 2, text: "" }] };
  for (let turn = 0; turn < 200; turn += 5) {
    const numbers = narrowReports(whole, 260, turn)?.events.map(({ number }) => number) ?? [];
    assert.ok(numbers.length === 0 || numbers[0] === 1, numbers.join());
  }
});

test("what cannot wait: beats, whatever has lease entries, and the few octets that make a boot known", () => {
  assert.equal(canWait(WHOLE), false);
  assert.equal(canWait(narrowBeat(WHOLE, 170, 0)), false);
  assert.equal(canWait({ ...WHOLE, extra: true }), false);
  assert.equal(canWait({ ...WHOLE, extra: true, lease: [], heard: [] }), false);
});

test("figures at default timing: what a line carries, the shortest beat, a renewal", () => {
  const figures = (baud: number) => {
    const { cluster: config, link } = cluster(baud);
    return serialNeed(config, link);
  };
  assert.deepEqual(figures(115_200), { inInterval: 1152, inWindow: 552, beat: 158, renewal: 302 });
  assert.deepEqual(figures(9600), { inInterval: 96, inWindow: 46, beat: 158, renewal: 302 });
});

test("the shortest beat is as long as announced", () => {
  const { cluster: config, link } = cluster(115_200);
  const beat = { ...typicalHeartbeat(0, 1), about: undefined, drainReason: "", node: "lb1" as NodeName };
  const [entry] = beat.lease;
  assert.ok(entry?.kind === "propose");
  const ballot = { ...entry.ballot, node: "lb1" as NodeName };
  const lease = [{ ...entry, group: "web" as GroupName, ballot, holder: { ...entry.holder, node: "lb1" as NodeName } }];
  const bytes = emitHeartbeat({ ...beat, groups: [], lease }).length;
  assert.equal(framedBytes(SEAL_BYTES + bytes), serialNeed(config, link).beat);
});
