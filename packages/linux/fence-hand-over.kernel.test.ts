/**
 * A planned move in real kernels: two nodes with the same addresses on one LAN, a client that asks all the time. No
 * question is lost or answered twice, although nothing tells the packets when which node is the owner.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, afterEach, before, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { macFromBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { neighbourMac, neighbourQuestion } from "./kernel-frames.ts";
import { done, GROUP, RELAY_MS, Room } from "./kernel-room.ts";
import type { RoomNode } from "./kernel-room.ts";
import { answerer, kernelTest, pause, until } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { FrameListener, FrameSender } from "./packet/frames.ts";

const QUESTIONS_EACH_MS = 4;
const PORT = 5000;
/** How long a busy machine may take to start a process. */
const START_MS = 20_000;
const options = kernelTest();

let room: Room;
const closers: (() => void)[] = [];
/** Of the running test: a failed one must not go on. */
const stoppers: (() => void)[] = [];

before(() => {
  if (options.skip !== false) return;
  room = new Room(87, { drain: false });
  for (const { namespace, name, addresses } of [room.a, room.b]) {
    for (const address of addresses) {
      const socket = answerer(namespace, address, PORT, name);
      closers.push(() => socket.close());
    }
  }
});

after(() => {
  for (const close of closers) close();
  if (options.skip === false) room.close();
});

afterEach(() => {
  for (const stop of stoppers.splice(0)) stop();
});

interface Answers {
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly answerers: Readonly<Record<string, number>>;
}

async function probe(target: IpAddress, source: IpAddress): Promise<() => Promise<Answers>> {
  const program = `${import.meta.dirname}/probe-process.ts`;
  const words = [program, target, String(PORT), source, String(QUESTIONS_EACH_MS)];
  const child = spawn("ip", ["netns", "exec", room.client.name, process.execPath, ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  stoppers.push(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  await until(`${target} answers`, () => output.includes("answered"), START_MS);
  return async () => {
    child.stdin.end();
    await until("the probe has counted", () => output.includes("}"));
    return JSON.parse(output.slice(output.indexOf("{"))) as Answers;
  };
}

/** Asks by ARP and neighbour discovery twice a millisecond and notes who answers when. */
class NeighbourWatch {
  readonly heard: { readonly at: number; readonly mac: Mac }[] = [];
  #asked = 0;
  #paused = false;

  constructor() {
    const { client, clientMac, v4, v6, client4, client6 } = room;
    const index = client.inside(() => native.interfaceIndex("lan"));
    const frames = client.inside(() => new FrameSender(native));
    const frame = (data: Uint8Array): void => {
      this.heard.push({ at: native.monotonic(), mac: macFromBytes(neighbourMac(data)) });
    };
    const listener = client.inside(() => new FrameListener(native, index, [v4, v6], { frame }));
    const questions = [neighbourQuestion(clientMac, client4, v4), neighbourQuestion(clientMac, client6, v6)];
    const asking = setInterval(() => {
      if (this.#paused) return;
      for (const question of questions) frames.sendFrame(index, question);
      this.#asked += questions.length;
    }, 1);
    stoppers.push(() => {
      clearInterval(asking);
      frames.close();
      listener.close();
    });
  }

  /** Resolves when every question was answered, so that what is heard from `resume` on was said after it. */
  async pause(): Promise<void> {
    this.#paused = true;
    await until("every question was answered", () => this.heard.length >= this.#asked);
  }

  resume(): void {
    this.#paused = false;
  }
}

/** Relay, forward, commit, with `wait_ms` before the last, then the announcement; in the end the old owner closes. */
async function move(from: RoomNode, to: RoomNode, wait_ms: number, watched: boolean): Promise<void> {
  const watch = watched ? new NeighbourWatch() : undefined;
  let owner = from;
  owner.renew();
  const renewing = setInterval(() => owner.renew(), 25);
  stoppers.push(() => clearInterval(renewing));
  const probes = await Promise.all([probe(room.v4, room.client4), probe(room.v6, room.client6)]);
  // Unwatched the successor has to find the client by asking, with an address that it does not own yet.
  to.namespace.run("ip", "neighbour", "flush", "all");
  await pause(50);

  await watch?.pause();
  done(to.fence.relay(GROUP, from.seenFrom(to), RELAY_MS));
  await pause(20);
  clearInterval(renewing);
  from.renew();
  done(from.fence.forward(GROUP, [from.number], to.seenFrom(from)));
  const saidBefore = watch?.heard.length ?? 0;
  watch?.resume();
  if (wait_ms > 0) await pause(wait_ms);
  const committedAt = native.monotonic();
  owner = to;
  owner.renew();
  const renewingAgain = setInterval(() => owner.renew(), 25);
  stoppers.push(() => clearInterval(renewingAgain));
  // So long every packet takes the way through the old owner.
  await pause(60);
  to.announce();
  await pause(60);
  done(from.fence.close(GROUP, []));
  await pause(60);

  for (const [i, stop] of probes.entries()) {
    const { sent, lost, duplicated, answerers } = await stop();
    const what = `IPv${i === 0 ? 4 : 6}: ${sent} questions, answered by ${JSON.stringify(answerers)}`;
    assert.deepEqual({ lost, duplicated }, { lost: 0, duplicated: 0 }, what);
    assert.ok((answerers["A"] ?? 0) > 200 && (answerers["B"] ?? 0) > 200, what);
  }
  for (const stop of stoppers.splice(0)) stop();
  done(to.fence.close(GROUP, []));
  if (watch !== undefined) assertSaidByOne(watch, saidBefore, to, committedAt);
}

function assertSaidByOne({ heard }: NeighbourWatch, before: number, to: RoomNode, committedAt: number): void {
  assert.ok(before > 50 && heard.length > before + 50, `${before} of ${heard.length}`);
  for (const [i, { at, mac }] of heard.entries()) {
    assert.equal(mac === to.mac, i >= before, "the old owner until it forwards, then the new one alone");
    assert.ok(mac !== to.mac || at > committedAt, "a relay is silent");
  }
}

for (const wait_ms of [0, 40]) {
  const when = wait_ms === 0 ? "at once" : `${wait_ms} ms later`;
  test(
    `relay, forward, commit ${when}: nothing is lost or answered twice, and one node says it is the owner`,
    options,
    async () => {
      await move(room.a, room.b, wait_ms, true);
      await move(room.b, room.a, wait_ms, true);
    },
  );
}

test("nothing is lost when the successor has to ask for its clients while it relays", options, async () => {
  // Nobody asks for the address here: the successor would learn the client from that.
  await move(room.a, room.b, 40, false);
  await move(room.b, room.a, 40, false);
});
