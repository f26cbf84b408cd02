/** Two nodes and a witness, with a serial line between the two: what the line carries alone, at which speed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, LAN, PRIV } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { LinkName, NodeName } from "@holdfast/core/units/names.ts";

const CABLE = "cable" as LinkName;
const [N1, N2, N3] = ["n1", "n2", "n3"] as [NodeName, NodeName, NodeName];

function withCable(baud: number, groups: readonly string[] = ["web"]): Cluster {
  const cluster = clusterOf(3, groups, [100, 300, 48, 236], { witness: true });
  const devices = { [CABLE]: "/dev/ttyS0" };
  return {
    ...cluster,
    links: [...cluster.links, { kind: "serial", name: CABLE, baud }],
    nodes: cluster.nodes.map((node) => (node.name === N3 ? node : { ...node, devices })),
  };
}

function started(cluster: Cluster, seed: number): VirtualCluster {
  const world = new VirtualCluster(cluster, seed);
  world.startAll();
  assert.notEqual(
    world.until(() => world.owner("web") === "n1", 3000),
    undefined,
  );
  world.run(2000);
  return world;
}

/** n1 has the serial line and nothing else. */
function cutIp(world: VirtualCluster): void {
  for (const link of [LAN, PRIV])
    for (const other of [N2, N3]) world.cut.add(`${N1} ${other} ${link}`).add(`${other} ${N1} ${link}`);
}

/** True milliseconds in which `web` was closed on n1, of `for_ms`. */
function closed(world: VirtualCluster, for_ms: number): number {
  let ms = 0;
  for (let i = 0; i < for_ms; i++) {
    world.run(1);
    if (!world.isOpen("n1", "web")) ms += 1;
  }
  return ms;
}

test("at 115200 baud a lease is renewed over the line alone: the fence never closes, nobody else takes the group", () => {
  for (const seed of [1, 2, 3]) {
    const world = started(withCable(115_200), seed);
    cutIp(world);
    assert.equal(closed(world, 10_000), 0, `seed ${seed}`);
    assert.equal(world.owner("web"), "n1");
    const { bytes, dropped } = world.lines.direction(N1, CABLE);
    assert.ok(bytes / (world.now - 1000) < 11.52, "more than the line carries");
    assert.ok(dropped < 30, `${dropped} dropped`);
    assert.deepEqual(world.violations, []);
  }
});

test("what people want to know goes over the line alone too: who hears whom, states, events", () => {
  const world = started(withCable(115_200), 4);
  cutIp(world);
  world.run(5000);
  world.input("n1", { kind: "trouble", code: "test-code", level: "warning", text: "for everybody" });
  world.run(3000);
  const peer = world.node("n2").daemon?.state.peers.get(N1);
  assert.ok(peer !== undefined);
  assert.equal(peer.alive, true);
  assert.equal(peer.groups.get("web" as never)?.fence, "open");
  const report = peer.heard.find((each) => each.peer === N3 && each.link === LAN);
  assert.ok((report?.age_ms ?? 0) > 2000, "n1 says for how long it has not heard n3");
  assert.equal(peer.eventsHad, world.node("n1").daemon?.state.eventNumber);
  const loss = world.node("n2").daemon?.state.peers.get(N1)?.links.get(CABLE);
  assert.ok(loss !== undefined && loss.count >= loss.covered - 5, `${loss?.count} of ${loss?.covered} came`);
});

test("a line beside others that work is not even noticed: same owner, no loss on any link", () => {
  const world = started(withCable(19_200), 5);
  assert.equal(closed(world, 5000), 0);
  for (const link of [LAN, PRIV]) {
    const hearing = world.node("n2").daemon?.state.peers.get(N1)?.links.get(link);
    assert.ok(hearing !== undefined && hearing.count >= hearing.covered - 2, `${link}: ${hearing?.count}`);
  }
});

test("at 38400 baud the line proves life but cannot renew a lease in the window: another one owns, never two", () => {
  const world = started(withCable(38_400), 6);
  cutIp(world);
  assert.notEqual(
    world.until(() => world.owner("web") === "n2", 3000),
    undefined,
  );
  let alive = 0;
  for (let i = 0; i < 100; i++) {
    world.run(50);
    if (world.node("n2").daemon?.state.peers.get(N1)?.alive === true) alive += 1;
  }
  assert.ok(alive > 90, `alive in ${alive} of 100 looks`);
  assert.equal(world.owner("web"), "n2");
  assert.deepEqual(world.violations, []);
});
