/** What a group that forwards or relays does with packets, when that ends, and what a restarted daemon finds of it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, afterEach, before, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { done, GROUP, Room } from "./kernel-room.ts";
import type { RoomNode } from "./kernel-room.ts";
import { answerer, kernelTest, largeBuffers, Namespace, pause, until } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { openUdp } from "./packet/udp.ts";
import type { UdpSocket } from "./packet/udp.ts";

const PORT = 5000;
const LONG_MS = 20_000;
const KEEP_MS = 600;
/** How long a busy machine may take to start a process. */
const START_MS = 20_000;
const LATE_TICK_MS = 5;
const JIFFY_MS = native.tick() / 1e6;
const options = kernelTest();

let room: Room;
let other: Namespace;
let otherMac: Mac;
let client: Asker;
let stranger: Asker;
const closers: (() => void)[] = [];

interface Question {
  readonly before: number;
  readonly after: number;
  answer: string;
}

/** A station that sends to the Ethernet address it is told, whatever anybody announces. */
class Asker {
  /** In order, one by IPv4 and one by IPv6 in turn. */
  questions: Question[] = [];
  readonly #namespace: Namespace;
  readonly #sockets: [UdpSocket, IpAddress][];

  constructor(namespace: Namespace, sources: readonly [IpAddress, IpAddress]) {
    this.#namespace = namespace;
    const datagram = (data: Uint8Array): void => {
      const question = this.questions[((data[0] ?? 0) << 8) | (data[1] ?? 0)];
      if (question !== undefined) question.answer += String.fromCharCode(data[2] ?? 0);
    };
    this.#sockets = sources.map((address, i) => {
      const socket = namespace.inside(() => done(openUdp(largeBuffers, { address, port: 0 }, { datagram })));
      closers.push(() => socket.close());
      return [socket, i === 0 ? room.v4 : room.v6];
    });
  }

  sendTo(mac: Mac): void {
    for (const address of [room.v4, room.v6])
      this.#namespace.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "lan", "nud", "permanent");
  }

  ask(): void {
    for (const [socket, address] of this.#sockets) {
      const number = this.questions.length;
      const before = native.monotonic();
      socket.send(address, PORT, Uint8Array.of(number >> 8, number & 0xff));
      this.questions.push({ before, after: native.monotonic(), answer: "" });
    }
  }

  /** The letters of who answered five questions of each kind: "BBBBBBBBBB" is a complete answer of B. */
  async answers(): Promise<string> {
    this.questions = [];
    for (let i = 0; i < 5; i++) {
      this.ask();
      await pause(2);
    }
    await pause(30);
    return this.questions.map(({ answer }) => answer).join("");
  }
}

const ALL_A = "A".repeat(10);
const ALL_B = "B".repeat(10);

before(() => {
  if (options.skip !== false) return;
  room = new Room(89, { drain: false, keep_ms: KEEP_MS });
  other = new Namespace();
  otherMac = room.lan.attach(other, "lan", 8);
  for (const { namespace, name, addresses } of [room.a, room.b]) {
    for (const address of addresses) {
      const socket = answerer(namespace, address, PORT, name);
      closers.push(() => socket.close());
    }
    for (const [host, mac] of [
      [9, room.clientMac],
      [8, otherMac],
    ] as const) {
      for (const address of [`10.89.0.${host}`, `fd89::${host}`])
        namespace.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "lan", "nud", "permanent");
    }
  }
  client = new Asker(room.client, [room.client4, room.client6]);
  stranger = new Asker(other, ["10.89.0.8" as IpAddress, "fd89::8" as IpAddress]);
});

after(() => {
  for (const close of closers) close();
  if (options.skip !== false) return;
  other.remove();
  room.close();
});

afterEach(() => {
  if (options.skip !== false) return;
  for (const node of [room.a, room.b]) done(node.fence.close(GROUP, [node.number]));
});

function state(node: RoomNode): string {
  return done(node.fence.states()).get(GROUP) ?? "closed";
}

test(
  "forwarding ends with the lease although nobody closes it, and the old owner answers nothing more",
  options,
  async () => {
    const { a, b } = room;
    client.sendTo(a.mac);
    done(b.fence.relay(GROUP, a.seenFrom(b), LONG_MS));
    a.renew();
    assert.equal(await client.answers(), ALL_A);
    const renewing = native.monotonic();
    a.renew();
    const renewed = native.monotonic();
    done(a.fence.forward(GROUP, [a.number], b.seenFrom(a)));
    client.questions = [];
    await until("the lease is over", async () => {
      client.ask();
      await pause(1);
      return native.monotonic() - renewed > (KEEP_MS + 100) * 1e6;
    });
    await pause(50);
    const answered = client.questions.filter(({ answer }) => answer !== "");
    assert.ok(answered.every(({ answer }) => answer === "B") && answered.length > 20);
    // When a question left is known from both sides only; this machine may be busy.
    const lasted = ((answered.at(-1)?.before ?? 0) - renewed) / 1e6;
    const ended = ((client.questions.find(({ answer }) => answer === "")?.after ?? 0) - renewing) / 1e6;
    assert.ok(lasted < KEEP_MS + JIFFY_MS + LATE_TICK_MS, `${lasted} ms`);
    assert.ok(ended > KEEP_MS - JIFFY_MS, `${ended} ms`);
    assert.equal(state(a), "closed");
    assert.equal(state(b), "relay");
    assert.equal(a.fence.arm(GROUP, 9999).ok && a.fence.commit(GROUP, 9999).ok, false, "not before it was closed");
    done(a.fence.close(GROUP, [9999]));
  },
);

