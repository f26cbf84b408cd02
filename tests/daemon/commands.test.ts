/** The command against real daemons: what it prints as JSON, its exit codes, and that any node answers for all. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import type { Event, Status, Why } from "@holdfast/api/schema.ts";
import { HOLDFAST, NODES, TestCluster, always, unable, until } from "./harness.ts";
import type { Ran } from "./harness.ts";

function parsed<Answer>(ran: Ran): Answer {
  assert.notEqual(ran.stdout, "", ran.stderr);
  return JSON.parse(ran.stdout) as Answer;
}

describe("the command", { skip: unable() }, () => {
  let cluster: TestCluster;
  before(async () => void (cluster = await TestCluster.start("cmd")));
  after(() => cluster.down());

  test("each looking command prints its own schema and ends with 0 on every node", async () => {
    for (const [schema, ...words] of [
      ["holdfast.status/1", "status"],
      ["holdfast.links/1", "links"],
      ["holdfast.history/1", "history"],
      ["holdfast.why/1", "why", "web"],
      ["holdfast.why/1", "why", "n2"],
    ] as const) {
      for (const node of NODES) {
        const ran = await cluster.holdfast(node, "--json", ...words);
        assert.equal(ran.code, 0, `${node} ${words.join(" ")}: ${ran.stderr}`);
        assert.equal(parsed<{ schema: string }>(ran).schema, schema);
      }
    }
    const events = await cluster.holdfast("n1", "--json", "events");
    assert.equal(events.code, 0);
    const lines = events.stdout.trim().split("\n");
    assert.ok(lines.length > 3);
    for (const line of lines) assert.equal((JSON.parse(line) as Event).schema, "holdfast.event/1");
  });

  test("any node answers for all: the same owner, term, nodes and links everywhere", async () => {
    const seen = await Promise.all(NODES.map((node) => cluster.status(node)));
    for (const status of seen) {
      assert.equal(status.health, "ok");
      assert.deepEqual(
        status.nodes.map(({ name, state }) => [name, state]),
        NODES.map((name) => [name, "up"]),
      );
      assert.deepEqual(
        [status.groups[0]?.owner, status.groups[0]?.term],
        [seen[0]?.groups[0]?.owner, seen[0]?.groups[0]?.term],
      );
    }
    for (const node of NODES) {
      // Two links, three listeners, two speakers for each.
      const { rows } = await cluster.links(node);
      assert.equal(rows.length, 12);
      assert.deepEqual(
        rows.filter(({ state }) => state !== "ok"),
        [],
        `from ${node}`,
      );
    }
  });

  test("a move is asked of any node and ends with 0; why tells its cause and evidence on every node", async () => {
    await cluster.moveTo("n1");
    // Asked of n3, done by n1, for n2.
    const moved = await cluster.holdfast("n3", "--json", "move", "web", "n2", "--yes");
    assert.equal(moved.code, 0, moved.stdout + moved.stderr);
    assert.equal(parsed<{ schema: string; code: string }>(moved).code, "done");
    for (const node of NODES) {
      await until(`${node} sees n2 own`, async () => (await cluster.owner(node)) === "n2");
      const why = await until(`${node} tells the cause`, async () => {
        const said = parsed<Why>(await cluster.holdfast(node, "--json", "why", "web"));
        return said.evidence.some(({ code }) => code === "group-owned") ? said : undefined;
      });
      assert.match(why.answer, /^web is on n2: ./);
      assert.ok(
        why.evidence.some(({ code, node: where }) => code === "group-moved" && where === "n1"),
        `evidence on ${node}: ${why.evidence.map(({ code }) => code).join(" ")}`,
      );
      assert.deepEqual(
        why.others.map((other) => other.node),
        ["n1", "n3"],
      );
      const text = await cluster.holdfast(node, "why", "web");
      assert.match(text.stdout, /web is on n2/);
    }
  });

  test("a move that cannot be is refused with its reason and code 5; a wrong name is usage, 2", async () => {
    await cluster.moveTo("n1");
    const drained = await cluster.holdfast("n1", "--json", "drain", "n3", "--reason", "memory", "--yes");
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    const refused = await cluster.holdfast("n2", "--json", "move", "web", "n3", "--yes");
    assert.equal(refused.code, 5, refused.stdout + refused.stderr);
    assert.match(parsed<{ text: string }>(refused).text, /n3 is drained/);
    assert.equal(await cluster.owner("n2"), "n1");
    assert.equal((await cluster.holdfast("n1", "--json", "move", "web", "n9", "--yes")).code, 2);
    assert.equal((await cluster.holdfast("n1", "why", "nothing")).code, 2);
    assert.equal((await cluster.holdfast("n1", "move", "web", "n2")).code, 2, "without --yes and nobody to ask");
  });

  test("a drain is shown on every node, survives the daemon, and undrain ends it", async () => {
    for (const node of NODES) {
      const n3 = await until(`${node} sees n3 drained`, async () =>
        (await cluster.status(node)).nodes.find(({ name, drained }) => name === "n3" && drained),
      );
      assert.equal(n3.state, "drained");
    }
    cluster.signal("n3", "SIGKILL");
    await until("n1 sees n3 down", async () => !(await cluster.status("n1")).nodes[2]?.alive);
    // Not heal: a drained node is never at rest.
    cluster.startDaemon("n3");
    await until("n3 is back, drained", async () => {
      const n3 = (await cluster.status("n1")).nodes[2];
      return n3?.alive === true && n3.drained;
    });
    for (const asked of ["n1", "n2", "n3"]) {
      await until(
        `${asked} knows the reason`,
        async () => (await cluster.status(asked)).nodes[2]?.drain_reason === "memory",
      );
    }
    const undrained = await cluster.holdfast("n2", "--json", "undrain", "n3");
    assert.equal(undrained.code, 0, undrained.stdout + undrained.stderr);
    await until("n3 is up", async () => (await cluster.status("n1")).nodes[2]?.state === "up");
  });

  test("drain moves what the node owns", async () => {
    await cluster.moveTo("n1");
    const drained = await cluster.holdfast("n2", "drain", "n1", "--yes");
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    for (const node of NODES)
      await until(`${node} sees another owner`, async () => ["n2", "n3"].includes(await cluster.owner(node)));
    assert.equal((await cluster.holdfast("n3", "undrain", "n1")).code, 0);
  });

  test("events --follow shows what happens on another node as it happens", async () => {
    const follower = spawn(HOLDFAST, ["--socket", cluster.files("n3").socket, "--json", "events", "--follow"]);
    let text = "";
    follower.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    try {
      // The past events show that it is connected.
      await until("it follows", () => text !== "");
      const before = text.length;
      await cluster.holdfast("n1", "drain", "n2", "--yes");
      await until("drained", () => text.slice(before).includes('"drained"'));
      await cluster.holdfast("n1", "undrain", "n2");
      await until("undrained", () => text.slice(before).includes('"undrained"'));
    } finally {
      follower.kill("SIGTERM");
      await once(follower, "exit");
    }
  });

  test("without a daemon every command ends with 7 and says so", async () => {
    const nowhere = ["--socket", `${cluster.directory}/nowhere.sock`];
    for (const words of [["status"], ["links"], ["why", "web"], ["move", "web", "--yes"], ["drain", "n1", "--yes"]]) {
      const { code, stderr } = await cluster.holdfast("n1", ...nowhere, ...words);
      assert.equal(code, 7, words.join(" "));
      assert.match(stderr, /nowhere\.sock/);
    }
  });

  test("a killed node makes status 3 on the others, with a warning that names it", async () => {
    await cluster.moveTo("n1");
    cluster.signal("n3", "SIGKILL");
    for (const node of ["n1", "n2"]) {
      const status = await until(`${node} notices`, async () => {
        const ran = await cluster.holdfast(node, "--json", "status");
        const said = parsed<Status>(ran);
        return ran.code === 3 && said.warnings.some(({ text }) => text.includes("n3 is down")) ? said : undefined;
      });
      assert.equal(status.health, "degraded");
    }
    assert.equal((await cluster.holdfast("n3", "status")).code, 7);
  });

  test("without quorum the last node answers nothing, never takes, and its status is 4", async () => {
    assert.equal(await cluster.owner("n2"), "n1");
    cluster.signal("n1", "SIGKILL");
    await until("n2 sees no quorum", async () => !(await cluster.status("n2")).quorum);
    // Several times the lease, its back-off and the abstention of a new voter.
    await always("n2 does not own", 6000, async () => (await cluster.owner("n2")) !== "n2");
    assert.deepEqual(await cluster.addressesOf("n2"), []);
    const status = await cluster.holdfast("n2", "--json", "status");
    assert.equal(status.code, 4);
    assert.equal(parsed<Status>(status).health, "outage");
    assert.match((await cluster.holdfast("n2", "status")).stdout, /no quorum/);
  });

  test("an owner that loses its quorum stops answering and releases", async () => {
    await cluster.heal();
    await cluster.moveTo("n2");
    for (const node of ["n1", "n3"]) cluster.signal(node, "SIGKILL");
    await until("n2 releases", async () => (await cluster.events("n2", "group-released")).at(-1)?.node === "n2");
    assert.equal(await cluster.owner("n2"), "");
    await until("its addresses are gone", async () => (await cluster.addressesOf("n2")).length === 0);
    assert.equal((await cluster.holdfast("n2", "status")).code, 4);
    assert.deepEqual(await cluster.violations(), []);
  });
});
