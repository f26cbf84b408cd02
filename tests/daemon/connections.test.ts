/** Established TCP over a planned move: the old owner's clients are told at once, and come to the new owner. */
import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ADDRESS, ADDRESS6, TestCluster, unable, until } from "./harness.ts";
import { LineProgram } from "@holdfast/linux/line-program.ts";
import type { Told } from "@holdfast/linux/sock-diag-process.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("@holdfast/linux/sock-diag-process.ts"));
const PORT = "8000";
const CONNECTIONS = 20;
/** The move itself takes some milliseconds, and a slow machine more. */
const PATIENCE_MS = 1000;

describe("established TCP connections", { skip: unable() }, () => {
  let cluster: TestCluster;
  const programs: LineProgram[] = [];
  before(async () => {
    cluster = await TestCluster.start("connections");
    for (const node of ["n1", "n2"]) {
      const server = start(node, "serve", PORT);
      assert.equal(await server.line(), "listening");
    }
  });
  after(async () => {
    for (const program of programs) await program.end();
    await cluster.down();
  });

  function start(station: string, ...words: string[]): LineProgram {
    const args = [`--net=${cluster.namespacePath(station)}`, "--", process.execPath, PROGRAM, ...words];
    const program = new LineProgram("nsenter", args);
    programs.push(program);
    return program;
  }

  async function ownAddress(node: string): Promise<string> {
    const listed = await cluster.run(node, "ip", "-4", "-o", "address", "show", "scope", "global");
    const found = [...listed.matchAll(/inet ([\d.]+)\//g)].map((match) => match[1] ?? "");
    const [own] = found.filter((address) => address !== ADDRESS && address.startsWith("10.99.0."));
    assert.ok(own !== undefined, listed);
    return own;
  }

  for (const [from, to] of [
    ["n1", "n2"],
    ["n2", "n1"],
  ] as const) {
    test(`${from} to ${to}: every client of the group is reset, those of the node itself are not`, async (t) => {
      await cluster.moveTo(from);
      const own = await ownAddress(from);
      const client = start("client", "connect", String(CONNECTIONS), ADDRESS, PORT, ADDRESS6, PORT, own, PORT);
      assert.equal(await client.line(), "connected");
      const told = async (): Promise<Record<string, Told>> => JSON.parse(await client.ask()) as Record<string, Told>;
      const moved = await cluster.holdfast("n3", "move", "web", to, "--yes");
      assert.equal(moved.code, 0, moved.stdout + moved.stderr);
      const done_ms = Number(process.hrtime.bigint()) / 1e6;
      await until("all clients are told", async () => {
        const found = await told();
        return [ADDRESS, ADDRESS6].every((address) => found[`${address} ${PORT}`]?.reset === CONNECTIONS);
      });
      const found = await told();
      const last_ms = Math.max(...[ADDRESS, ADDRESS6].map((address) => found[`${address} ${PORT}`]?.last_ms ?? 0));
      t.diagnostic(`the last client was told ${(last_ms - done_ms).toFixed(1)} ms after the command had ended`);
      assert.ok(last_ms - done_ms < PATIENCE_MS, `${last_ms - done_ms} ms`);
      assert.deepEqual([found[`${own} ${PORT}`]?.open, found[`${own} ${PORT}`]?.reset], [CONNECTIONS, 0]);
      const again = start("client", "connect", "2", ADDRESS, PORT, ADDRESS6, PORT);
      assert.equal(await again.line(), "connected");
      await again.end();
      await client.end();
    });
  }
});
