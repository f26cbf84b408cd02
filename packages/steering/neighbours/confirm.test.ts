/** The check of a take-over: whom it asks when, what counts as an answer, and what is told once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { instant, NEVER, type Instant } from "@holdfast/core/units/time.ts";
import { parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import {
  CHECK_AFTER_MS,
  CHECK_ENDS_MS,
  type CheckOutcome,
  Confirmations,
  type ConfirmPort,
  type EchoLine,
  type Station,
} from "./confirm.ts";
import type { AnnouncedAddress, Announcement } from "./neighbours.ts";

const WEB = "web" as GroupName;
const ETH0 = "eth0" as InterfaceName;
const OWN = "02:00:00:00:00:01" as Mac;
const V4 = "10.0.0.100" as IpAddress;
const V6 = "fd00::100" as IpAddress;

function station(address: string, kind: Station["kind"], mac?: string): Station {
  return { address: address as IpAddress, kind, mac: mac as Mac | undefined };
}

const GATEWAY = station("10.0.0.1", "gateway", "02:00:00:00:00:fe");
const CLIENT = station("10.0.0.9", "neighbour", "02:00:00:00:00:09");

/** Keeps what was sent; the test answers for the stations. */
class RecordingPort implements ConfirmPort {
  known: readonly Station[] = [];
  refuses = "";
  readonly sent: string[] = [];
  readonly answer = new Map<IpAddress, (from: string, now: number) => void>();
  readonly lines = new Set<IpAddress>();

  stations(): readonly Station[] {
    return this.known;
  }

  open({ address }: AnnouncedAddress, heard: (from: IpAddress, now: Instant) => void): Result<EchoLine, string> {
    if (this.refuses !== "") return failure(this.refuses);
    this.lines.add(address);
    this.answer.set(address, (from, now) => heard(from as IpAddress, instant(now)));
    return success({
      ask: (target, sequence) => void this.sent.push(`echo ${address} ${target} ${sequence}`),
      close: () => void this.lines.delete(address),
    });
  }

  macOf(): Mac {
    return OWN;
  }

  send(name: InterfaceName, frame: Uint8Array): void {
    const [arp, ndp] = [parseArpFrame(frame), parseNdpFrame(frame)];
    if (arp.ok) this.sent.push(`arp ${name} ${arp.value.senderAddress} ${arp.value.destinationMac}`);
    else if (ndp.ok) this.sent.push(`ndp ${name} ${ndp.value.source} ${ndp.value.destinationMac}`);
    else assert.fail("sent what is neither");
  }

  taken(): string[] {
    return this.sent.splice(0);
  }
}

function announcement(term: number, ...addresses: readonly IpAddress[]): ReadonlyMap<GroupName, Announcement> {
  return new Map([[WEB, { term, addresses: addresses.map((address) => ({ address, interface: ETH0 })) }]]);
}

function started(known: readonly Station[], ...addresses: readonly IpAddress[]) {
  const port = new RecordingPort();
  port.known = known;
  const told: CheckOutcome[] = [];
  const checks = new Confirmations(port, (outcome) => told.push(outcome));
  checks.apply(announcement(7, ...addresses), instant(1000));
  return { port, told, checks };
}

/** Runs until nothing is due any more; what was sent at which time after the start. */
function runAll({ checks, port }: ReturnType<typeof started>): Map<number, string[]> {
  const sent = new Map<number, string[]>();
  for (let at = checks.nextDeadline(); at !== NEVER; at = checks.nextDeadline()) {
    checks.run(at);
    const taken = port.taken();
    if (taken.length > 0) sent.set(Math.round(at - 1000), taken);
  }
  return sent;
}

test("the gateway and a recent client are asked by echo in each round, by unicast ARP too from the third; then it is told", () => {
  const made = started([GATEWAY, CLIENT], V4);
  const sent = runAll(made);
  assert.deepEqual([...sent.keys()], CHECK_AFTER_MS);
  const echoes = (round: number): string[] => [GATEWAY, CLIENT].map(({ address }) => `echo ${V4} ${address} ${round}`);
  assert.deepEqual(sent.get(5), echoes(0));
  assert.deepEqual(sent.get(60), echoes(1));
  const unicast = [GATEWAY, CLIENT].map(({ mac }) => `arp eth0 ${V4} ${mac}`);
  assert.deepEqual(sent.get(250), [...echoes(2), ...unicast]);
  assert.deepEqual(sent.get(2050), [...echoes(4), ...unicast]);
  assert.deepEqual(made.told, [
    {
      group: WEB,
      term: 7,
      address: V4,
      by: undefined,
      after_ms: CHECK_ENDS_MS,
      detail: "asked 10.0.0.1 (gateway), 10.0.0.9",
      pending: 0,
    },
  ]);
  assert.equal(made.port.lines.size, 0, "its socket is closed");
});

