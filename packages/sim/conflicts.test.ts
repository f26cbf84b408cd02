/** Requirement A9: another station uses an address of a group, before and after somebody of the cluster owns it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster, GroupConfig } from "@holdfast/core/cluster.ts";
import {
  DEFEND_INTERVAL_MS,
  KEPT_AFTER_MS,
  PROBE_EVERY_MS,
  SUSPICIOUS_EVERY_MS,
} from "@holdfast/core/node/conflicts.ts";
import type { Probe } from "./probing.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { VirtualNode } from "./virtual-node.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

const ADDRESS = "10.0.0.100" as IpAddress;
const WEB = "web" as GroupName;
const STRANGER = { mac: "02:00:00:00:00:99" as Mac, interface: "eth0" as InterfaceName };
const NAMES = ["n1", "n2", "n3"] as NodeName[];

function cluster(policy: GroupConfig["onConflict"], addresses: readonly IpAddress[] = [ADDRESS]): Cluster {
  const made = clusterOf(NAMES.length, [WEB], DEFAULT_TIMES);
  const places = addresses.map((address) => ({ address, prefixLength: 24, interfaces: ["service"] }));
  return {
    ...made,
    links: made.links.slice(0, 1),
    groups: made.groups.map((group) => ({
      ...group,
      addresses: places,
      settle: milliseconds(0),
      ...(policy === undefined ? {} : { onConflict: policy }),
    })),
  };
}

/** A world whose clients' network has a stranger that answers whoever asks, as long as `present`. */
class Contested extends VirtualCluster {
  present = false;
  /** Gives way when the owner announces, as RFC 5227 section 2.4 demands. */
  obedient = false;
  readonly probes: { readonly name: NodeName; readonly at: number }[] = [];

  override probe = (node: VirtualNode, { of }: Probe): void => {
    if (of === undefined) return;
    for (const name of NAMES) if (name !== node.name && this.isOpen(name, WEB)) this.#answers(name, node.name);
    this.probes.push({ name: node.name, at: this.now });
    if (this.present) this.at(0.5, () => this.claim(node.name));
  };

  #answers(owner: NodeName, asker: NodeName): void {
    const mac = this.stationOf(owner);
    const { interface: on } = STRANGER;
    this.at(0.5, () => this.input(asker, { kind: "answered", of: WEB, address: ADDRESS, mac, interface: on }));
  }

  stationOf(name: NodeName): Mac {
    return this.node(name).kernel.macs.get(STRANGER.interface) as Mac;
  }

  /** As the engine tells: a claim to whoever announces the address, an answer to the others. */
  claim(name: NodeName): void {
    const announces = this.node(name).announcing.has(WEB);
    if (announces) this.input(name, { kind: "conflict", group: WEB, address: ADDRESS, ...STRANGER });
    else this.input(name, { kind: "answered", of: WEB, address: ADDRESS, ...STRANGER });
  }

  /** The stranger announces the address to all. */
  announcesItself(): void {
    for (const name of NAMES) this.claim(name);
  }

  texts(name: string, code: string): readonly string[] {
    return this.node(name)
      .events.filter((event) => event.code === code && event.node === name)
      .map(({ text }) => text);
  }

  announcements(name: string): readonly number[] {
    return this.node(name).announced.map(({ at }) => at);
  }
}

function started(policy: GroupConfig["onConflict"], seed = 1): Contested {
  const world = new Contested(cluster(policy), seed);
  world.startAll();
  return world;
}

function owned(policy: GroupConfig["onConflict"], seed = 1): Contested {
  const world = started(policy, seed);
  assert.notEqual(
    world.until(() => world.owner("web") === "n1", 8000),
    undefined,
  );
  world.run(1000);
  return world;
}

