/** A node finds itself broken (requirement B4): it gives up what it holds, says why, and is a candidate again when healed. */
import { strict as assert } from "node:assert";
import { after, afterEach, before, describe, test } from "node:test";
import { Client } from "./client.ts";
import { NODES, pause, TestCluster, unable, until } from "./harness.ts";
import type { Status } from "@holdfast/api/schema.ts";

/** A second until it is looked for, and a busy machine. */
const NOTICED_MS = 10_000;

const NO_ORDERS = "add rule ip orders output ip daddr != 127.9.0.0/16 accept";

describe("own failures", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  before(async () => {
    cluster = await TestCluster.start("own");
    client = new Client(cluster);
  });
  after(() => cluster.down());
  afterEach(async () => assert.deepEqual(await cluster.violations(), []));

  async function stateOf(name: string, from: string): Promise<Status["nodes"][number]> {
    const found = (await cluster.status(from)).nodes.find((node) => node.name === name);
    assert.ok(found);
    return found;
  }

  /** Breaks the owner's machine and waits until another node has the group and all know why; returns who was broken. */
  async function broken(code: string, ...command: readonly string[]): Promise<string> {
    const owner = await client.steady();
    await perform(owner, command);
    const next = await until(`another owner than ${owner}`, async () => {
      const others = NODES.filter((node) => node !== owner);
      const owners = await Promise.all(others.map((node) => cluster.owner(node)));
      return owners[0] !== owner && owners[0] !== "" && owners[0] === owners[1] ? owners[0] : undefined;
    });
    assert.notEqual(next, owner);
    await until(
      `${owner} says why`,
      async () => {
        const events = await cluster.events(owner, code);
        return events.findLast(({ node }) => node === owner);
      },
      NOTICED_MS,
    );
    return owner;
  }

  async function perform(node: string, [program = "", ...words]: readonly string[]): Promise<void> {
    if (program === "nft") await cluster.nft(node, words.join(" "));
    else await cluster.run(node, program, ...words);
  }

  async function healed(node: string): Promise<void> {
    const other = NODES.find((each) => each !== node) ?? node;
    await until(
      `${node} is fit and heard`,
      async () => {
        const seen = await stateOf(node, other);
        return (
          seen.alive && seen.failing.length === 0 && (await cluster.status(other)).groups[0]?.standbys.includes(node)
        );
      },
      20_000,
    );
    for (const each of NODES)
      await until(
        `${each} heard that ${node} is fit`,
        async () => (await cluster.events(each, "node-fit")).some((event) => event.node === node),
        NOTICED_MS,
      );
    assert.equal(await client.steady(), await cluster.owner(node));
  }

  const CASES = [
    {
      name: "lo down, so that it cannot even speak to itself",
      breaks: ["ip", "link", "set", "lo", "down"],
      heals: ["ip", "link", "set", "lo", "up"],
      says: /fence|ip-stack/,
    },
    {
      name: "the fence takes no orders",
      breaks: ["nft", `add table ip orders; ${chain("ip orders", "output", "drop")} ${NO_ORDERS}`],
      heals: ["nft", chain("ip orders", "output", "accept")],
      says: /fence/,
    },
  ] as const;
  for (const { name, breaks, heals, says } of CASES) {
    test(`${name}: released, told over the links, and fit again when it is healed`, async () => {
      const node = await broken("node-unfit", ...breaks);
      const other = NODES.find((each) => each !== node) ?? "";
      await until("the others hear why", async () => {
        const events = await cluster.events(other, "node-unfit");
        return events.find((event) => event.node === node && says.test(event.text));
      });
      await until("status has the reason", async () => (await stateOf(node, other)).failing.includes("unfit"));
      const why = await cluster.holdfast(other, "why", node);
      assert.match(why.stdout, /not fit/);
      await perform(node, heals);
      await healed(node);
    });
  }

  test("every inet packet dropped: released, and fit again when they pass", async () => {
    const rules = `add table inet dead; ${chain("inet dead", "input", "drop")} ${chain("inet dead", "output", "drop")}`;
    const node = await broken("node-unfit", "nft", rules);
    await cluster.nft(node, `${chain("inet dead", "input", "accept")} ${chain("inet dead", "output", "accept")}`);
    await healed(node);
  });

  test("all adapters down: nothing is served from there, and the node comes back when they are up", async () => {
    const owner = await client.steady();
    await cluster.lab("unplug", owner, "all");
    await until("another owner", async () => {
      const other = NODES.find((each) => each !== owner) ?? "";
      const now = await cluster.owner(other);
      return now !== "" && now !== owner;
    });
    await until(`${owner} knows`, async () => (await cluster.owner(owner)) !== owner);
    await cluster.heal();
    await until(
      "it is a standby",
      async () => {
        const other = NODES.find((each) => each !== owner) ?? "";
        return (await cluster.status(other)).groups[0]?.standbys.includes(owner);
      },
      20_000,
    );
  });

  test("stopped three times: it says so, names the cause, and gives the group to one that is not stopped", async () => {
    const owner = await client.steady();
    const other = NODES.find((each) => each !== owner) ?? "";
    const engine = cluster.process(owner, "engine");
    for (let i = 0; i < 3; i++) {
      const before = (await cluster.events(other, "stalled")).filter(({ node }) => node === owner).length;
      process.kill(engine, "SIGSTOP");
      await pause(1200);
      process.kill(engine, "SIGCONT");
      await until(
        "the stall is told",
        async () => (await cluster.events(other, "stalled")).filter(({ node }) => node === owner).length > before,
      );
      if (i < 2) await cluster.moveTo(owner);
    }
    const stalls = (await cluster.events(other, "stalled")).filter(({ node }) => node === owner);
    // Others of this busy machine may stall it too, for less.
    const stops = stalls.filter(({ text }) => /for \d{4} ms/.test(text));
    assert.ok(stops.length >= 3, JSON.stringify(stalls));
    for (const { text } of stops) assert.match(text, /was not run for \d+ ms: it was stopped or frozen/);
    await until("it is reluctant", async () =>
      (await cluster.events(other, "reluctant")).some(({ node }) => node === owner),
    );
    await until("status says so", async () => (await stateOf(owner, other)).state === "reluctant");
    await until("another has it", async () => ![owner, ""].includes(await cluster.owner(other)));
    const warning = (await cluster.status(other)).warnings.map(({ text }) => text).join("\n");
    assert.match(warning, new RegExp(`${owner} prefers not to own`));
  });
});

/** Before every other rule. */
function chain(table: string, hook: string, policy: "accept" | "drop"): string {
  return `add chain ${table} ${hook} { type filter hook ${hook} priority -500; policy ${policy}; };`;
}
