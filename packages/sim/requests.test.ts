/** What operators ask over the network costs no more than the heartbeats that carry it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

test("two nodes that ask each other for what takes its time do not answer each other's heartbeats at once for ever", () => {
  const world = new VirtualCluster(clusterOf(3, ["web", "db"], DEFAULT_TIMES), 3);
  world.startAll();
  const [web, db] = ["web", "db"] as GroupName[] as [GroupName, GroupName];
  assert.notEqual(
    world.until(() => world.owner(web) !== undefined && world.owner(db) !== undefined, 3000),
    undefined,
  );
  world.run(1000);
  if (world.owner(db) === "n1") world.ask("n1", 1, "n1", { kind: "move", group: db, target: "n2" as NodeName });
  world.run(1000);
  assert.deepEqual([world.owner(web), world.owner(db)], ["n1", "n2"]);
  // n3 is offered both and cannot say that it is ready.
  world.cut.add("n3 n1").add("n3 n2");
  const before = world.network.messages;
  world.ask("n1", 2, "n2", { kind: "move", group: db, target: "n3" as NodeName });
  world.ask("n2", 3, "n1", { kind: "move", group: web, target: "n3" as NodeName });
  world.run(150);
  // Two beats on two links to two peers from three nodes, and what the two moves need.
  assert.ok(world.network.messages - before < 150, `${world.network.messages - before} datagrams in 150 ms`);
});