test("every node probes three times within `dead` of its start, then every 30 s, and not all at one time", () => {
  const world = started(undefined);
  world.run(4 * PROBE_EVERY_MS);
  for (const name of NAMES) {
    const times = world.probes.filter((probe) => probe.name === name).map(({ at }) => at);
    const [first = 0, , third = 0] = times;
    assert.ok(third - first < 300, `${name}: ${times.join(" ")}`);
    const late = times.filter((at) => at > PROBE_EVERY_MS);
    // The owner looks once more right after it took it.
    assert.ok(late.length >= 3 && late.length <= 4, `${name}: ${times.join(" ")}`);
  }
  const standbys = ["n2", "n3"].map((name) => world.probes.findLast((probe) => probe.name === name)?.at ?? 0);
  assert.ok(Math.abs((standbys[0] ?? 0) - (standbys[1] ?? 0)) > PROBE_EVERY_MS / 4, standbys.join(" "));
  assert.deepEqual(world.texts("n1", "address-conflict"), []);
});

test("a probe never stands in the way of a failover: the same world with and without them", () => {
  const outage = (ask: boolean): number | undefined => {
    const world = owned("yield", 5);
    if (!ask) world.probe = () => {};
    world.stop("n1");
    return world.until(() => world.owner("web") === "n2", 2000);
  };
  assert.equal(outage(true), outage(false));
});

test("defend: announced again at once and at most every 10 s; the alarm has the MAC; the owner stays", () => {
  const world = owned(undefined);
  const before = world.announcements("n1").length;
  const at = world.now;
  world.present = true;
  for (let i = 0; i < 250; i++) {
    world.announcesItself();
    world.run(100);
  }
  const times = world.announcements("n1").slice(before);
  assert.equal(times.length, 3, times.join(" "));
  assert.ok((times[0] ?? 0) - at < 1, "at once");
  for (let i = 1; i < times.length; i++) {
    const gap = (times[i] ?? 0) - (times[i - 1] ?? 0);
    assert.ok(gap >= DEFEND_INTERVAL_MS && gap < DEFEND_INTERVAL_MS + 100, `${gap} ms`);
  }
  assert.equal(world.owner("web"), "n1");
  const told = world.texts("n1", "address-conflict");
  assert.equal(told.length, 2, told.join("; "));
  assert.match(told[0] ?? "", /^02:00:00:00:00:99 claims 10\.0\.0\.100 on eth0: n1 owns it and announced it again$/);
  assert.match(told[1] ?? "", /^02:00:00:00:00:99 keeps 10\.0\.0\.100, \d+ times in 1 s, on eth0: n1 owns it/);
  world.run(60_000);
  assert.equal(world.texts("n1", "address-conflict").length, 3, "once a minute while it lasts");
});

test("a claim soon after a defence is answered when the interval is over, not forgotten", () => {
  const world = owned(undefined);
  const before = world.announcements("n1").length;
  world.claim("n1" as NodeName);
  world.run(2000);
  world.claim("n1" as NodeName);
  world.run(DEFEND_INTERVAL_MS);
  const times = world.announcements("n1").slice(before);
  assert.equal(times.length, 2);
  assert.ok(Math.abs((times[1] ?? 0) - (times[0] ?? 0) - DEFEND_INTERVAL_MS) < 2, times.join(" "));
});

test("a stranger that gives way is told once, and told to be gone", () => {
  for (const policy of [undefined, "yield", "alarm"] as const) {
    const world = owned(policy);
    world.announcesItself();
    world.run(20_000);
    assert.equal(world.texts("n1", "address-conflict").length, 1, String(policy));
    assert.equal(world.texts("n1", "address-conflict-over").length, 1, String(policy));
    assert.equal(world.owner("web"), "n1", String(policy));
  }
});

test("alarm: the owner says it and does nothing", () => {
  const world = owned("alarm");
  const before = world.announcements("n1").length;
  world.present = true;
  world.announcesItself();
  world.run(30_000);
  assert.equal(world.announcements("n1").length, before);
  assert.equal(world.owner("web"), "n1");
  assert.match(world.texts("n1", "address-conflict").join(), /does nothing/);
});

