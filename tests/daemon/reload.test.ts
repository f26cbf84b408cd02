/** `holdfast reload` on whole daemons: what is open loses nothing, and what is wrong changes nothing. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Reload } from "@holdfast/api/schema.ts";
import { Client } from "./client.ts";
import { NODES, TestCluster, unable, until } from "./harness.ts";
import type { Ran } from "./harness.ts";

const API = "10.99.0.101";
const API_GROUP = `  api:\n    interfaces: [service]\n    addresses: [${API}/24]\n    prefer: [n1, n2, n3]\n`;

describe("reload", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let original: string;
  before(async () => {
    cluster = await TestCluster.start("reload");
    client = new Client(cluster);
    original = readFileSync(cluster.files("n1").config, "utf8");
    await cluster.moveTo("n1");
    assert.equal(await client.steady(), "n1");
  });
  after(() => cluster.down());

  const write = (text: string): void => writeFileSync(cluster.files("n1").config, text);
  const edited = (...changes: readonly [from: string, to: string][]): string =>
    changes.reduce(
      (text, [from, to]) => {
        assert.ok(text.includes(from), from);
        return text.replace(from, to);
      },
      readFileSync(cluster.files("n1").config, "utf8"),
    );
  const reload = async (node: string, code = 0): Promise<Ran> => {
    const ran = await cluster.holdfast(node, "reload", "--yes");
    assert.equal(ran.code, code, `${node}: ${ran.stdout}${ran.stderr}`);
    return ran;
  };
  const hasApi = async (node: string): Promise<boolean> =>
    (await cluster.run(node, "ip", "-4", "address", "show")).includes(API);
  const isFenced = async (node: string): Promise<boolean> =>
    (await cluster.run(node, "nft", "list", "set", "netdev", "holdfast", "v4")).includes(API);
  const owners = async (node: string): Promise<string> =>
    (await cluster.status(node)).groups.map(({ name, owner }) => `${name} ${owner ?? "nobody"}`).join(", ");

  test("adding a group and changing prefer, node by node: 0 packets lost, the owner stays, the new group is owned", async () => {
    const from = client.position;
    write(edited(["prefer: [n1, n2, n3]", "prefer: [n2, n1, n3]"], ["groups:\n", `groups:\n${API_GROUP}`]));
    const plan = await cluster.holdfast("n3", "--json", "reload", "--dry-run");
    const { code, changes } = JSON.parse(plan.stdout) as Reload;
    assert.equal(code, "planned");
    assert.deepEqual(changes, [
      `group api is added: ${API}/24 on service`,
      "prefer of group web: n1 n2 n3 -> n2 n1 n3",
    ]);
    assert.equal(await isFenced("n3"), false);
    for (const node of ["n3", "n2", "n1"]) {
      const done = await reload(node);
      assert.match(done.stdout, /DONE: n\d works from configuration [0-9a-f]{8}/);
      assert.equal(await isFenced(node), true);
    }
    // Two nodes that have it are a majority: the last one finds it owned.
    await until("api is owned, web is where it was", async () => /^api n\d, web n1$/.test(await owners("n2")));
    const [api] = (await cluster.status("n2")).groups;
    assert.equal(await hasApi(api?.owner ?? ""), true);
    assert.deepEqual((await cluster.status("n1")).config_differs, []);
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the same file again changes nothing; a restart finds its fence and keeps what it owns", async () => {
    assert.match((await reload("n1")).stdout, /UNCHANGED/);
    const from = client.position;
    const restarted = await cluster.holdfast("n1", "restart", "--yes");
    assert.equal(restarted.code, 0, restarted.stdout + restarted.stderr);
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
    assert.match(cluster.log("n1"), /took over the fence of the daemon before/);
  });

  test("a bad file: exit 2 with file, line and column; the running configuration goes on, by SIGHUP too", async () => {
    const good = readFileSync(cluster.files("n1").config, "utf8");
    const { config } = await cluster.status("n1");
    const from = client.position;
    write(edited(["failback: manual", "failback: sometimes"]));
    const line = readFileSync(cluster.files("n1").config, "utf8")
      .split("\n")
      .findIndex((each) => each.includes("sometimes"));
    const ran = await reload("n1", 2);
    assert.match(ran.stderr, new RegExp(`holdfast\\.yaml:${line + 1}:15: .*not a kind of failback`, "s"));
    const asked = await cluster.holdfast("n1", "--json", "reload", "--yes");
    const answer = JSON.parse(asked.stdout) as Reload;
    assert.deepEqual([asked.code, answer.code, answer.errors[0]?.line], [2, "invalid", line + 1]);
    const before = (await cluster.events("n2", "config-refused")).length;
    cluster.signal("n1", "SIGHUP", "engine");
    await until("everybody knows", async () => (await cluster.events("n2", "config-refused")).length > before);
    assert.equal((await cluster.status("n1")).config, config);
    write(good);
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
  });

  test("removing a group by SIGHUP: closed, released, unfenced on every node; the other loses nothing", async () => {
    const from = client.position;
    write(edited([API_GROUP, ""]));
    for (const node of ["n3", "n2", "n1"]) {
      cluster.signal(node, "SIGHUP", "engine");
      await until(`${node} has left it`, async () => !(await isFenced(node)));
      assert.equal(await hasApi(node), false);
    }
    await until("it is gone", async () => (await owners("n2")) === "web n1");
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("timing needs a generation; standby, owner, standby: 0 packets lost; the next one waits for the others (G3)", async (t) => {
    write(edited(["dead: 300ms", "dead: 400ms"]));
    assert.match((await reload("n3", 5)).stdout, /REFUSED: .*write generation: 2/);
    const from = client.position;
    write(edited(["version: 1\n", "version: 1\ngeneration: 2\n"]));
    await reload("n3");
    write(edited(["generation: 2", "generation: 3"], ["dead: 400ms", "dead: 500ms"]));
    assert.match((await reload("n3", 5)).stdout, /generation 2 must be in force first: .*n1, n2(, n3)? are not yet/);
    write(edited(["generation: 3", "generation: 2"], ["dead: 500ms", "dead: 400ms"]));
    for (const node of ["n1", "n2"]) await reload(node);
    await client.steady();
    const { lost, outage_ms } = await client.since(from);
    t.diagnostic(`a change of generation: ${lost} lost, ${outage_ms} ms`);
    assert.equal(lost, 0);
    assert.equal(await cluster.owner("n2"), "n1");
    assert.equal((await cluster.status("n1")).timing.dead_ms, 400);
    write(edited(["generation: 2", "generation: 3"], ["dead: 400ms", "dead: 300ms"]));
    await until("generation 3 may come", async () => (await cluster.holdfast("n3", "reload", "--dry-run")).code === 0);
    for (const node of ["n3", "n1", "n2"]) await reload(node);
    for (const node of NODES) assert.equal((await cluster.status(node)).generation, 3);
    await client.steady();
    assert.equal((await client.since(from)).lost, 0);
    assert.deepEqual(await cluster.violations(), []);
    write(original);
  });
});
