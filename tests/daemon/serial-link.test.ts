/** Two nodes and a witness, with a serial line between the two: leases over it alone, noise on it, its device pulled out. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { native } from "@holdfast/linux/load.ts";
import { EmulatedLine } from "@holdfast/linux/serial/emulated-line.ts";
import { Client } from "./client.ts";
import { always, pause, TestCluster, unable, until } from "./harness.ts";
import { relink } from "./relink.ts";

const BAUD = 115_200;
const SCHED_FIFO = 1;
const PRIORITY = 40;
const WATCHED_MS = 3000;

describe("a serial line between two nodes that have a witness", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let line: EmulatedLine;
  before(async () => {
    // The line is emulated by a process on a busy machine: twice the default timing. The simulator has the default.
    cluster = await TestCluster.start("cable", "--witness", "--heartbeat", "200ms", "--dead", "600ms");
    client = new Client(cluster);
    // This process is the line: it must be as quick as the daemons, whatever else the machine does.
    assert.equal(native.schedule(0, SCHED_FIFO, PRIORITY), 0);
    const paths = [join(cluster.directory, "ttyA"), join(cluster.directory, "ttyB")] as const;
    line = new EmulatedLine(native, BAUD, paths);
    cluster.atEnd(() => line.close());
    await relink(cluster, (text) =>
      text
        .replace("  priv: { port: 7400 }\n", (priv) => `${priv}  cable: { serial: ${paths[0]}, baud: ${BAUD} }\n`)
        .replace("  n2: {", `  n2: { cable: ${paths[1]},`)
        .replace("  n3: {", "  n3: { cable: none,"),
    );
  });
  after(() => cluster.down());
  beforeEach(async () => {
    await cableIs("ok", "LOSS");
    await cluster.moveTo("n1");
    await client.steady();
  });

  const row = async (node: string, listener: string, speaker: string) => {
    const { rows } = await cluster.links(node);
    return rows.find((each) => each.link === "cable" && each.listener === listener && each.speaker === speaker);
  };
  const cableIs = (...states: readonly string[]) =>
    until(`the cable is ${states.join(" or ")} in both directions`, async () => {
      const both = await Promise.all([row("n1", "n1", "n2"), row("n2", "n2", "n1")]);
      return both.every((each) => each !== undefined && states.includes(each.state));
    });

  /** No IP packet of these nodes passes; what stays on the machine does, for the fence is moved by it. */
  async function withoutIp(nodes: readonly string[], watch: () => Promise<void>): Promise<void> {
    const chains = ["input iifname", "output oifname"].map((each) => {
      const [hook = "", way = ""] = each.split(" ");
      return `add chain inet x ${hook} { type filter hook ${hook} priority -400; policy drop; }; add rule inet x ${hook} ${way} lo accept`;
    });
    for (const node of nodes) await cluster.nft(node, `add table inet x; ${chains.join("; ")}`);
    try {
      await watch();
    } finally {
      for (const node of nodes) await cluster.nft(node, "add table inet x; delete table inet x");
    }
  }

  test("links shows it between the two nodes alone, with its devices, round trip and jitter", async () => {
    const { rows } = await cluster.links("n1");
    const cable = rows.filter((each) => each.link === "cable");
    assert.deepEqual(
      cable.map(({ kind, listener, adapter }) => [kind, listener, adapter?.split("/").at(-1)]),
      [
        ["serial", "n1", "ttyA"],
        ["serial", "n2", "ttyB"],
      ],
    );
    await until("both directions are measured", async () => {
      const both = (await cluster.links("n1")).rows.filter((each) => each.link === "cable");
      return both.every(({ round_trip_ms, jitter_ms }) => (round_trip_ms ?? 0) > 5 && jitter_ms !== null);
    });
  });

  test("no node hears another but over the line: the line renews the lease, carries what the others hear, and never two own", async () => {
    const ownership = await cluster.ownership("n1");
    // All of them at once: one that alone is without IP is unfit to own.
    await withoutIp(["n1", "n3", "n2"], async () => {
      await until("n3 does not hear n1", async () => (await cluster.status("n3")).nodes[0]?.alive === false);
      await always("n1 is alive for n2", WATCHED_MS, async () => (await cluster.status("n2")).nodes[0]?.alive === true);
      // Longer than a node needs to find itself unfit.
      await pause(4000);
      assert.equal(await cluster.ownership("n1"), ownership, "the lease is renewed over the line alone");
      assert.deepEqual(await cluster.events("n2", "node-unfit"), []);
      await until("n2 knows over the line that n1 does not hear n3", async () => {
        const { rows } = await cluster.links("n2");
        const found = rows.filter(({ listener, speaker }) => listener === "n1" && speaker === "n3");
        return found.length === 2 && found.every(({ state }) => state === "DOWN");
      });
    });
    assert.deepEqual(await cluster.violations(), []);
  });

  test("noise on the line: counted under its device, and a warning; nothing moves, no packet is lost", async () => {
    const ownership = await cluster.ownership("n1");
    const from = client.position;
    for (let i = 0; i < 20; i++) {
      line.inject(
        1,
        Uint8Array.from({ length: 500 }, (_, at) => (at * 31 + i) % 256),
      );
      await pause(20);
    }
    await until("it is counted", async () =>
      (await cluster.links("n2")).rejected.some(
        ({ link, reason, source }) => link === "cable" && reason === "garbled" && source.endsWith("/ttyB"),
      ),
    );
    const told = await until("it is told", async () =>
      (await cluster.events("n1", "heartbeat-rejected")).find(({ text }) => text.includes("garbled")),
    );
    assert.equal(told.level, "warning");
    assert.equal((await client.since(from)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
    await cableIs("ok", "LOSS");
  });

  test("the device of one end is pulled out and put back: told by both events, nothing moves", async () => {
    const ownership = await cluster.ownership("n1");
    const from = client.position;
    line.unplug(1);
    await until("n2 says why", async () => /ttyB/.test((await row("n2", "n2", "n1"))?.reason ?? ""));
    // n1's own end is well: it can only tell since when.
    await until("n1 says that it hears nothing", async () =>
      ((await row("n1", "n1", "n2"))?.reason ?? "").startsWith("not heard for"),
    );
    line.plug(1);
    await cableIs("ok", "LOSS");
    const told = async (code: string): Promise<boolean> =>
      (await cluster.events("n1", code)).some(({ node, text }) => node === "n2" && text.includes("link cable"));
    await until("n1 heard that it was down and is up", async () => (await told("link-down")) && told("link-up"));
    assert.equal((await client.since(from)).lost, 0);
    assert.equal(await cluster.ownership("n1"), ownership);
  });

  test("IP is dead on both nodes: they hear each other over the line, and never two own", async () => {
    await withoutIp(["n1", "n2"], async () => {
      await always("each is alive for the other", WATCHED_MS, async () => {
        const [one, two] = await Promise.all([cluster.status("n1"), cluster.status("n2")]);
        return one.nodes[1]?.alive === true && two.nodes[0]?.alive === true;
      });
    });
    assert.deepEqual(await cluster.violations(), []);
  });
});
