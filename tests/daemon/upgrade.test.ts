/** A package upgrade: files are replaced under running daemons, then each is restarted in place, and no packet is lost. */
import { strict as assert } from "node:assert";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bundleState } from "@holdfast/agent/bundle.ts";
import { BUNDLE } from "@holdfast/agent/processes.ts";
import { Client } from "./client.ts";
import { execute, NODES, TestCluster, unable, until } from "./harness.ts";

const MAKE = fileURLToPath(new URL("../../tools/bundle.ts", import.meta.url));
const [OLD, NEW] = ["1.0.0", "1.1.0"] as const;

describe("an upgrade", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  const room = mkdtempSync(join(tmpdir(), "holdfast-upgrade-"));
  const directory = (node: string): string => join(room, node, "bundle");

  before(async () => {
    if (bundleState() !== "fresh") {
      const made = await execute(process.execPath, MAKE);
      assert.equal(made.code, 0, made.stderr);
    }
    cluster = await TestCluster.start("upgrade");
    for (const node of NODES) install(node, OLD);
    for (const node of NODES) cluster.signal(node, "SIGTERM", "engine");
    await until("all have left", () => NODES.every((node) => cluster.processes(node).length === 0), 20_000);
    for (const node of NODES) cluster.startBundle(node, directory(node));
    await until("all are there", async () => {
      const { nodes, groups } = await cluster.status("n3");
      return nodes.every(({ state }) => state === "up") && groups.every(({ owner }) => owner !== null);
    });
    await cluster.moveTo("n1");
    client = new Client(cluster);
    assert.equal(await client.steady(), "n1");
  });
  after(async () => {
    await cluster.down();
    rmSync(room, { recursive: true, force: true });
  });

  /** As dpkg does it: each new file beside the old one, then in its place. */
  function install(node: string, version: string): void {
    const fresh = join(room, node, "unpacked");
    cpSync(BUNDLE, fresh, { recursive: true });
    const file = join(fresh, "package.json");
    const description = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...description, version }));
    const old = directory(node);
    cpSync(fresh, old, { recursive: true, filter: (path) => path === fresh });
    for (const name of readdirSync(fresh)) renameSync(join(fresh, name), join(old, name));
    rmSync(fresh, { recursive: true });
  }

  const versions = async (node: string): Promise<readonly string[]> =>
    (await cluster.status(node)).nodes.map(({ version }) => version);

  test("node by node, the owner last: 0 packets lost, same processes; every node shows every version", async (t) => {
    for (const node of NODES) assert.deepEqual(await versions(node), [OLD, OLD, OLD]);
    const from = client.position;
    const now: string[] = [OLD, OLD, OLD];
    for (const node of ["n2", "n3", "n1"] as const) {
      const engine = cluster.process(node, "engine");
      install(node, NEW);
      // Unpacked and not yet running: that is what `status` says, and doctor tells the difference.
      assert.deepEqual(await versions(node), now);
      const done = await cluster.holdfast(node, "restart", "--yes");
      assert.equal(done.code, 0, done.stdout + done.stderr);
      assert.equal(cluster.process(node, "engine"), engine);
      now[NODES.indexOf(node)] = NEW;
      for (const other of NODES)
        await until(`${other} sees ${now.join(" ")}`, async () => (await versions(other)).join() === now.join());
    }
    assert.equal(await client.steady(), "n1");
    const { sent, lost, outage_ms } = await client.since(from);
    t.diagnostic(`three upgrades: ${lost} of ${sent} lost, ${outage_ms} ms`);
    assert.equal(lost, 0);
    for (const other of ["n2", "n3"]) assert.equal(client.answersOf(other, from), 0);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the peers were told before, with both versions and what is kept; the new daemon says its own", async () => {
    const told = (await cluster.events("n2", "daemon-replaced")).map(({ node, text }) => `${node}: ${text}`);
    assert.deepEqual(
      told.toSorted((a, b) => a.localeCompare(b)),
      NODES.map(
        (node) =>
          `${node}: the daemon on ${node} is replaced in place (upgrade ${OLD} -> ${NEW}): ` +
          (node === "n1" ? "keeps web" : "it owns nothing"),
      ),
    );
    const started = (await cluster.events("n3", "node-started")).filter(({ text }) => text.includes(`version ${NEW}`));
    assert.deepEqual(started.map(({ node }) => node).toSorted(), ["n1", "n2", "n3"]);
  });

  test("a package that does not work is noticed before anything is given up: the old daemon goes on", async () => {
    const from = client.position;
    const engine = join(directory("n1"), "engine.js");
    const good = readFileSync(engine, "utf8");
    writeFileSync(`${engine}.new`, "throw new Error('half unpacked');\n");
    renameSync(`${engine}.new`, engine);
    const refused = await cluster.holdfast("n1", "restart", "--yes");
    assert.equal(refused.code, 5, refused.stdout + refused.stderr);
    assert.match(refused.stdout, /the daemon goes on as it is: .*half unpacked/s);
    writeFileSync(`${engine}.new`, good);
    renameSync(`${engine}.new`, engine);
    assert.equal(await client.steady(), "n1");
    assert.equal((await client.since(from)).lost, 0);
  });
});
