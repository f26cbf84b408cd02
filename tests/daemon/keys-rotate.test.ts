/** `holdfast keys rotate` on a live cluster: three steps and nine reloads, and not one heartbeat is refused. */
import { strict as assert } from "node:assert";
import { readFileSync, rmSync, statSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable, until } from "./harness.ts";

/** Heartbeats of this many intervals are looked at after each step. */
const BEATS_MS = 300;

describe("keys rotate", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let file: string;
  let ownership: string;
  const secrets = new Set<string>();

  before(async () => {
    cluster = await TestCluster.start("rotate");
    await cluster.moveTo("n1");
    client = new Client(cluster);
    await client.steady();
    file = `${cluster.directory}/keys`;
    ownership = await cluster.ownership("n1");
    await until("all nodes to say which keys they open", async () =>
      (await cluster.status("n1")).nodes.every(({ keys }) => keys.length === 1),
    );
  });
  after(async () => {
    client.close();
    await cluster.down();
  });

  async function rotate(...words: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
    for (const [secret] of readFileSync(file, "utf8").matchAll(/base64:\S{40}/g)) secrets.add(secret.slice(7));
    const { code, stdout, stderr } = await cluster.holdfast("n1", "keys", "rotate", file, ...words);
    for (const secret of secrets) assert.ok(!`${stdout}${stderr}`.includes(secret), "a secret was printed");
    return { code, text: `${stdout}${stderr}` };
  }

  /** All nodes of the lab read one file: whoever is not reloaded does not know of it. */
  async function reload(node: string): Promise<void> {
    const { code, stdout, stderr } = await cluster.holdfast(node, "reload", "--yes");
    assert.equal(code, 0, `${node}: ${stdout}${stderr}`);
  }

  async function known(count: number, active: number): Promise<void> {
    await until(`n1 to know ${count} keys of all nodes`, async () => {
      const { nodes } = await cluster.status("n1");
      return (
        nodes.every(({ keys }) => keys.length === count) && new Set(nodes.map(({ keys }) => keys[0])).size === active
      );
    });
  }

  async function unharmed(): Promise<void> {
    for (const node of NODES) {
      assert.deepEqual((await cluster.links(node)).rejected, [], node);
      assert.equal(await cluster.ownership(node), ownership, node);
      const status = await cluster.status(node);
      assert.deepEqual(status.alarms, []);
      assert.equal(status.health, "ok", JSON.stringify(status.warnings));
    }
  }

  test("each step is refused until every live node has done the one before, by the names of those behind", async () => {
    assert.equal((await rotate("--activate")).code, 5, "nothing to activate");
    assert.equal((await rotate("--finish")).code, 5, "nothing to finish");
    const begun = await rotate();
    assert.equal(begun.code, 0, begun.text);
    assert.match(begun.text, /copy it to every node/);
    assert.equal((await rotate()).code, 5, "under way already");
    await reload("n1");
    const refused = await rotate("--activate");
    assert.equal(refused.code, 5);
    assert.match(refused.text, /n2, n3 do not open key/);
    await reload("n2");
    await reload("n3");
    await known(2, 1);
    await new Promise((resolve) => setTimeout(resolve, BEATS_MS));
    await unharmed();

    assert.equal((await rotate("--finish")).code, 5, "not active yet");
    const activated = await rotate("--activate");
    assert.equal(activated.code, 0, activated.text);
    await reload("n3");
    const behind = await rotate("--finish");
    assert.equal(behind.code, 5);
    assert.match(behind.text, /n1, n2 do not seal with key/);
    await known(2, 2);
    await new Promise((resolve) => setTimeout(resolve, BEATS_MS));
    await unharmed();
    await reload("n2");
    await reload("n1");
    await known(2, 1);

    const finished = await rotate("--finish");
    assert.equal(finished.code, 0, finished.text);
    for (const node of NODES) await reload(node);
    await known(1, 1);
    await new Promise((resolve) => setTimeout(resolve, BEATS_MS));
    await unharmed();
    assert.equal(secrets.size, 2);
    const { lost, sent } = await client.since(0);
    assert.ok(sent > 0);
    assert.equal(lost, 0, `of ${sent}`);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the file keeps its mode, and one that is not there is refused as usage", async () => {
    assert.equal(statSync(file).mode & 0o777, 0o600);
    rmSync(file);
    const { code, stderr } = await cluster.holdfast("n1", "keys", "rotate", file);
    assert.equal(code, 2);
    assert.match(stderr, /cannot read the key file/);
  });
});
