/** Established TCP stays on the old owner of a planned move, through the new one, for as long as that passes it on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { done, GROUP, KEEP_MS, RELAY_MS, Room } from "./kernel-room.ts";
import type { RoomNode } from "./kernel-room.ts";
import { kernelTest, pause, until } from "./kernel-testing.ts";
import type { Namespace } from "./kernel-testing.ts";

const PORT = "5001";
const MANY = 20;
const options = kernelTest();

let room: Room;
const children: ChildProcess[] = [];
const timers: NodeJS.Timeout[] = [];

before(() => {
  if (options.skip === false) room = new Room(88, { drain: true });
});

after(() => {
  for (const timer of timers) clearInterval(timer);
  for (const child of children) child.kill("SIGKILL");
  if (options.skip === false) room.close();
});

/** Sends a line and resolves with the next line that comes back, as a queue. */
class Peer {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor(namespace: Namespace, ...words: string[]) {
    const program = `${import.meta.dirname}/connection-process.ts`;
    const child = spawn("ip", ["netns", "exec", namespace.name, process.execPath, program, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface({ input: child.stdout }).on("line", (line) => this.lines.push(line));
    children.push(child);
    this.#child = child;
  }

  async says(what: string): Promise<string> {
    await until(what, () => this.lines.length > 0, 20_000);
    return this.lines.shift() ?? "";
  }

  async open(count: number): Promise<void> {
    this.#child.stdin?.write(`open ${count}\n`);
    assert.deepEqual(JSON.parse(await this.says("the connections are open")), { opened: count });
  }

  /** How many of the connections each server answered, in order of their opening: "20 A 5 B". */
  async ask(): Promise<string> {
    this.#child.stdin?.write("ask\n");
    const answers = JSON.parse(await this.says("the connections answered")) as string[];
    const runs: [count: number, who: string][] = [];
    for (const who of answers) {
      const last = runs.at(-1);
      if (last?.[1] === who) last[0]++;
      else runs.push([1, who]);
    }
    return runs.map(([count, who]) => `${count} ${who}`).join(" ");
  }
}

/** What each beat of the daemons does, from the forwarding on. */
function beat(a: RoomNode, b: RoomNode): void {
  b.renew();
  done(b.fence.passConnections(GROUP, a.seenFrom(b), RELAY_MS));
  done(a.fence.relay(GROUP, b.seenFrom(a), RELAY_MS));
}

test("connections go on on the old owner, new ones on the new, until passing them on ends", options, async () => {
  const { a, b, client } = room;
  const servers = [a, b].flatMap((node) =>
    node.addresses.map((address) => new Peer(node.namespace, "serve", address, PORT, node.name)),
  );
  for (const server of servers) assert.equal(await server.says("the server listens"), "listening");
  const clients = [
    new Peer(client, "connect", room.v4, PORT, room.client4),
    new Peer(client, "connect", room.v6, PORT, room.client6),
  ];
  const open = (count: number): Promise<unknown> => Promise.all(clients.map((each) => each.open(count)));
  const expectAnswers = async (expected: string, when: string): Promise<void> => {
    assert.deepEqual(await Promise.all(clients.map((each) => each.ask())), [expected, expected], when);
  };
  a.renew();
  const renewing = setInterval(() => a.renew(), 25);
  timers.push(renewing);
  await open(MANY);
  await expectAnswers("20 A", "before the move");

  done(b.fence.passConnections(GROUP, a.seenFrom(b), RELAY_MS));
  done(b.fence.relay(GROUP, a.seenFrom(b), RELAY_MS));
  clearInterval(renewing);
  a.renew();
  done(a.fence.forward(GROUP, [a.number], b.seenFrom(a)));
  done(a.fence.relay(GROUP, b.seenFrom(a), RELAY_MS));
  // Begun at the new owner while it only relays.
  await open(1);
  await expectAnswers("20 A 1 B", "before the new owner's first commit");
  beat(a, b);
  timers.push(setInterval(() => beat(a, b), 25));
  await expectAnswers("20 A 1 B", "through the old owner, which forwards what the new one hands back");
  b.announce();
  await pause(20);
  done(a.fence.close(GROUP, []));
  done(a.fence.relay(GROUP, b.seenFrom(a), RELAY_MS));
  await expectAnswers("20 A 1 B", "the old owner is closed and relays");
  await open(MANY);
  await expectAnswers("20 A 21 B", "new connections");
  await pause(KEEP_MS + 50);
  await expectAnswers("20 A 21 B", "when the old owner's lease is long over");

  for (const timer of timers) clearInterval(timer);
  timers.push(setInterval(() => b.renew(), 25));
  b.renew();
  done(b.fence.passConnections(GROUP, [], 0));
  await expectAnswers("20 reset 21 B", "passing on ended");
  done(a.fence.close(GROUP, []));
});