test("yield: when the stranger keeps it after one defence nobody owns it, and somebody does again when he is gone", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = owned("yield", seed);
    world.present = true;
    world.announcesItself();
    world.run(KEPT_AFTER_MS / 2);
    assert.equal(world.owner("web"), "n1", "one defence");
    world.run(SUSPICIOUS_EVERY_MS);
    assert.equal(world.texts("n1", "group-yielded").length, 1);
    for (let i = 0; i < 400; i++) {
      assert.equal(world.owner("web"), undefined, `${i * 100} ms after it was given up`);
      world.run(100);
    }
    world.present = false;
    const after_ms = world.until(() => world.owner("web") !== undefined, 10_000);
    assert.ok(after_ms !== undefined && after_ms > SUSPICIOUS_EVERY_MS, `${after_ms} ms`);
    world.run(20_000);
    assert.notEqual(world.owner("web"), undefined, "and it stays");
    assert.deepEqual(world.violations, []);
  }
});

test("yield: an operator who changes the policy is obeyed while the stranger is there", () => {
  const world = owned("yield");
  world.present = true;
  world.announcesItself();
  world.run(3000);
  assert.equal(world.owner("web"), undefined);
  for (const name of NAMES) world.reload(name, { ...cluster("defend"), digest: "0000abce" });
  assert.notEqual(
    world.until(() => world.owner("web") !== undefined, 3000),
    undefined,
  );
});

test("a cluster that starts beside a stranger: yield never takes the address, defend takes it and tells", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const yielding = new Contested(cluster("yield"), seed);
    yielding.present = true;
    yielding.startAll();
    for (let i = 0; i < 120; i++) {
      yielding.run(100);
      assert.equal(yielding.owner("web"), undefined, `seed ${seed}, ${i * 100} ms`);
    }
    assert.match(yielding.texts("n1", "address-conflict").join(), /n1 does not take web \(on_conflict: yield\)/);
    const defending = new Contested(cluster("defend"), seed);
    defending.present = true;
    defending.startAll();
    assert.notEqual(
      defending.until(() => defending.owner("web") === "n1", 8000),
      undefined,
    );
    defending.run(5000);
    assert.match(defending.texts("n1", "address-conflict").join(), /owns it and announced it again/);
  }
});

test("failovers, moves and restarts without a stranger: nobody takes the other for one", () => {
  for (const policy of ["defend", "yield"] as const) {
    const world = owned(policy, 3);
    // What is asked while an owner answers.
    const ask = (): void => {
      for (const name of NAMES) {
        const { daemon } = world.node(name);
        const group = daemon?.state.groups.get(WEB);
        if (group !== undefined) group.conflicts.probeAt = daemon?.state.startedAt ?? group.conflicts.probeAt;
      }
    };
    for (const round of [1, 2, 3, 4]) {
      ask();
      world.run(20);
      const owner = world.owner("web") as NodeName;
      const other = NAMES.find((name) => name !== owner) as NodeName;
      if (round % 2 === 0) world.ask(owner, round, owner, { kind: "move", group: WEB, target: other });
      else world.stop(owner);
      ask();
      for (let i = 0; i < 50; i++) {
        world.run(20);
        if (i % 5 === 0) ask();
      }
      if (round % 2 !== 0) world.continue(owner);
      world.run(2000);
      assert.notEqual(world.owner("web"), undefined, policy);
    }
    for (const name of NAMES) {
      const codes = world.node(name).events.map(({ code }) => code);
      assert.ok(!codes.includes("address-conflict") && !codes.includes("group-yielded"), `${policy} ${name}`);
    }
    assert.deepEqual(world.violations, []);
  }
});

