/**
 * A group with `drain`: established TCP goes on being served by the old owner through a planned move, new connections land
 * on the new one, and what is left is reset when the time is over. And the moves of the cluster's own: `drain NODE`, failback.
 */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "./client.ts";
import { ADDRESS, ADDRESS6, NODES, TestCluster, always, unable, until } from "./harness.ts";
import { LineProgram } from "@holdfast/linux/line-program.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("@holdfast/linux/connection-process.ts"));
const PORT = "8000";
const DRAIN_MS = 3000;
const SETTLE_MS = 1000;
const ADDRESSES = [ADDRESS, ADDRESS6] as const;

describe("established TCP of a group that drains, and moves of the cluster's own", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  const programs: LineProgram[] = [];
  before(async () => {
    cluster = await TestCluster.start("drain");
    client = new Client(cluster);
    for (const node of ["n1", "n2"]) assert.equal(await program(node, "serve", "::", PORT, node).line(), "listening");
  });
  after(async () => {
    for (const each of programs) await each.end();
    await cluster.down();
  });

  function program(station: string, ...words: string[]): LineProgram {
    const args = [`--net=${cluster.namespacePath(station)}`, "--", process.execPath, PROGRAM, ...words];
    const started = new LineProgram("nsenter", args);
    programs.push(started);
    return started;
  }

  /** All daemons again, with that text of the configuration in the place of another. */
  async function reconfigure(from: string, to: string): Promise<void> {
    const file = cluster.files("n1").config;
    const text = readFileSync(file, "utf8");
    assert.ok(text.includes(from), text);
    for (const node of NODES) cluster.signal(node, "SIGTERM", "engine");
    await until("all have left", () => NODES.every((node) => cluster.processes(node).length === 0), 20_000);
    writeFileSync(file, text.replace(from, to));
    for (const node of NODES) cluster.startEngine(node);
    await until("all are there", async () => {
      const { nodes, groups } = await cluster.status("n3");
      return nodes.every(({ alive }) => alive) && groups.every(({ owner }) => owner !== null);
    });
  }

  /** A client's connections over both families: how each was answered. */
  async function connections(): Promise<{ open(): Promise<void>; ask(): Promise<readonly (readonly string[])[]> }> {
    const sources = await Promise.all(["-4", "-6"].map(clientAddress));
    const both = ADDRESSES.map((address, index) => program("client", "connect", address, PORT, sources[index] ?? ""));
    return {
      async open() {
        for (const each of both) assert.deepEqual(JSON.parse(await each.ask("open 1")), { opened: 1 });
      },
      ask: () => Promise.all(both.map(async (each) => JSON.parse(await each.ask("ask")) as string[])),
    };
  }

  async function clientAddress(family: string): Promise<string> {
    const listed = await cluster.run("client", "ip", family, "-o", "address", "show", "scope", "global");
    const [, address] = /inet6? ([\da-f.:]+)\//.exec(listed) ?? [];
    assert.ok(address !== undefined, listed);
    return address;
  }

  const settled = async (owner: string, from: number): Promise<void> => {
    assert.equal(await client.steady(), owner);
    const { sent, lost } = await client.since(from);
    assert.ok(sent > 0);
    assert.equal(lost, 0);
    assert.deepEqual(await cluster.violations(), []);
  };

  test("drain: through a move the old owner serves what it has, the new one what is new, until the time is over", async () => {
    await reconfigure("settle: 0ms", `settle: 0ms\n    drain: ${DRAIN_MS / 1000}s`);
    await cluster.moveTo("n1");
    await client.steady();
    const tcp = await connections();
    await tcp.open();
    assert.deepEqual(await tcp.ask(), [["n1"], ["n1"]]);
    const position = client.position;
    const begun = performance.now();
    await cluster.moveTo("n2");
    await tcp.open();
    assert.deepEqual(await tcp.ask(), [
      ["n1", "n2"],
      ["n1", "n2"],
    ]);
    // Both have the addresses: the old owner's sockets need them.
    for (const node of ["n1", "n2"]) assert.deepEqual((await cluster.addressesOf(node)).toSorted(), [...ADDRESSES]);
    assert.equal(await cluster.owner("n1"), "n2");
    await always("the old owner serves it", DRAIN_MS - 500 - (performance.now() - begun), async () =>
      (await tcp.ask()).every(([old]) => old === "n1"),
    );
    await until("reset", async () => (await tcp.ask()).every(([old, fresh]) => old === "reset" && fresh === "n2"));
    assert.ok(performance.now() - begun > DRAIN_MS, `${performance.now() - begun} ms`);
    await until("withdrawn", async () => (await cluster.addressesOf("n1")).length === 0);
    await settled("n2", position);
  });

  test("drain: SIGTERM of the old owner waits for the end of it", async () => {
    await cluster.moveTo("n1");
    await client.steady();
    const tcp = await connections();
    await tcp.open();
    const position = client.position;
    cluster.signal("n1", "SIGTERM", "engine");
    const begun = performance.now();
    await client.steady("n1");
    assert.deepEqual(await tcp.ask(), [["n1"], ["n1"]]);
    await until("it has left", () => cluster.processes("n1").length === 0);
    assert.ok(performance.now() - begun > DRAIN_MS, `${performance.now() - begun} ms`);
    assert.deepEqual(await tcp.ask(), [["reset"], ["reset"]]);
    assert.deepEqual(await cluster.addressesOf("n1"), []);
    await settled("n2", position);
    cluster.startEngine("n1");
    await until("n1 is there", async () => (await cluster.status("n1")).nodes.every(({ alive }) => alive));
  });

  test("failback and `drain NODE` lose nothing", async () => {
    await reconfigure(
      `failback: manual\n    settle: 0ms\n    drain: ${DRAIN_MS / 1000}s`,
      `failback: immediate\n    settle: ${SETTLE_MS}ms`,
    );
    await client.steady();
    assert.equal(await until("n1 has it", async () => (await cluster.owner("n3")) === "n1" && "n1"), "n1");
    await client.steady();
    let position = client.position;
    const drained = await cluster.holdfast("n3", "drain", "n1", "--yes");
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    await until("n2 owns", async () => (await cluster.owner("n3")) === "n2");
    await settled("n2", position);
    position = client.position;
    const undrained = await cluster.holdfast("n3", "undrain", "n1");
    assert.equal(undrained.code, 0, undrained.stdout + undrained.stderr);
    await until("n1 owns again", async () => (await cluster.owner("n3")) === "n1");
    await settled("n1", position);
  });
});
