/** Sealed datagrams in the simulated world: an attacker without a key changes nothing, and is noticed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";

function attackedWorld(seed: number, replay: number, corrupt: number, seal: "encrypt" | "authenticate-only") {
  const world = new VirtualCluster(clusterOf(3, ["web"], DEFAULT_TIMES, { seal }), seed);
  world.sealDatagrams({ replay, corrupt, junk: 0 });
  world.startAll();
  return world;
}

test("replay: every datagram counts once for each daemon and link, however often an attacker sends it", () => {
  const world = attackedWorld(1, 0.5, 0, "encrypt");
  const taken = new Map<string, number>();
  world.trace = (node, input) => {
    if (input.kind !== "heartbeat") return;
    const { boot, message, toBoot } = input.heartbeat;
    // Each pair of daemons counts its messages for itself, and what was said to others is not believed.
    if (toBoot !== node.daemon?.boot) return;
    // Over each of two links once; the attacker may have moved one to the other link.
    const key = `${node.name} ${boot} ${message}`;
    taken.set(key, (taken.get(key) ?? 0) + 1);
  };
  world.run(20_000);
  assert.ok((world.attacker?.replays ?? 0) > 300);
  for (const [key, count] of taken) assert.ok(count <= 2, `${key} was taken ${count} times`);
  assert.equal(world.owner("web"), "n1");
  assert.deepEqual(world.violations, []);
});

test("replay: datagrams of an earlier boot change nothing after both ends have restarted", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = attackedWorld(seed, 0.5, 0, "encrypt");
    world.run(3000);
    for (const name of world.nodes.keys()) {
      world.kill(name);
      world.start(name);
    }
    const before = { ...world.checkers.owners.counts };
    world.run(5000);
    assert.equal(world.owner("web"), "n1");
    assert.deepEqual(world.checkers.owners.counts, before, `seed ${seed}`);
    assert.deepEqual(world.violations, []);
  }
});

test("turned bits and cut datagrams are dropped and told, and cost nothing at 10 %", () => {
  for (const seal of ["encrypt", "authenticate-only"] as const) {
    const world = attackedWorld(2, 0, 0.1, seal);
    world.run(2000);
    const before = { ...world.checkers.owners.counts };
    world.run(30_000);
    assert.ok((world.attacker?.corrupted ?? 0) > 100);
    assert.deepEqual(world.checkers.owners.counts, before);
    const told = world.node("n2").events.filter((event) => event.code === "heartbeat-rejected");
    assert.ok(told.length > 0);
    assert.deepEqual(world.violations, []);
  }
});

test("keys rotate on a live cluster, node after node: no heartbeat is refused, nothing moves", () => {
  const world = new VirtualCluster(clusterOf(3, ["web"], DEFAULT_TIMES), 11);
  world.sealDatagrams({ replay: 0, corrupt: 0, junk: 0 });
  world.startAll();
  world.run(2000);
  const owner = world.owner("web");
  const before = { ...world.checkers.owners.counts };
  for (let step = 0; step < 9 * 3; step++) {
    const name = world.pick(world.keyFiles.behind([...world.nodes.keys()]));
    world.node(name).daemon?.wire?.useKeys(world.keyFiles.advance(name));
    world.run(world.random() * 300);
  }
  world.run(1500);
  assert.deepEqual(world.violations, []);
  assert.equal(world.owner("web"), owner);
  assert.deepEqual(world.checkers.owners.counts, before);
  for (const { events, name } of world.nodes.values())
    assert.ok(!events.some((event) => event.code === "heartbeat-rejected"), name);
});
