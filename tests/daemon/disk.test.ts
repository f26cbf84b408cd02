/** A disk that takes nothing: the daemon keeps its addresses and says what it cannot record; a vote that cannot be kept is not given. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { Client } from "./client.ts";
import { ADDRESS, ADDRESS6, TestCluster, always, pause, unable, until } from "./harness.ts";

describe("a disk that takes nothing", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("disk");
    client = new Client(cluster);
  });
  after(() => cluster.down());
  beforeEach(() => client.steady().then(() => undefined));

  async function stopped(node: string): Promise<void> {
    cluster.signal(node, "SIGKILL");
    await until(`${node} is dead`, () => cluster.processes(node).length === 0);
  }

  async function mount(path: string, options: string): Promise<void> {
    await cluster.insideLab("mount", "-t", "tmpfs", "-o", options, "holdfast-test", path);
  }

  /** Leaves no free byte. */
  async function fill(path: string): Promise<void> {
    await cluster.insideLab(
      "sh",
      "-c",
      `dd if=/dev/zero of=${path}/filler bs=1k 2>/dev/null; df -k ${path} | grep -q 100%`,
    );
  }

  for (const [title, options, reason] of [
    ["read-only", "ro", /read-only|EROFS/i],
    ["full", "size=64k,mode=777", /no space|ENOSPC/i],
  ] as const) {
    test(`state directory ${title}: the node takes and holds the address, and says that the history is not written`, async () => {
      await stopped("n1");
      const { state } = cluster.files("n1");
      await mount(state, options);
      if (title === "full") await fill(state);
      await cluster.heal();
      await cluster.moveTo("n1");
      const history = await until("history tells", async () => {
        const answer = await cluster.history("n1");
        return answer.trouble === null ? undefined : answer;
      });
      assert.match(history.trouble ?? "", reason);
      assert.ok(history.events.some(({ code, node }) => code === "group-owned" && node === "n1"));
      const shown = await cluster.holdfast("n1", "history");
      assert.match(shown.stdout + shown.stderr, reason);
      await until("told on another node", async () =>
        (await cluster.events("n2", "history-unwritable")).some(({ node }) => node === "n1"),
      );
      const drained = await cluster.holdfast("n1", "drain", "n1", "--yes");
      assert.equal(drained.code, 0, drained.stdout + drained.stderr);
      await until("the drain mark is missed", async () => (await cluster.events("n1", "drain-unsaved")).length > 0);
      await cluster.holdfast("n1", "undrain", "n1");
      await cluster.moveTo("n1");
      await client.steady();
      const from = client.position;
      assert.deepEqual((await cluster.addressesOf("n1")).toSorted(), [ADDRESS, ADDRESS6].toSorted());
      await always("n1 owns", 1000, async () => (await cluster.owner("n2")) === "n1");
      assert.equal((await client.since(from)).lost, 0);
      await stopped("n1");
      await cluster.insideLab("umount", state);
      await cluster.heal();
    });
  }

  test("run directory full: the vote is not given, that is told, and the owner elsewhere is not troubled", async () => {
    await cluster.moveTo("n1");
    await stopped("n3");
    const { run } = cluster.files("n3");
    await mount(run, "size=256k");
    cluster.startDaemon("n3");
    // A voter without a record abstains for five seconds: its file has only its head then.
    await until("n3 abstains", async () => (await cluster.status("n1")).nodes[2]?.state === "abstaining");
    await fill(run);
    const from = client.position;
    const told = await until("told on every node", async () =>
      (await cluster.events("n1", "vote-not-saved")).find(({ node }) => node === "n3"),
    );
    assert.match(told.text, /web on n3: this node's vote was not given: .*ENOSPC/);
    await pause(2000);
    assert.equal((await cluster.events("n1", "vote-not-saved")).length, 1, "told once, not with every beat");
    assert.equal(await cluster.owner("n2"), "n1");
    assert.equal((await client.since(from)).lost, 0);
    assert.deepEqual(await cluster.violations(), []);
    assert.equal(readFileSync("/proc/self/mountinfo", "utf8").includes(run), false);
  });
});