test("a standby that is answered by two stations in two probes tells; the owner's own answer alone is none", () => {
  const world = owned(undefined);
  world.run(40_000);
  assert.deepEqual(world.texts("n2", "address-conflict"), []);
  const answer = (mac: Mac): void =>
    world.input("n2", { kind: "answered", of: WEB, address: ADDRESS, mac, interface: STRANGER.interface });
  for (let i = 0; i < 3; i++) {
    answer(world.stationOf(NAMES[0] as NodeName));
    answer(STRANGER.mac);
    world.run(SUSPICIOUS_EVERY_MS + 100);
  }
  const [told, ...more] = world.texts("n2", "address-conflict");
  assert.match(
    told ?? "",
    /02:00:00:00:01:00 and 02:00:00:00:00:99 both claim 10\.0\.0\.100 on eth0 of n2; n1 owns it/,
  );
  assert.deepEqual(more, []);
});

test("an announcement that is earlier than the new owner's heartbeat is no stranger's", () => {
  const world = owned("yield");
  const n3 = world.node("n3");
  // Nobody is known to own it when the announcement comes; a moment later somebody is.
  const { daemon } = n3;
  const group = daemon?.state.groups.get(WEB);
  assert.ok(daemon !== undefined && group !== undefined);
  world.stop("n1");
  assert.notEqual(
    world.until(() => n3.daemon?.state.groups.get(WEB)?.owner === undefined, 2000),
    undefined,
  );
  world.claim("n3" as NodeName);
  assert.notEqual(
    world.until(() => world.owner("web") === "n2", 2000),
    undefined,
  );
  world.run(5000);
  assert.deepEqual(world.texts("n3", "address-conflict"), []);
  assert.equal(world.owner("web"), "n2");
});

test("many addresses are asked for some at a time", () => {
  const addresses = Array.from({ length: 500 }, (_, i) => `10.1.${i >> 8}.${i & 255}` as IpAddress);
  const world = new Contested(cluster(undefined, addresses), 1);
  const asked = new Map<number, number>();
  const all = new Set<IpAddress>();
  world.probe = (node, effect) => {
    if (node.name !== "n1" || effect.of === undefined) return;
    asked.set(world.now, (asked.get(world.now) ?? 0) + effect.addresses.length);
    for (const address of effect.addresses) all.add(address);
  };
  world.startAll();
  world.run(2000);
  assert.equal(all.size, 500);
  assert.ok(Math.max(...asked.values()) <= 64, [...asked.values()].join(" "));
});

test("the checks of all addresses of a group become one event: confirmed with its phase, or not with the reason", () => {
  const second = "fd00::100" as IpAddress;
  const world = new Contested(cluster(undefined, [ADDRESS, second]), 1);
  world.startAll();
  assert.notEqual(
    world.until(() => world.owner("web") === "n1", 8000),
    undefined,
  );
  const term = world.node("n1").announcing.get(WEB) ?? 0;
  const checked = (address: IpAddress, by: string | undefined, after_ms: number, pending: number, of = term): void =>
    world.input("n1", {
      kind: "takeoverChecked",
      group: WEB,
      term: of,
      address,
      by: by as IpAddress | undefined,
      after_ms,
      detail: by ?? "asked 10.0.0.1 (gateway)",
      pending,
    });
  checked(ADDRESS, "10.0.0.1", 3, 0, term - 1);
  checked(ADDRESS, "10.0.0.1", 3.5, 1);
  world.run(10);
  assert.deepEqual(world.texts("n1", "takeover-confirmed"), [], "the second is missing, the first was of another term");
  checked(second, "fd00::1", 8.2, 0);
  world.run(10);
  const confirmed = world.node("n1").events.find(({ code }) => code === "takeover-confirmed");
  assert.deepEqual(confirmed?.phases, { confirm: 8.2 });
  assert.equal(
    confirmed?.text,
    "web on n1: 10.0.0.1 answered to 10.0.0.100 after 3.5 ms, fd00::1 answered to fd00::100 after 8.2 ms",
  );
  checked(second, "fd00::1", 8.2, 1);
  checked(ADDRESS, undefined, 4000, 0);
  world.run(10);
  assert.deepEqual(world.texts("n1", "takeover-unconfirmed"), [
    "web on n1: within 4000 ms nobody answered to 10.0.0.100 (asked 10.0.0.1 (gateway)); confirmed: 1 of 2",
  ]);
});