test(
  "a relay answers its stations on their interface and nobody else, and only the last it was told",
  options,
  async () => {
    const { b } = room;
    client.sendTo(b.mac);
    stranger.sendTo(b.mac);
    assert.equal(await client.answers(), "", "closed");
    done(b.fence.relay(GROUP, [{ interface: b.index, mac: room.clientMac }], LONG_MS));
    assert.equal(await client.answers(), ALL_B);
    assert.equal(await stranger.answers(), "");
    done(b.fence.relay(GROUP, [{ interface: b.index, mac: otherMac }], LONG_MS));
    assert.equal(await client.answers(), "");
    assert.equal(await stranger.answers(), ALL_B);
    done(b.fence.relay(GROUP, [{ interface: b.index + 1, mac: otherMac }], LONG_MS));
    assert.equal(await stranger.answers(), "", "on another interface");
    done(b.fence.relay(GROUP, [{ interface: b.index, mac: room.clientMac }], 100));
    assert.equal(await client.answers(), ALL_B);
    await until("the relay is over", () => state(b) === "closed", 1000);
    assert.equal(await client.answers(), "");
  },
);

test("what is not sent to the old owner itself is not forwarded", options, async () => {
  const { a, b } = room;
  // The switch does not know this one and floods it. Forwarded it would come from there.
  const nobody = "02:00:00:00:89:77" as Mac;
  client.sendTo(nobody);
  done(b.fence.relay(GROUP, [{ interface: b.index, mac: nobody }], LONG_MS));
  a.renew();
  done(a.fence.forward(GROUP, [a.number], b.seenFrom(a)));
  assert.equal(await client.answers(), "");
});

test("a daemon restarted while its group forwards answers nothing until a new number opens it", options, async () => {
  const { a, b } = room;
  client.sendTo(a.mac);
  done(b.fence.relay(GROUP, a.seenFrom(b), LONG_MS));
  a.renew();
  const before = a.number;
  done(a.fence.arm(GROUP, 7777));
  done(a.fence.forward(GROUP, [before], b.seenFrom(a)));
  a.restart();
  assert.equal(a.fence.adopted, true);
  assert.equal(done(a.fence.remaining()).size, 0, "the right to answer went with the mode");
  assert.equal(state(a), "closed");
  assert.equal(await client.answers(), "");
  for (const number of [before, 7777]) assert.equal(a.fence.commit(GROUP, number).ok, false, "armed before");
  assert.equal(await client.answers(), "");
  a.renew();
  assert.equal(await client.answers(), ALL_A);
  b.restart();
  assert.equal(state(b), "closed", "nobody relays for a daemon that does not know of it");
  a.restart();
  assert.equal(state(a), "open", "what was open stays open");
});

test("what the old owner's programs still say leaves, resets too", options, async () => {
  const { a, b } = room;
  client.sendTo(a.mac);
  const program = `${import.meta.dirname}/connection-process.ts`;
  const start = (namespace: Namespace, ...words: string[]): { lines: () => string; say(line: string): void } => {
    const all = ["netns", "exec", namespace.name, process.execPath, program, ...words];
    const child = spawn("ip", all, { stdio: ["pipe", "pipe", "inherit"] });
    closers.push(() => child.kill("SIGKILL"));
    let output = "";
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    return { lines: () => output, say: (line) => void child.stdin.write(`${line}\n`) };
  };
  const renewing = setInterval(() => a.renew(), 25);
  a.renew();
  try {
    const server = start(a.namespace, "serve", room.v4, "5001", "A");
    await until("the server listens", () => server.lines().includes("listening"), START_MS);
    const connected = start(room.client, "connect", room.v4, "5001", room.client4);
    connected.say("open 3");
    await until("the connections are open", () => connected.lines().includes('{"opened":3}'), START_MS);
    clearInterval(renewing);
    // They leave by way of the successor.
    done(b.fence.relay(GROUP, a.seenFrom(b), LONG_MS));
    a.renew();
    done(a.fence.forward(GROUP, [a.number], b.seenFrom(a)));
    a.namespace.run("ss", "-K", "src", room.v4);
    connected.say("ask");
    await until("the client was told", () => connected.lines().includes('["reset","reset","reset"]'));
  } finally {
    clearInterval(renewing);
  }
});

test("nobody is no successor and no owner, and only a group with drain passes connections on", options, () => {
  const { a, b } = room;
  a.renew();
  assert.equal(a.fence.forward(GROUP, [], []).ok, false);
  assert.equal(state(a), "open");
  assert.equal(b.fence.relay(GROUP, [], 100).ok, false);
  for (const for_ms of [0, -1, 65_536, 1.5]) assert.equal(b.fence.relay(GROUP, a.seenFrom(b), for_ms).ok, false);
  assert.equal(a.fence.passConnections(GROUP, b.seenFrom(a), 100).ok, false);
  assert.equal(state(b), "closed");
});
