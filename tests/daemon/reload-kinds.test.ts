/** Every kind of reload at a thousand requests a second, 0 lost; and `reload --confirm`, which undoes itself. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Reload } from "@holdfast/api/schema.ts";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable, until } from "./harness.ts";

const SECOND = "10.99.0.102";
const TIMED_OUT_MS = 20_000;

describe("reload, kind by kind", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("kinds");
    client = new Client(cluster);
    await cluster.moveTo("n1");
    assert.equal(await client.steady(), "n1");
  });
  after(() => cluster.down());

  const read = (): string => readFileSync(cluster.files("n1").config, "utf8");
  const edit = (from: string | RegExp, to: string): void => {
    const text = read();
    const edited = text.replace(from, to);
    assert.notEqual(edited, text, String(from));
    writeFileSync(cluster.files("n1").config, edited);
  };
  const reload = async (node: string, ...words: readonly string[]): Promise<string> => {
    const ran = await cluster.holdfast(node, "reload", "--yes", ...words);
    assert.equal(ran.code, 0, `${node}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const has = async (node: string, address: string): Promise<boolean> =>
    (await cluster.run(node, "ip", "-4", "address", "show")).includes(` ${address}/`);
  const digestOf = async (node: string): Promise<string> => (await cluster.status(node)).config;
  const lossless = async (from: number): Promise<void> => {
    assert.equal(await client.steady(), "n1");
    const { lost, sent } = await client.since(from);
    assert.ok(sent > 200);
    assert.equal(lost, 0);
    assert.deepEqual(await cluster.violations(), []);
  };

  test("an address is added to the owned group and taken out again: 0 packets lost on the others", async () => {
    const from = client.position;
    edit("addresses: [", `addresses: [${SECOND}/24, `);
    for (const node of ["n2", "n3", "n1"]) await reload(node);
    await until("the owner has it", () => has("n1", SECOND));
    assert.equal(await has("n2", SECOND), false);
    const answers = await cluster.try("client", "ping", "-n", "-c", "1", "-W", "1", SECOND);
    assert.equal(answers.code, 0, answers.stdout);
    edit(`${SECOND}/24, `, "");
    for (const node of ["n1", "n2", "n3"]) await reload(node);
    await until("it is gone", async () => !(await has("n1", SECOND)));
    await lossless(from);
  });

  test("a voter is removed and added again, one generation each: 0 packets lost", async () => {
    const all = read();
    const from = client.position;
    edit(/ {2}n3: .*\n/, "");
    edit(", n3]", "]");
    edit("version: 1\n", "version: 1\ngeneration: 2\n");
    // The owner keeps a majority: with n3 until it goes over itself, then with n2.
    for (const node of ["n2", "n1"]) await reload(node);
    cluster.signal("n3", "SIGTERM", "engine");
    await until("n3 has left", () => cluster.processes("n3").length === 0);
    await until("two voters", async () => (await cluster.status("n1")).nodes.length === 2);
    writeFileSync(cluster.files("n1").config, all.replace("version: 1\n", "version: 1\ngeneration: 3\n"));
    cluster.startEngine("n3");
    await until("n3 is there", async () => (await cluster.status("n3")).generation === 3);
    const ready = async (): Promise<boolean> => (await cluster.holdfast("n1", "reload", "--dry-run")).code === 0;
    await until("generation 3 may come (G3)", ready, TIMED_OUT_MS);
    for (const node of ["n1", "n2"]) await reload(node);
    await until("three nodes", async () => (await cluster.status("n2")).nodes.every(({ alive }) => alive));
    await lossless(from);
  });

  test("--confirm: not confirmed, it is rolled back by itself, also when control died meanwhile; all nodes are told", async () => {
    const from = client.position;
    const digest = await digestOf("n1");
    edit("addresses: [", `addresses: [${SECOND}/24, `);
    assert.match(await reload("n1", "--confirm", "4s"), /DONE: .*rolled back in 4 s unless: holdfast confirm/);
    assert.notEqual(await digestOf("n1"), digest);
    await until("the owner has it", () => has("n1", SECOND));
    const shown = await cluster.holdfast("n1", "status");
    assert.match(
      shown.stdout,
      /configuration [0-9a-f]{8} of n1 is rolled back in .*, unless confirmed.*holdfast confirm/s,
    );
    edit("settle: 0ms", "settle: 1ms");
    const second = await cluster.holdfast("n1", "reload", "--yes");
    assert.deepEqual([second.code, /waits to be confirmed/.test(second.stdout)], [5, true], second.stdout);
    edit("settle: 1ms", "settle: 0ms");
    cluster.signal("n1", "SIGKILL", "control");
    await until("it is rolled back", async () => (await digestOf("n1")) === digest);
    await until("the address is gone", async () => !(await has("n1", SECOND)));
    await until("n2 is told", async () => (await cluster.events("n2", "config-rolled-back")).length === 1);
    const late = await cluster.holdfast("n1", "confirm");
    assert.deepEqual([late.code, /no reload waits/.test(late.stdout)], [5, true], late.stdout + late.stderr);
    await lossless(from);
  });

  test("--confirm and `confirm` in time: it stays; a second reload is possible again", async () => {
    const from = client.position;
    assert.match(await reload("n1", "--confirm", "3s"), /rolled back in 3 s/);
    const digest = await digestOf("n1");
    const confirmed = await cluster.holdfast("n1", "--json", "confirm");
    assert.deepEqual([confirmed.code, (JSON.parse(confirmed.stdout) as Reload).code], [0, "done"], confirmed.stdout);
    const after3s = performance.now() + 3500;
    await until("the time is over", () => performance.now() > after3s);
    assert.equal(await digestOf("n1"), digest);
    assert.equal((await cluster.status("n1")).engine.unconfirmed_ms, null);
    edit(`${SECOND}/24, `, "");
    await reload("n1", "--confirm", "60s");
    const again = await cluster.holdfast("n1", "reload", "--confirmed");
    assert.equal(again.code, 0, again.stdout + again.stderr);
    await lossless(from);
  });

  test("--confirm of another generation is refused and changes nothing: no node can go back alone", async () => {
    const digest = await digestOf("n1");
    const generation = (await cluster.status("n1")).generation;
    edit(/generation: \d+/, `generation: ${generation + 1}`);
    edit("dead: 300ms", "dead: 400ms");
    const refused = await cluster.holdfast("n1", "reload", "--yes", "--confirm", "60s");
    assert.equal(refused.code, 5, refused.stdout + refused.stderr);
    assert.match(refused.stdout, /cannot be rolled back by itself: generations only go up/);
    assert.equal(await digestOf("n1"), digest);
    for (const node of NODES) assert.equal((await cluster.status(node)).generation, generation);
  });
});
