/** `holdfast pause` on whole daemons: the owner is killed and nobody takes over, until resume, the expiry, or its return. */
import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import type { Status } from "@holdfast/api/schema.ts";
import { Client } from "./client.ts";
import { always, NODES, TestCluster, unable, until } from "./harness.ts";

const OUTAGE = 4;

describe("pause", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("pause");
    client = new Client(cluster);
    await cluster.moveTo("n1");
    assert.equal(await client.steady(), "n1");
  });
  after(() => cluster.down());

  const paused = async (node: string): Promise<boolean> =>
    (await cluster.status(node)).groups[0]?.pause_remaining_ms !== null;
  const pause = async (node: string, time: string): Promise<void> => {
    const done = await cluster.holdfast(node, "pause", "web", "--for", time, "--reason", "switch work", "--yes");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /DONE: web is paused for/);
    for (const each of NODES) assert.equal(await paused(each), true, each);
  };
  const kill = async (node: string): Promise<void> => {
    // The lab's own kill waits for a new owner, and there is none.
    cluster.signal(node, "SIGKILL");
    await until(`${node} is down`, async () => (await cluster.status("n2")).nodes[0]?.alive === false);
  };
  /** Far beyond the time in which another would have taken it. */
  const nobodyTakesIt = (): Promise<void> =>
    always("nobody takes it", 1500, async () => (await cluster.owner("n2")) === "");

  test("every node shows it: banner, JSON, health, and a word before a move, which works", async () => {
    await pause("n3", "10m");
    const shown = await cluster.holdfast("n2", "status");
    assert.equal(shown.code, 3);
    assert.match(shown.stdout, /^PAUSED for web 9m5\ds more: nobody takes over/m);
    assert.match(shown.stdout, /web paused on n3 for 10m0?s?: switch work/);
    const json = JSON.parse((await cluster.holdfast("n2", "--json", "status")).stdout) as Status;
    const [web] = json.groups;
    assert.ok((web?.pause_remaining_ms ?? 0) > 590_000 && Date.parse(web?.paused_until ?? "") > Date.now() + 500_000);
    const from = client.position;
    const moved = await cluster.holdfast("n2", "move", "web", "n2", "--yes");
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stdout, /! web is paused: it moves now all the same/);
    await cluster.moveTo("n1");
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
  });

  test("the owner is killed: nobody takes over; started again it has its group back, through any pause", async () => {
    const from = client.position;
    await kill("n1");
    await nobodyTakesIt();
    assert.equal((await cluster.holdfast("n2", "status")).code, OUTAGE);
    const why = await cluster.holdfast("n2", "why", "web");
    assert.match(why.stdout, /n2.*does not take it: web is paused/);
    await cluster.heal();
    assert.equal(await client.steady(), "n1");
    for (const other of ["n2", "n3"]) assert.equal(client.answersOf(other, from), 0);
    assert.equal(await paused("n1"), true);
  });

  test("resume: another takes over at once; the events tell who paused and resumed what", async (t) => {
    await kill("n1");
    await nobodyTakesIt();
    const from = client.position;
    const done = await cluster.holdfast("n3", "resume", "--yes");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    const owner = await client.steady();
    t.diagnostic(`after resume ${(await client.since(from)).outage_ms} ms`);
    assert.notEqual(owner, "n1");
    const [told] = await cluster.events("n2", "group-paused");
    assert.match(told?.text ?? "", /web paused on n3 for 10m0?s?: switch work/);
    assert.equal((await cluster.events("n2", "group-resumed")).length, 1);
    await cluster.heal();
    await until("n1 is back", async () => (await cluster.status("n1")).nodes.every(({ state }) => state === "up"));
  });

  test("it ends by itself, and then another takes over; all daemons started again know of it", async () => {
    await cluster.moveTo("n1");
    await client.steady();
    await pause("n1", "14s");
    for (const node of NODES) cluster.signal(node, "SIGKILL");
    await cluster.heal();
    await until("they are back", async () => (await cluster.status("n2")).nodes.every(({ state }) => state === "up"));
    for (const node of NODES) assert.equal(await paused(node), true, node);
    assert.equal(await client.steady(), "n1");
    await kill("n1");
    const owner = await client.steady("n1", 20_000);
    assert.notEqual(owner, "n1");
    assert.equal(await paused("n2"), false);
    assert.equal((await cluster.events("n2", "group-pause-expired")).length, 1);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("a time is needed, and not more than a week; maintenance is the same command", async () => {
    for (const words of [
      ["pause", "web", "--yes"],
      ["pause", "web", "--for", "8d", "--yes"],
      ["pause", "web", "--for", "soon", "--yes"],
    ])
      assert.equal((await cluster.holdfast("n2", ...words)).code, 2, words.join(" "));
    const unknown = await cluster.holdfast("n2", "maintenance", "nothing", "--for", "1m", "--yes");
    assert.deepEqual([unknown.code, /no group named nothing/.test(unknown.stderr)], [2, true]);
  });
});
