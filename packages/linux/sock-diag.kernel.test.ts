/** Resetting connections, with real ones between two network namespaces: whose they are, how soon they learn of it, and what it costs the loop. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LineProgram } from "./line-program.ts";
import { join, kernelTest, Namespace, until } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { resetConnections, type ResetOutcome } from "./sock-diag.ts";
import type { Told } from "./sock-diag-process.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./sock-diag-process.ts"));
const options = kernelTest();
const VIRTUAL = ["10.77.0.50", "fd77::50"] as IpAddress[];
const PORT = 8000;
/** How long the loop may be held, on the processor's clock: other programs run beside this one. */
const HELD_MS = 5;
/** It takes a millisecond or two on a machine that has nothing else to do. */
const PATIENCE_MS = 500;

/** sock-diag-process.ts in a namespace. */
function program(namespace: Namespace, ...words: string[]): LineProgram {
  return new LineProgram("ip", ["netns", "exec", namespace.name, process.execPath, PROGRAM, ...words]);
}

let a: Namespace;
let b: Namespace;
let server: LineProgram;

before(async () => {
  if (options.skip !== false) return;
  a = new Namespace();
  b = new Namespace();
  join(a, b, "one", 77);
  for (const address of VIRTUAL)
    a.run("ip", "address", "add", `${address}/${address.includes(":") ? 64 : 24}`, "dev", "one", "nodad");
  server = program(a, "serve", String(PORT));
  assert.equal(await server.line(), "listening");
});

after(async () => {
  await server?.end();
  a?.remove();
  b?.remove();
});

function told(client: LineProgram): Promise<Record<string, Told>> {
  return client.ask().then((line) => JSON.parse(line) as Record<string, Told>);
}

function reset(addresses: readonly IpAddress[]): Promise<ResetOutcome> {
  return a.inside(() => resetConnections(native, addresses));
}

function processor_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The longest time that the loop was busy at a stretch while `action` ran. */
async function heldLoop(action: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = processor_ms();
  let running = true;
  const turn = (): void => {
    const now = processor_ms();
    longest = Math.max(longest, now - last);
    last = processor_ms();
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await action();
  running = false;
  return longest;
}

test("idle clients learn of the reset at once, IPv4, IPv4 inside IPv6 and IPv6; others stay", options, async () => {
  const [v4 = "", v6 = ""] = VIRTUAL;
  const mine = [`${v4} ${PORT}`, `${v4} ${PORT + 1}`, `${v6} ${PORT}`];
  const others = [`10.77.0.1 ${PORT}`, `10.77.0.1 ${PORT + 1}`, `fd77::1 ${PORT}`];
  const client = program(b, "connect", "2", ...[...mine, ...others].flatMap((target) => target.split(" ")));
  try {
    assert.equal(await client.line(), "connected");
    const start_ms = native.monotonic() / 1e6;
    assert.deepEqual(await reset(VIRTUAL), { reset: 6, trouble: "" });
    await until(
      "the clients were told",
      async () => Object.values(await told(client)).reduce((sum, { reset: count }) => sum + count, 0) === 6,
    );
    const found = await told(client);
    for (const target of mine) {
      const { open, reset: count, last_ms } = found[target] ?? { open: -1, reset: -1, last_ms: 0 };
      assert.deepEqual([open, count], [0, 2], target);
      assert.ok(last_ms - start_ms < PATIENCE_MS, `${target}: after ${last_ms - start_ms} ms`);
    }
    for (const target of others) assert.deepEqual([found[target]?.open, found[target]?.reset], [2, 0], target);
    assert.equal(await server.ask(), "accepted 6");
    // Nothing is left; the listeners are, and take new ones.
    assert.deepEqual(await reset(VIRTUAL), { reset: 0, trouble: "" });
    const again = program(b, "connect", "1", ...mine.flatMap((target) => target.split(" ")));
    assert.equal(await again.line(), "connected");
    await again.end();
  } finally {
    await client.end();
  }
});

for (const count of [1000, 10_000]) {
  test(`${count} connections: all are reset, and the loop is never held for long`, options, async (t) => {
    const [v4 = ""] = VIRTUAL;
    const client = program(b, "connect", String(count), v4, String(PORT));
    try {
      assert.equal(await client.line(), "connected");
      await until("all are accepted", async () => (await server.ask()) === `accepted ${count}`, 20_000);
      const start_ms = native.monotonic() / 1e6;
      const busy_ms = processor_ms();
      let outcome: ResetOutcome = { reset: 0, trouble: "" };
      const held_ms = await heldLoop(async () => {
        outcome = await reset(VIRTUAL);
      });
      const took_ms = native.monotonic() / 1e6 - start_ms;
      const used_ms = processor_ms() - busy_ms;
      assert.deepEqual(outcome, { reset: count, trouble: "" });
      await until("all clients were told", async () => (await told(client))[`${v4} ${PORT}`]?.reset === count);
      const last_ms = ((await told(client))[`${v4} ${PORT}`]?.last_ms ?? 0) - start_ms;
      const figures = `${took_ms.toFixed(1)} ms in all, ${used_ms.toFixed(1)} ms of the processor, the last client told after ${last_ms.toFixed(1)} ms, the loop held for ${held_ms.toFixed(2)} ms at most`;
      t.diagnostic(figures);
      if (process.env["HOLDFAST_FIGURES"] !== undefined) console.error(figures);
      assert.ok(held_ms < HELD_MS, figures);
    } finally {
      await client.end();
      await until("the server has nobody", async () => (await server.ask()) === "accepted 0", 20_000);
    }
  });
}

test("without an address there is nothing to do, and of another namespace nothing is touched", options, async () => {
  const [v4 = ""] = VIRTUAL;
  const client = program(b, "connect", "1", v4, String(PORT));
  try {
    assert.equal(await client.line(), "connected");
    assert.deepEqual(await reset([]), { reset: 0, trouble: "" });
    const empty = new Namespace();
    try {
      assert.deepEqual(await empty.inside(() => resetConnections(native, VIRTUAL)), { reset: 0, trouble: "" });
    } finally {
      empty.remove();
    }
    assert.equal((await told(client))[`${v4} ${PORT}`]?.open, 1);
  } finally {
    await client.end();
  }
});
