/** Whose IP stack is dead, by what others hear: told apart from a dead peer and a dead network, with a link without IP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES, LAN, PRIV } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import { deadStack } from "@holdfast/core/node/stack.ts";

function started(nodes: number): VirtualCluster {
  const made = clusterOf(nodes, ["web"], DEFAULT_TIMES);
  const world = new VirtualCluster(
    {
      ...made,
      links: [
        { kind: "udp", name: LAN, port: 7400 },
        { kind: "ethernet", name: PRIV },
      ],
    },
    3,
  );
  world.startAll();
  world.run(1500);
  return world;
}

/** Nothing from or to these nodes on the link that has IP. */
function cutLan(world: VirtualCluster, ...names: readonly string[]): void {
  for (const name of names)
    for (const other of world.nodes.keys())
      if (other !== name) world.cut.add(`${name} ${other} ${LAN}`).add(`${other} ${name} ${LAN}`);
  world.run(1000);
}

function verdict(world: VirtualCluster, name: string): string {
  const node = world.node(name);
  assert.ok(node.daemon);
  return deadStack(node.daemon.state, node.kernel.clock.now());
}

test("all is heard: nobody's", () => {
  const world = started(3);
  assert.deepEqual(
    ["n1", "n2", "n3"].map((name) => verdict(world, name)),
    ["none", "none", "none"],
  );
});

test("one of three is silent with IP and heard without: it knows itself, the others know that it is not them", () => {
  const world = started(3);
  cutLan(world, "n1");
  assert.deepEqual(
    ["n1", "n2", "n3"].map((name) => verdict(world, name)),
    ["own", "none", "none"],
  );
  world.cut.clear();
  world.run(500);
  assert.equal(verdict(world, "n1"), "none");
});

test("nobody hears anybody with IP: the network, perhaps; no node blames itself", () => {
  const world = started(3);
  cutLan(world, "n1", "n2", "n3");
  assert.deepEqual(
    ["n1", "n2", "n3"].map((name) => verdict(world, name)),
    ["somebody's", "somebody's", "somebody's"],
  );
});

test("as IP ends between all of them no node blames itself at any moment, by reports from before it ended", () => {
  const world = started(3);
  for (const name of ["n1", "n2", "n3"])
    for (const other of world.nodes.keys()) if (other !== name) world.cut.add(`${name} ${other} ${LAN}`);
  for (let i = 0; i < 300; i++) {
    world.run(10);
    for (const name of world.nodes.keys()) assert.notEqual(verdict(world, name), "own", `${name} after ${10 * i} ms`);
  }
});

test("of two nodes neither can tell", () => {
  const world = started(2);
  cutLan(world, "n1");
  assert.deepEqual(
    ["n1", "n2"].map((name) => verdict(world, name)),
    ["somebody's", "somebody's"],
  );
});

test("peers that are dead are no evidence", () => {
  const world = started(3);
  world.kill("n2");
  world.kill("n3");
  world.run(1000);
  assert.equal(verdict(world, "n1"), "none");
});