test("the first answer of one who was asked confirms, and ends it; IPv6 is a check of its own", () => {
  const made = started([GATEWAY, CLIENT], V4, V6);
  made.checks.run(instant(1005));
  made.port.answer.get(V4)?.("10.0.0.77", 1006);
  assert.equal(made.told.length, 0, "nobody asked that one");
  made.port.answer.get(V4)?.("10.0.0.9", 1007);
  made.port.answer.get(V4)?.("10.0.0.1", 1008);
  assert.deepEqual(
    made.told.map(({ address, by, after_ms, pending }) => [address, by, after_ms, pending]),
    [[V4, CLIENT, 7, 1]],
  );
  assert.deepEqual([...made.port.lines], [V6]);
  made.port.taken();
  made.checks.run(instant(1060));
  assert.deepEqual(
    made.port.taken().map((each) => each.split(" ")[1]),
    [V6, V6],
  );
  made.port.answer.get(V6)?.("10.0.0.1", 1061);
  assert.equal(made.told[1]?.pending, 0);
  assert.equal(made.checks.nextDeadline(), NEVER);
});

test("a client that is first seen in a later round confirms; with nobody at all the reason is told", () => {
  const made = started([], V4);
  made.checks.run(instant(1005));
  assert.deepEqual(made.port.taken(), []);
  made.port.known = [CLIENT];
  made.checks.run(instant(1060));
  made.port.answer.get(V4)?.(CLIENT.address, 1061);
  assert.equal(made.told[0]?.by, CLIENT);
  const alone = started([], V4);
  runAll(alone);
  assert.equal(alone.told[0]?.detail, "no gateway, reference or neighbour is known on eth0");
  const refused = started([CLIENT], V4);
  refused.port.refuses = "echo socket: EPERM";
  runAll(refused);
  assert.equal(refused.told[0]?.detail, "echo socket: EPERM");
});

test("many neighbours are asked some a round, each round others, the gateway in each; a station of many addresses once", () => {
  const many = Array.from({ length: 150 }, (_, i) =>
    station(`10.0.1.${i}`, "neighbour", `02:00:00:00:01:${i.toString(16).padStart(2, "0")}`),
  );
  const twice = many.map(({ address, mac }) => station(address.replace("10.0.1", "10.0.2"), "neighbour", mac));
  const made = started([GATEWAY, ...many.flatMap((each, i) => [each, twice[i] as Station])], V4);
  const sent = runAll(made);
  const to = (frames: readonly string[], kind: string, word: number): (string | undefined)[] =>
    frames.filter((each) => each.startsWith(kind)).map((each) => each.split(" ")[word]);
  for (const frames of sent.values()) {
    const [echoes, questions] = [to(frames, "echo", 2), to(frames, "arp", 3)];
    assert.ok(echoes.length <= 16 && questions.length <= 64);
    assert.ok(echoes.includes(GATEWAY.address));
  }
  const all = [...sent.values()].flat();
  assert.equal(new Set(to(all, "echo", 2)).size, 1 + 5 * 15);
  assert.equal(new Set(to(all, "arp", 3)).size, 151, "all of them in three rounds");
  assert.ok(!to(all, "echo", 2).some((each) => each?.startsWith("10.0.2")));
});

test("the same again is not checked again; a new term, a moved address is; a group that is given up is not told of", () => {
  const made = started([GATEWAY], V4);
  made.checks.run(instant(1005));
  made.checks.apply(announcement(7, V4), instant(1010));
  made.port.answer.get(V4)?.(GATEWAY.address, 1011);
  made.checks.apply(announcement(7, V4), instant(1020));
  assert.equal(made.checks.nextDeadline(), NEVER);
  made.checks.apply(announcement(8, V4), instant(1030));
  assert.equal(made.checks.nextDeadline(), 1035);
  made.checks.run(instant(1035));
  made.checks.apply(new Map(), instant(1040));
  assert.equal(made.checks.nextDeadline(), NEVER);
  made.port.answer.get(V4)?.(GATEWAY.address, 1041);
  assert.equal(made.told.length, 1);
  assert.equal(made.port.lines.size, 0);
});

test("after a planned move nobody is asked before the old owner has certainly ended to pass on", () => {
  const { port, told, checks } = started([GATEWAY]);
  checks.apply(announcement(8, V4), instant(2000), instant(2256));
  assert.equal(checks.nextDeadline(), 2261);
  checks.run(instant(2261));
  assert.equal(port.taken().length, 1);
  port.answer.get(V4)?.(GATEWAY.address, 2263);
  assert.equal(told[0]?.after_ms, 263, "since the first announcement");
});

test("of a thousand addresses 64 have a socket at a time, a turn of the loop does a few, and each is told", () => {
  const addresses = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}` as IpAddress);
  const made = started([GATEWAY], ...addresses);
  let turns = 0;
  for (let at = made.checks.nextDeadline(); at !== NEVER; at = made.checks.nextDeadline()) {
    assert.ok(made.port.lines.size <= 64);
    made.checks.run(at);
    const asked = made.port.taken().filter((each) => each.startsWith("echo"));
    assert.ok(asked.length <= 16, `${asked.length} in one turn`);
    for (const each of asked) made.port.answer.get(each.split(" ")[1] as IpAddress)?.(GATEWAY.address, at + 0.2);
    turns += 1;
  }
  assert.equal(made.told.length, 1000);
  assert.ok(turns < 2000, `${turns} turns`);
});
