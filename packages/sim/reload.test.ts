/** Another configuration while the cluster runs, in virtual time: what did not change goes on, node by node. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster, GroupConfig } from "@holdfast/core/cluster.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName, InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

const NAMES = ["n1", "n2", "n3", "n4", "n5"];

function group(name: string, address: number, prefer: readonly string[] = ["n1", "n2", "n3"]): GroupConfig {
  return {
    name: name as GroupName,
    addresses: [{ address: `10.0.0.${address}` as IpAddress, prefixLength: 24, interfaces: ["service"] }],
    prefer: prefer as NodeName[],
    failback: { kind: "manual" },
    settle: milliseconds(0),
    drain: milliseconds(0),
  };
}

function cluster(voters: number, change: Partial<Cluster> = {}): Cluster {
  return {
    name: "test",
    generation: 1,
    digest: "0000abcd",
    timing: {
      heartbeat: milliseconds(100),
      dead: milliseconds(300),
      window: milliseconds(48),
      keep: milliseconds(236),
      jiffy: milliseconds(4),
    },
    links: [{ kind: "udp", name: "lan" as LinkName, port: 7400 }],
    nodes: NAMES.slice(0, voters).map((name, i) => ({
      name: name as NodeName,
      role: "member",
      links: { lan: `10.0.0.${i + 1}` as IpAddress },
      interfaces: { service: "eth0" as InterfaceName },
    })),
    groups: [group("web", 100)],
    keys: "/nowhere",
    seal: "encrypt",
    ...change,
  };
}

function started(config: Cluster, seed: number): VirtualCluster {
  const world = new VirtualCluster(config, seed);
  world.startAll();
  assert.notEqual(
    world.until(() => world.owner("web") === "n1", 2000),
    undefined,
  );
  world.run(1000);
  return world;
}

function reload(world: VirtualCluster, name: string, config: Cluster): void {
  world.input(name, { kind: "reconfigured", cluster: config, interfacesDown: [] });
}

function planOf(world: VirtualCluster, name: string, config: Cluster) {
  const state = world.node(name).daemon?.state;
  assert.ok(state !== undefined);
  return reloadPlan(state, config, world.node(name).kernel.clock.now());
}

/** `web` never stops answering on n1 for `for_ms`. */
function stays(world: VirtualCluster, for_ms: number): void {
  for (let i = 0; i < for_ms; i += 5) {
    world.run(5);
    assert.equal(world.isOpen("n1", "web"), true, `closed ${i} ms later`);
  }
  assert.deepEqual(world.violations, []);
}

test("a group more, another prefer: the owner stays and never closes; the new group is owned by a majority", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = started(cluster(3), seed);
    const next = cluster(3, {
      digest: "0000abce",
      groups: [group("web", 100, ["n2", "n1", "n3"]), group("api", 101)],
    });
    for (const name of ["n3", "n2", "n1"]) {
      reload(world, name, next);
      stays(world, 200);
    }
    stays(world, 2000);
    assert.notEqual(world.owner("api"), undefined);
    assert.equal(world.node("n1").daemon?.state.misconfigured, false);
  }
});

test("an owner that is no longer in prefer hands over; a group that is gone is closed, released and forgotten", () => {
  const world = started(cluster(3, { groups: [group("web", 100), group("old", 102)] }), 3);
  const next = cluster(3, { digest: "0000abce", groups: [group("web", 100, ["n2", "n3"])] });
  for (const name of ["n2", "n3", "n1"]) reload(world, name, next);
  assert.notEqual(
    world.until(() => world.owner("web") === "n2", 1000),
    undefined,
  );
  world.run(1000);
  for (const name of ["n1", "n2", "n3"]) {
    assert.equal(world.isOpen(name, "old"), false);
    assert.deepEqual([...(world.node(name).daemon?.state.groups.keys() ?? [])], ["web"]);
    assert.equal(world.node(name).addresses.has("old" as GroupName), false);
  }
  assert.deepEqual(world.violations, []);
});

test("V2: a voter is bound by what it gave to a group that left and came back", () => {
  const both = cluster(3, { groups: [group("web", 100), group("old", 102)] });
  const world = started(both, 4);
  const gone = cluster(3, { digest: "0000abce" });
  reload(world, "n2", gone);
  world.run(150);
  reload(world, "n2", both);
  const accepted = world.node("n2").daemon?.state.groups.get("old" as GroupName)?.record.accepted;
  assert.equal(accepted?.holder.node, "n1");
});

test("a generation, standby, owner, standby: the owner keeps a majority all the way, with any seed", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = started(cluster(3), seed);
    const timing = { ...cluster(3).timing, dead: milliseconds(400) };
    const next = cluster(3, { generation: 2, digest: "0000abce", timing });
    for (const name of ["n3", "n1", "n2"]) {
      world.run(world.random() * 100);
      reload(world, name, next);
      stays(world, 700);
    }
    assert.equal(world.owner("web"), "n1");
  }
});

