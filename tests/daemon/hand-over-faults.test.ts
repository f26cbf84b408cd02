/**
 * Freeze and kill of either side between every two steps of a planned move (ownership.md section 6), on the real kernel: at
 * worst an outage as for a crash, never two nodes that answer, and a group that is whole again afterwards.
 */
import { strict as assert } from "node:assert";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import * as order from "@holdfast/linux/fence-orders.ts";
import { Client } from "./client.ts";
import { type Started, TestCluster, unable, until } from "./harness.ts";
import type { Interrupt } from "./interrupt.ts";

/** Where the old owner (n1) or the successor (n2) is stopped. */
const PLACES: readonly (Pick<Interrupt, "code" | "following" | "when"> & { node: "n1" | "n2"; title: string })[] = [
  { node: "n2", title: "before it relays", code: order.RELAY, following: undefined, when: "before" },
  { node: "n2", title: "between the relay and ready", code: order.RELAY, following: undefined, when: "after" },
  { node: "n1", title: "after ready, before it forwards", code: order.DISARM, following: undefined, when: "before" },
  { node: "n1", title: "disarmed, before it forwards", code: order.FORWARD, following: undefined, when: "before" },
  { node: "n1", title: "forwarding, before it nominates", code: order.FORWARD, following: undefined, when: "after" },
  { node: "n2", title: "nominated, before it arms", code: order.ARM, following: order.RELAY, when: "before" },
  { node: "n2", title: "armed, before it asks", code: order.ARM, following: order.RELAY, when: "after" },
  { node: "n2", title: "granted, before it commits", code: order.COMMIT, following: order.RELAY, when: "before" },
  { node: "n2", title: "committed, before it announces", code: order.COMMIT, following: order.RELAY, when: "after" },
];

/** What a service manager does: the daemon is started again as soon as it is dead, while its fence still has a mode. */
const STARTED_AT_ONCE = ["forwarding, before it nominates", "committed, before it announces"];

/** T, a first election and everything that a slow machine adds: beyond it the group is not coming back by itself. */
const BROKEN_MS = 3000;

describe("a planned move that is interrupted", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  const running = new Map<string, Started>();
  const orders = (node: string): string => `${cluster.directory}/${node}/interrupt`;
  before(async () => {
    cluster = await TestCluster.start("interrupt");
    client = new Client(cluster);
    for (const node of ["n1", "n2"]) {
      cluster.signal(node, "SIGTERM", "engine");
      await until(`${node} has left`, () => cluster.processes(node).length === 0);
      await start(node);
    }
  });
  after(() => cluster.down());

  /** A daemon that can be interrupted, in the place of the lab's own. Its crashes are ours and do not count. */
  async function start(node: string): Promise<void> {
    await cluster.insideLab("rm", "-f", `${cluster.files(node).run}/starts`);
    const started = cluster.startEngine(node, orders(node));
    running.set(node, started);
    const present = until(`${node} is there`, async () =>
      (await cluster.status(node)).nodes.every(({ alive }) => alive),
    );
    await present.catch((error: unknown) => {
      const kinds = (["engine", "control"] as const).map(
        (kind) => `${kind} ${cluster.processes(node, kind).join(" ")}`,
      );
      throw new Error(`${String(error)}; ${kinds.join(", ")}\n${started.output()}`);
    });
  }

  for (const end of ["SIGSTOP", "SIGKILL", "restart"] as const) {
    const signal = end === "restart" ? "SIGKILL" : end;
    const places = end === "restart" ? PLACES.filter(({ title }) => STARTED_AT_ONCE.includes(title)) : PLACES;
    for (const { node, title, ...place } of places) {
      test(`${end} of the ${node === "n1" ? "old owner" : "successor"} ${title}`, async (t) => {
        await cluster.moveTo("n1");
        await client.steady();
        const from = client.position;
        // The daemon looks for it all the time: it must not find half of it.
        writeFileSync(`${orders(node)}.new`, JSON.stringify({ ...place, signal } satisfies Interrupt));
        renameSync(`${orders(node)}.new`, orders(node));
        const moved = cluster.holdfast("n3", "move", "web", "n2", "--yes", "--timeout", "2s");
        const reached = until("the place is reached", () => !existsSync(orders(node)));
        await reached.catch(async (error: unknown) => {
          const { stdout, stderr } = await moved;
          throw new Error(`${String(error)}\n${stdout}${stderr}${running.get(node)?.output()}`);
        });
        const again = async (): Promise<void> => {
          await until("it is dead", () => cluster.processes(node, "engine").length === 0);
          await start(node);
        };
        if (end === "restart") await again();
        const owner = await client.steady();
        if (end === "SIGSTOP") cluster.signal(node, "SIGCONT");
        else if (end === "SIGKILL") await again();
        await moved;
        const { lost, outage_ms } = await client.since(from);
        t.diagnostic(`${owner} answers: ${lost} probes lost, outage ${outage_ms} ms`);
        assert.ok(outage_ms < BROKEN_MS, `outage ${outage_ms} ms`);
        await until("one owner, who answers", async () => (await cluster.owner("n3")) === (await client.steady()));
        assert.deepEqual(await cluster.violations(), []);
      });
    }
  }
});
