/** The fence in a real kernel: closed means no answer by any way, whatever became of the daemon or of the rule set. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { writeFileSync, rmSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { openFence, removeFence } from "./fence.ts";
import type { Fence, FenceOptions } from "./fence.ts";
import { answerer, join, kernelTest, Namespace, pause, Prober, until } from "./kernel-testing.ts";
import { native } from "./load.ts";

const WINDOW_MS = 48;
const KEEP_MS = 236;
const JIFFY_MS = native.tick() / 1e6;
const V4 = ip("10.81.0.50");
const V6 = ip("fd81::50");
const PLAN: FenceOptions = {
  groups: [
    { number: 7, addresses: [V4, V6] },
    { number: 8, addresses: [ip("10.81.0.51")] },
  ],
  window_ms: WINDOW_MS,
  keep_ms: KEEP_MS,
  uid: process.geteuid?.() ?? 0,
};
const options = kernelTest();

let node: Namespace;
let client: Namespace;
const closers: (() => void)[] = [];
const probers: Prober[] = [];
/** Of the running test: a failed one must not shut out the next. */
const fences = new Set<Fence>();
const holders = new Set<ChildProcess>();

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

before(() => {
  if (options.skip !== false) return;
  node = new Namespace();
  client = new Namespace();
  join(node, client, "one", 81);
  join(node, client, "two", 82);
  node.run("ip", "address", "add", "10.81.0.50/24", "dev", "one");
  node.run("ip", "address", "add", "fd81::50/64", "dev", "one", "nodad");
  // The other way to the addresses: over the second interface.
  client.run("ip", "route", "add", "10.81.0.50/32", "via", "10.82.0.1", "table", "82");
  client.run("ip", "rule", "add", "from", "10.82.0.2", "table", "82");
  client.run("ip", "-6", "route", "add", "fd81::50/128", "via", "fd82::1", "table", "82");
  client.run("ip", "-6", "rule", "add", "from", "fd82::2", "table", "82");
  for (const address of [V4, V6]) {
    const socket = answerer(node, address, 5000);
    closers.push(() => socket.close());
  }
  probers.push(
    new Prober(client, "one", V4, 5000, ip("10.81.0.2")),
    new Prober(client, "one", V6, 5000, ip("fd81::2")),
  );
  probers.push(
    new Prober(client, "two", V4, 5000, ip("10.82.0.2")),
    new Prober(client, "two", V6, 5000, ip("fd82::2")),
  );
  probers.push(new Prober(node, "lo", V4, 5000, ip("10.81.0.1")), new Prober(node, "lo", V6, 5000, ip("fd81::1")));
  for (const prober of probers) closers.push(() => prober.close());
});

after(() => {
  for (const close of closers) close();
  if (options.skip !== false) return;
  node.remove();
  client.remove();
});

/** Answers of each prober: [through one v4, v6, through two v4, v6, local v4, v6]. */
async function answers(): Promise<{ udp: number[]; neighbour: number[] }> {
  const all = [];
  for (const prober of probers) all.push(await prober.count());
  return { udp: all.map((each) => each.udp), neighbour: all.map((each) => each.neighbour) };
}

async function assertSilent(when: string): Promise<void> {
  const found = await answers();
  assert.deepEqual(found, { udp: [0, 0, 0, 0, 0, 0], neighbour: [0, 0, 0, 0, 0, 0] }, when);
}

function opened(fenceOptions: FenceOptions = PLAN): Fence {
  const result = node.inside(() => openFence(native, fenceOptions));
  assert.ok(result.ok, result.ok ? "" : result.error);
  fences.add(result.value);
  node.inside(() => {
    for (const name of ["one", "two"]) {
      const covered = result.value.coverInterface(native.interfaceIndex(name), name);
      assert.ok(covered.ok, covered.ok ? "" : covered.error);
    }
  });
  return result.value;
}

afterEach(async () => {
  for (const child of holders) await end(child);
  for (const fence of fences) dispose(fence);
});

function dispose(fence: Fence): void {
  fences.delete(fence);
  fence.dispose();
  const removed = node.inside(() => removeFence(native));
  assert.ok(removed.ok, removed.ok ? "" : removed.error);
}

