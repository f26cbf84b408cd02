/** Requirement A4 on whole daemons: who answered to the address at its new owner, or that nobody did, and who was moved by it. */
import { strict as assert } from "node:assert";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Event } from "@holdfast/api/schema.ts";
import { CHECK_ENDS_MS } from "@holdfast/steering/neighbours/confirm.ts";
import { ADDRESS, ADDRESS6, TestCluster, unable, until as untilWithin } from "./harness.ts";
import { Stranger, believed } from "./stranger.ts";

/** For a machine that is busy with other tests. */
const PATIENCE_MS = 30_000;
const BOTH = [ADDRESS, ADDRESS6];
const MACS: Readonly<Record<string, string>> = { n1: "02:68:66:00:00:01", n2: "02:68:66:00:00:02" };
const ROUTER = "10.99.0.77";
const ROUTER6 = "fd99::77";

function until<Value>(what: string, look: Parameters<typeof untilWithin<Value>>[1]): Promise<Value> {
  return untilWithin(what, look, PATIENCE_MS);
}

describe("a take-over that is checked", { skip: unable() }, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start("takeover");
    await Stranger.join(cluster, "router");
  });
  after(() => cluster.down());
  beforeEach(() => cluster.moveTo("n1"));

  /** What the new owner told of its check. */
  const checked = (node: string, after_ms: number): Promise<Event> =>
    until(`${node} has checked`, async () =>
      (await cluster.history(node)).events.findLast(
        (event) => event.node === node && event.code.startsWith("takeover-") && Date.parse(event.time) > after_ms,
      ),
    );
  const echoes = (allowed: boolean, ...stations: readonly string[]): Promise<unknown> =>
    Promise.all(
      stations.flatMap((station) => [
        cluster.run(station, "sysctl", "-q", "-w", `net.ipv4.icmp_echo_ignore_all=${allowed ? 0 : 1}`),
        cluster.run(station, "sysctl", "-q", "-w", `net.ipv6.icmp.echo_ignore_all=${allowed ? 0 : 1}`),
      ]),
    );
  const arp = (station: string, key: string, value: number): Promise<string> =>
    cluster.run(station, "sysctl", "-q", "-w", `net.ipv4.conf.eth0.${key}=${value}`);

  test("after a failover clients confirm it: by whom and when is in history, why and status; their entries did move", async () => {
    const from = Date.now();
    cluster.signal("n1", "SIGKILL");
    const event = await checked("n2", from);
    assert.equal(event.code, "takeover-confirmed");
    for (const address of BOTH)
      assert.match(event.text, new RegExp(`10\\.99\\.0\\.\\d+ |answered to ${address} after`));
    const confirm = event.phases?.["confirm"] ?? Number.NaN;
    assert.ok(confirm > 0 && confirm < CHECK_ENDS_MS, event.text);
    const by = [...event.text.matchAll(/(\S+) answered to (\S+) after/g)].map(([, who, address]) => ({ who, address }));
    assert.deepEqual(new Set(by.map(({ address }) => address)), new Set(BOTH));
    for (const station of ["client", "watch"]) {
      const own = await cluster.run(station, "ip", "-o", "address", "show", "dev", "eth0");
      for (const { who, address } of by)
        if (own.includes(` ${who}/`)) assert.equal(await believed(cluster, station, address ?? ""), MACS["n2"]);
    }
    assert.match(
      (await cluster.holdfast("n3", "history")).stdout,
      / \(estimate\), confirmed|answered to 10\.99\.0\.100/,
    );
    assert.match((await cluster.holdfast("n2", "why", "web")).stdout, /\(estimate\), confirmed after [\d.]+ ms\n/);
    assert.equal((await cluster.status("n2")).groups[0]?.last_move?.confirm_ms, confirm);
    await cluster.heal();
  });

  test("the gateway of the routing table is asked, IPv4 and IPv6, though nobody has talked to it", async () => {
    await echoes(false, "client", "watch");
    await cluster.run("n2", "ip", "route", "add", "default", "via", ROUTER, "dev", "eth0");
    await cluster.run("n2", "ip", "-6", "route", "add", "default", "via", ROUTER6, "dev", "eth0");
    try {
      const from = Date.now();
      await cluster.moveTo("n2");
      const event = await checked("n2", from);
      assert.equal(event.code, "takeover-confirmed", event.text);
      assert.match(event.text, /10\.99\.0\.77 \(gateway\) answered to 10\.99\.0\.100 after [\d.]+ ms/);
      assert.match(event.text, /fd99::77 \(gateway\) answered to fd99::100 after [\d.]+ ms/);
    } finally {
      await cluster.run("n2", "ip", "route", "del", "default");
      await cluster.run("n2", "ip", "-6", "route", "del", "default");
      await echoes(true, "client", "watch");
    }
  });

  test("nobody answers: unconfirmed, with who was asked, on every node", async () => {
    await echoes(false, "client", "watch", "router");
    try {
      const from = Date.now();
      await cluster.moveTo("n2");
      const event = await checked("n2", from);
      assert.equal(event.code, "takeover-unconfirmed");
      assert.equal(event.level, "warning");
      assert.match(event.text, /^web on n2: within \d+ ms nobody answered to 10\.99\.0\.100 \(asked 10\.99\.0\.\d+/);
      await until("n3 knows", async () =>
        (await cluster.events("n3", "takeover-unconfirmed")).some(({ text }) => text === event.text),
      );
    } finally {
      await echoes(true, "client", "watch", "router");
    }
  });

  test("a client that takes no announcement, only a question to itself, follows by that", async () => {
    // Announcements to all are dropped in front of it; what is for its own station passes.
    const rules = `table netdev test { chain in { type filter hook ingress device eth0 priority -100;
      arp saddr ip ${ADDRESS} meta pkttype broadcast drop; icmpv6 type nd-neighbor-advert meta pkttype multicast drop; }; }`;
    await echoes(false, "client", "watch");
    const ask = ["ping", "-c", "1", "-W", "2"];
    try {
      await cluster.run("router", ...ask, ADDRESS);
      await cluster.run("router", ...ask, ADDRESS6);
      await cluster.run("router", "nft", rules);
      // The next owner knows the station; its echo alone would not come back.
      await cluster.run("n2", ...ask, ROUTER);
      await cluster.run("n2", ...ask, ROUTER6);
      for (const address of BOTH) assert.equal(await believed(cluster, "router", address), MACS["n1"], address);
      const from = Date.now();
      await cluster.moveTo("n2");
      const event = await checked("n2", from);
      assert.equal(event.code, "takeover-confirmed", event.text);
      assert.match(event.text, /10\.99\.0\.77 answered to 10\.99\.0\.100 after/);
      assert.match(event.text, /fd99::77 answered to fd99::100 after/);
      for (const address of BOTH) assert.equal(await believed(cluster, "router", address), MACS["n2"], address);
      assert.ok((event.phases?.["confirm"] ?? 0) >= 250, "by the third round, which asks by unicast");
    } finally {
      await cluster.try("router", "nft", "delete", "table", "netdev", "test");
      await echoes(true, "client", "watch");
    }
  });

  test("a client that ignores one form of announcement (locktime, arp_accept) follows by another", async () => {
    await echoes(false, "client", "watch");
    try {
      for (const [accept, fresh] of [
        [0, true],
        [0, false],
        [1, true],
      ] as const) {
        await cluster.moveTo("n1");
        await arp("router", "arp_accept", accept);
        await cluster.run("n2", "ping", "-c", "1", "-W", "2", ROUTER);
        await cluster.run("n2", "ping", "-c", "1", "-W", "2", ROUTER6);
        if (fresh) for (const address of BOTH) await cluster.run("router", "ip", "neighbour", "flush", "to", address);
        for (const address of BOTH) await cluster.run("router", "ping", "-c", "1", "-W", "2", address);
        const from = Date.now();
        await cluster.moveTo("n2");
        const event = await checked("n2", from);
        assert.equal(event.code, "takeover-confirmed", `arp_accept ${accept}: ${event.text}`);
        assert.equal(await believed(cluster, "router", ADDRESS), MACS["n2"]);
      }
    } finally {
      await echoes(true, "client", "watch");
    }
  });
});