test("a voter less, a voter more: no packet is refused on the way, and majorities are those of each generation", () => {
  const world = started(cluster(4), 6);
  const three = cluster(3, { generation: 2, digest: "0000abce" });
  assert.deepEqual(planOf(world, "n3", three).obstacles, []);
  for (const name of ["n3", "n1", "n2"]) {
    reload(world, name, three);
    stays(world, 500);
  }
  world.kill("n4");
  stays(world, 500);
  assert.equal(world.node("n1").daemon?.state.majority, 2);
  const four = cluster(4, { generation: 3, digest: "0000abcf" });
  world.start("n4");
  reload(world, "n4", four);
  for (const name of ["n3", "n1", "n2"]) {
    assert.deepEqual(planOf(world, name, four).obstacles, []);
    reload(world, name, four);
    stays(world, 500);
  }
  assert.equal(world.node("n1").daemon?.state.majority, 3);
});

test("a change of T with the owner frozen at any moment: never two owners", () => {
  for (let seed = 1; seed <= 60; seed++) {
    // One K that S1 allows for both: the world's kernels keep theirs.
    const timing = (dead: number) => ({ ...cluster(3).timing, dead: milliseconds(dead) });
    const world = started(cluster(3, { timing: timing(seed % 2 === 0 ? 400 : 300) }), seed);
    const next = cluster(3, { generation: 2, digest: "0000abce", timing: timing(seed % 2 === 0 ? 300 : 400) });
    world.freeze.probability = 0.02;
    world.freeze.longest_ms = 300;
    for (const name of ["n3", "n1", "n2"]) {
      world.run(world.random() * 60);
      reload(world, name, next);
      if (world.random() < 0.5) world.stop("n1");
    }
    const before = world.violations.length;
    world.run(250);
    assert.equal(world.violations.length, before, world.violations.join("; "));
  }
});

test("what a reload may not do is said with names: a stranger's address, a third configuration, a move under way", () => {
  const world = started(cluster(3, { groups: [group("web", 100), group("db", 101)] }), 7);
  const refused = (config: Cluster): string => planOf(world, "n3", config).obstacles.join("; ");
  const swapped = cluster(3, { digest: "1", groups: [group("web", 101), group("db", 100)] });
  assert.match(refused(swapped), /10.0.0.101 goes from group db to web: take it out first/);
  assert.match(refused(cluster(3, { digest: "1", name: "other" })), /another name: it needs a restart/);
  assert.match(refused({ ...cluster(3, { digest: "1" }), seal: "authenticate-only" }), /seal changes/);
  assert.match(refused({ ...cluster(2, { digest: "1", generation: 2 }) }), /node n3, which runs here, is not in it/);
  reload(world, "n1", cluster(3, { digest: "00000001" }));
  world.run(200);
  const more = cluster(3, { digest: "00000002", groups: [group("web", 100), group("db", 101), group("new", 103)] });
  assert.match(refused(more), /10.0.0.103 is added while n1 still runs an earlier configuration/);
  assert.deepEqual(planOf(world, "n3", world.cluster).changes, []);
});

test("links: a new one is heard, a removed one is not asked for", () => {
  const world = started(cluster(3), 8);
  const links: Cluster["links"] = [...cluster(3).links, { kind: "udp", name: "priv" as LinkName, port: 7400 }];
  const nodes = cluster(3).nodes.map((node, i) => ({
    ...node,
    links: { ...node.links, priv: `10.0.1.${i + 1}` as IpAddress },
  }));
  for (const name of ["n1", "n2", "n3"]) reload(world, name, cluster(3, { digest: "0000abce", links, nodes }));
  stays(world, 500);
  const peer = world.node("n1").daemon?.state.peers.get("n2" as NodeName);
  assert.deepEqual([...(peer?.links.keys() ?? [])], ["lan", "priv"]);
  assert.ok([...(peer?.links.values() ?? [])].every((hearing) => hearing.lastHeard !== undefined));
});

test("another kind of link, and another place of it, are told by name; a node's own device is not everybody's business", () => {
  const world = started(cluster(3), 9);
  const priv = { kind: "udp", name: "priv" as LinkName, port: 7400 } as const;
  const links: Cluster["links"] = [
    { ...priv, name: "lan" as LinkName },
    { kind: "ethernet", name: "wire" as LinkName },
  ];
  const nodes = cluster(3).nodes.map((node) => ({ ...node, devices: { wire: "eth1" } }));
  const plan = planOf(world, "n1", cluster(3, { digest: "0000abce", links, nodes }));
  assert.deepEqual(plan.changes.slice(0, 2), [
    "link devices of node n1: none -> wire eth1",
    "link devices of node n2: none -> wire eth1",
  ]);
  assert.ok(plan.changes.includes("link wire is added: ethernet"), plan.changes.join("; "));
  assert.deepEqual(plan.warnings, []);
  const multicast = [{ ...priv, name: "lan" as LinkName, multicast: "239.192.74.0" as IpAddress }];
  const other = planOf(world, "n1", cluster(3, { digest: "0000abcf", links: multicast }));
  assert.ok(other.changes.includes("link lan: udp/7400 -> udp/7400 to 239.192.74.0"), other.changes.join("; "));
  assert.match(other.warnings[0] ?? "", /no link stays as it is/);
});