/** A daemon of its own that keeps the fence open; resolves when it has opened it. */
async function holder(output: string[] = [], extra: Partial<FenceOptions> = {}): Promise<ChildProcess> {
  const child = spawn(
    "ip",
    [
      "netns",
      "exec",
      node.name,
      process.execPath,
      `${import.meta.dirname}/fence-holder.ts`,
      JSON.stringify({ ...PLAN, ...extra }),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  holders.add(child);
  child.stdout.on("data", (data: Buffer) => output.push(...data.toString().trim().split("\n")));
  await until("the holder opened the fence", () => output.some((line) => line.startsWith("open")));
  return child;
}

/** A process that asks V4 once a millisecond, once it has been answered. */
async function steadyProbe(): Promise<{ stop(): Promise<{ sent: number; lost: number }> }> {
  const program = `${import.meta.dirname}/probe-process.ts`;
  const words = ["netns", "exec", client.name, process.execPath, program, V4, "5000", "10.81.0.2"];
  const child = spawn("ip", words, { stdio: ["pipe", "pipe", "inherit"] });
  holders.add(child);
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  await until("the probe is answered", () => output.includes("answered"));
  return {
    stop: async () => {
      child.stdin.end();
      await until("the probe has counted", () => output.includes("}"));
      holders.delete(child);
      return JSON.parse(output.slice(output.indexOf("{"))) as { sent: number; lost: number };
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  holders.delete(child);
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once("exit", resolve));
}

test("a commit counts for exactly the armed number of the group, inside the window, until close", options, async () => {
  const fence = opened();
  const left = (): number => {
    const remaining = fence.remaining();
    assert.ok(remaining.ok);
    return remaining.value.get(7) ?? 0;
  };
  assert.equal(fence.commit(7, 1).ok, false, "never armed");
  assert.equal(fence.arm(7, 10).ok, true);
  for (const [group, number] of [
    [7, 9],
    [7, 11],
    [8, 10],
    [9, 10],
    [7, 0],
  ] as const)
    assert.equal(fence.commit(group, number).ok, false, `${group} ${number}`);
  assert.equal(left(), 0);
  assert.equal(fence.commit(7, 10).ok, true);
  assert.ok(left() > KEEP_MS - 3 * JIFFY_MS && left() <= KEEP_MS, String(left()));

  const armedAt = native.monotonic();
  assert.equal(fence.arm(7, 12).ok, true);
  await until("the window is over", () => !fence.commit(7, 12).ok, 1000);
  const window = (native.monotonic() - armedAt) / 1e6;
  assert.ok(window >= WINDOW_MS - JIFFY_MS && window < WINDOW_MS + 40, `${window}`);

  fence.arm(7, 13);
  fence.arm(7, 14);
  assert.equal(fence.close(7, [13, 14]).ok, true);
  assert.equal(left(), 0);
  assert.equal(fence.commit(7, 13).ok || fence.commit(7, 14).ok, false, "closed");
  dispose(fence);
});

test("arming an armed number again does not move its window", options, async () => {
  const fence = opened();
  const armedAt = native.monotonic();
  fence.arm(7, 1);
  await until(
    "the window is over although it is armed again and again",
    () => {
      if ((native.monotonic() - armedAt) / 1e6 < WINDOW_MS - 2 * JIFFY_MS) return !fence.arm(7, 1).ok;
      return !fence.commit(7, 1).ok;
    },
    500,
  );
  assert.ok((native.monotonic() - armedAt) / 1e6 < WINDOW_MS + 40);
  dispose(fence);
});

test(
  "open answers everybody, closed nobody: two interfaces, lo, IPv4, IPv6, ARP, neighbour discovery",
  options,
  async () => {
    const fence = opened();
    await assertSilent("never opened");
    const renew = (): void => {
      fence.arm(7, 1);
      fence.commit(7, 1);
    };
    renew();
    const renewing = setInterval(renew, 20);
    const open = await answers();
    clearInterval(renewing);
    assert.ok(
      open.udp.every((count) => count >= 5),
      JSON.stringify(open),
    );
    assert.ok(
      open.neighbour.slice(0, 2).every((count) => count >= 5),
      JSON.stringify(open),
    );
    assert.equal(fence.close(7, []).ok, true);
    await assertSilent("closed");
    dispose(fence);
    assert.ok(
      (await answers()).udp.every((count) => count >= 5),
      "without fence all answer: the probes work",
    );
  },
);

test("a frozen daemon's fence shuts within the lease and stays shut, flush ruleset included", options, async () => {
  const child = await holder();
  await until("it answers", async () => ((await probers[0]?.count())?.udp ?? 0) > 0);
  child.kill("SIGSTOP");
  const frozen = native.monotonic();
  let lastAnswer = frozen;
  let seen = 0;
  const probe = probers[0];
  assert.ok(probe !== undefined);
  probe.answers = { udp: 0, neighbour: 0 };
  await until("the lease is over", async () => {
    probe.ask();
    await pause(1);
    const total = probe.answers.udp + probe.answers.neighbour;
    if (total > seen) lastAnswer = native.monotonic();
    seen = total;
    return native.monotonic() - frozen > 500e6;
  });
  const silentAfter = (lastAnswer - frozen) / 1e6;
  assert.ok(silentAfter < WINDOW_MS + KEEP_MS + 2 * JIFFY_MS + 10, `${silentAfter} ms`);
  await assertSilent("frozen");
  node.run("nft", "flush", "ruleset");
  await assertSilent("flushed");
  const debian = `/tmp/hfl-${process.pid}.nft`;
  writeFileSync(
    debian,
    "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter;\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter;\n\t}\n\tchain output {\n\t\ttype filter hook output priority filter;\n\t}\n}\n",
  );
  node.run("nft", "-f", debian);
  rmSync(debian);
  await assertSilent("Debian's nftables.conf loaded");
  const second = node.inside(() => openFence(native, PLAN));
  assert.ok(!second.ok && /another holdfast/.test(second.error), "a frozen owner keeps others out");
  await end(child);
  const removed = node.inside(() => removeFence(native));
  assert.ok(removed.ok);
});

test("an interface made after the fence is fenced from its first packet", options, async () => {
  const fence = opened();
  join(node, client, "late", 83);
  const late = [
    new Prober(client, "late", V4, 5000, ip("10.83.0.2")),
    new Prober(client, "late", V6, 5000, ip("fd83::2")),
  ];
  client.run("ip", "route", "add", "10.81.0.50/32", "via", "10.83.0.1", "table", "83");
  client.run("ip", "rule", "add", "from", "10.83.0.2", "table", "83");
  client.run("ip", "-6", "route", "add", "fd81::50/128", "via", "fd83::1", "table", "83");
  client.run("ip", "-6", "rule", "add", "from", "fd83::2", "table", "83");
  for (const prober of late) assert.deepEqual(await prober.count(), { udp: 0, neighbour: 0 }, "not covered yet");
  node.inside(() => assert.equal(fence.coverInterface(native.interfaceIndex("late"), "late").ok, true));
  for (const prober of late) assert.deepEqual(await prober.count(), { udp: 0, neighbour: 0 }, "covered, closed");
  fence.arm(7, 1);
  fence.commit(7, 1);
  assert.ok(((await late[0]?.count())?.udp ?? 0) > 0, "covered, open");
  for (const prober of late) prober.close();
  const index = node.inside(() => native.interfaceIndex("late"));
  node.run("ip", "link", "delete", "late");
  assert.equal(fence.uncoverInterface(index).ok, true);
  assert.equal(
    node.inside(() => fence.verify()),
    undefined,
  );
  dispose(fence);
});

test(
  "a killed daemon's tables stay; the next adopts them and no packet is lost, and nothing stays armed",
  options,
  async () => {
    const first = await holder([]);
    const probe = probers[0];
    assert.ok(probe !== undefined);
    await until("it answers", async () => ((await probe.count()).udp ?? 0) === 10);
    const asking = await steadyProbe();
    await end(first);
    const next = node.inside(() => openFence(native, PLAN));
    assert.ok(next.ok, next.ok ? "" : next.error);
    fences.add(next.value);
    assert.equal(next.value.adopted, true);
    const remaining = next.value.remaining();
    assert.ok(remaining.ok && (remaining.value.get(7) ?? 0) > 0, "still open");
    assert.equal(next.value.commit(7, 1).ok, false, "nothing stays armed");
    let number = 1000;
    const renewing = setInterval(() => {
      number++;
      next.value.arm(7, number);
      next.value.commit(7, number);
    }, 20);
    // Longer than what the first daemon's last renewal was good for.
    await pause(KEEP_MS + 50);
    const { sent, lost } = await asking.stop();
    clearInterval(renewing);
    assert.ok(sent > KEEP_MS, `${sent} questions`);
    assert.equal(lost, 0, `of ${sent} questions`);
    fences.delete(next.value);
    next.value.dispose();
    await pause(KEEP_MS + 20);
    await assertSilent("dead, tables left");
    const changed = node.inside(() => openFence(native, { ...PLAN, keep_ms: 200 }));
    assert.ok(changed.ok && !changed.value.adopted, "another plan replaces");
    await assertSilent("replaced");
    dispose(changed.value);
  },
);

test("where tables cannot be owned, a flush is noticed, undone closed, and its author named", options, async () => {
  const fence = opened({ ...PLAN, flags: "none" });
  const told: string[] = [];
  node.inside(() => fence.watch((detail) => told.push(detail)));
  fence.arm(7, 1);
  fence.commit(7, 1);
  for (const command of [
    ["flush", "ruleset"],
    ["delete", "table", "arp", "holdfast"],
    ["flush", "chain", "netdev", "holdfast", "g7-to"],
    ["flush", "set", "inet", "holdfast", "v4"],
  ]) {
    told.length = 0;
    node.run("nft", ...command);
    await until(`noticed: ${command.join(" ")}`, () => told.length > 0, 1000);
    assert.match(told[0] ?? "", /removed by nft \(pid \d+\); installed again, closed/);
    assert.equal(
      node.inside(() => fence.verify()),
      undefined,
    );
    const remaining = fence.remaining();
    assert.ok(remaining.ok && remaining.value.size === 0, "closed");
  }
  await assertSilent("installed again");
  node.run("nft", "add", "table", "inet", "somebody");
  node.run("nft", "delete", "table", "inet", "somebody");
  dispose(fence);
});

test("nft lists the tables as they are meant", options, () => {
  const fence = opened();
  const listed = node.run("nft", "list", "ruleset");
  for (const line of [
    "ip daddr vmap @to4",
    "ip saddr vmap @from4",
    "arp saddr ip vmap @says4",
    "ip6 daddr vmap @to6",
    'type filter hook egress device "one" priority -450; policy accept;',
    "iif . iifname @covered accept",
    "10.81.0.50 : jump g7-to",
  ]) {
    assert.ok(listed.includes(line), line);
  }
  dispose(fence);
  assert.ok(!node.run("nft", "list", "tables").includes("holdfast"), "removed");
});
