/** Own failures (B4) and stall honesty (E5): who may not own gives up at once, who should not own prefers not to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, type ClusterOptions, type Times } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import { viewOf } from "@holdfast/core/node.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

/** A lease that outlasts a stall of 280 ms. */
const TIMES: Times = [100, 400, 48, 332];

function started(nodes = 3, options: ClusterOptions = {}): VirtualCluster {
  const cluster = clusterOf(nodes, ["web"], TIMES, options);
  const groups = cluster.groups.map((group) => ({ ...group, settle: milliseconds(500) }));
  const world = new VirtualCluster({ ...cluster, groups }, 5);
  world.startAll();
  world.run(1500);
  assert.equal(world.owner("web"), "n1");
  return world;
}

/** Milliseconds until `owner` has the group; fails after five seconds. */
function untilOwner(world: VirtualCluster, owner: string | undefined): number {
  for (let i = 0; i < 5000; i++) {
    if (world.owner("web") === owner) return i;
    world.run(1);
  }
  return assert.fail(`${owner} does not own it, but ${world.owner("web")}`);
}

function unfit(world: VirtualCluster, name: string, what: string): void {
  world.input(name, { kind: "fitness", what, fit: false, detail: `no ${what}` });
}

function fit(world: VirtualCluster, name: string, what: string): void {
  world.input(name, { kind: "fitness", what, fit: true, detail: `${what} works` });
}

function codes(world: VirtualCluster, on: string, of = on): string[] {
  return world.node(on).events.flatMap((event) => (event.node === of ? [event.code] : []));
}

function ineligible(world: VirtualCluster, on: string, of: string): string | undefined {
  const daemon = world.node(on).daemon;
  assert.ok(daemon);
  const group = viewOf(daemon.state, world.node(on).kernel.clock.now()).groups[0];
  return group?.candidates.find(({ node }) => node === of)?.ineligible;
}

/** SIGSTOP and SIGCONT, long enough to count. */
function stall(world: VirtualCluster, name: string): void {
  world.stop(name);
  world.run(280);
  world.continue(name);
  world.run(2000);
}

test("what a dead IP stack held is free at once, every node hears why, and the healed node is a candidate again", () => {
  for (const what of ["ip-stack", "fence"]) {
    const world = started();
    unfit(world, "n1", what);
    assert.ok(!world.isOpen("n1", "web"));
    assert.ok(untilOwner(world, "n2") < 60);
    world.run(300);
    for (const name of ["n1", "n2", "n3"]) {
      assert.ok(codes(world, name, "n1").includes("node-unfit"), name);
      assert.equal(ineligible(world, name, "n1"), "unfit");
    }
    world.kill("n2");
    world.kill("n3");
    world.run(3000);
    assert.equal(world.owner("web"), undefined);
    fit(world, "n1", what);
    for (const name of ["n2", "n3"]) world.start(name);
    world.run(300);
    assert.ok(codes(world, "n1").includes("node-fit"));
    world.run(8000);
    assert.equal(ineligible(world, "n1", "n1"), "");
    assert.equal(world.owner("web"), "n1");
    assert.deepEqual(world.violations, []);
  }
});

test("without a fence that obeys, what is open ends by itself, and only then the others are told", () => {
  const world = started();
  world.effectFaults.fail = 1;
  unfit(world, "n1", "fence");
  world.effectFaults.fail = 0;
  assert.ok(world.isOpen("n1", "web"));
  const took = untilOwner(world, "n2");
  assert.ok(took < 420, `${took} ms`);
  assert.deepEqual(world.violations, []);
});

test("a node without netlink still serves: it hands over without a gap", () => {
  const world = started();
  unfit(world, "n1", "netlink");
  let gap = 0;
  for (let i = 0; i < 500; i++) {
    world.run(1);
    if (world.owner("web") === undefined) gap += 1;
  }
  assert.equal(world.owner("web"), "n2");
  assert.ok(gap <= 1, `${gap} ms`);
});

test("two failures: fit only when both are over", () => {
  const world = started();
  unfit(world, "n1", "ip-stack");
  unfit(world, "n1", "netlink");
  fit(world, "n1", "ip-stack");
  world.run(200);
  assert.equal(ineligible(world, "n2", "n1"), "unfit");
  fit(world, "n1", "netlink");
  world.run(200);
  assert.equal(ineligible(world, "n2", "n1"), "");
  assert.equal(codes(world, "n1").filter((code) => code === "node-unfit").length, 2);
});

test("three stalls in a minute: the group moves to a node that does not stall, once, and nothing is lost by it", () => {
  const world = started();
  for (let i = 0; i < 2; i++) stall(world, "n1");
  assert.equal(world.owner("web"), "n1");
  assert.ok(!codes(world, "n1").includes("reluctant"));
  world.node("n1").daemon?.queue.unshift({ kind: "stalled", cause: "stopped" });
  stall(world, "n1");
  assert.equal(world.owner("web"), "n2");
  assert.deepEqual(world.node("n3").events.filter((event) => event.code === "group-moved").length, 1);
  const [told] = world.node("n3").events.filter((event) => event.code === "reluctant");
  assert.match(told?.text ?? "", /stalled 3 times in a minute/);
  assert.equal(world.node("n2").daemon?.state.peers.get("n1" as NodeName)?.last?.reluctant, true);
  assert.deepEqual(world.violations, []);
});

test("reluctance is over five minutes after the last stall, and failback takes the group home then", () => {
  const world = started(3, { failback: { kind: "immediate" } });
  for (let i = 0; i < 3; i++) stall(world, "n1");
  assert.equal(world.owner("web"), "n2");
  world.run(200_000);
  assert.equal(world.owner("web"), "n2");
  world.run(110_000);
  assert.equal(world.owner("web"), "n1");
  assert.ok(codes(world, "n2", "n1").includes("reluctant-over"));
});

test("a reluctant node keeps what nobody else can have, and takes over when it is the only one", () => {
  const world = started(2 + 1, { witness: true });
  world.kill("n2");
  world.run(1000);
  for (let i = 0; i < 4; i++) stall(world, "n1");
  assert.ok(codes(world, "n1").includes("reluctant"));
  assert.equal(world.owner("web"), "n1");
  assert.ok(!codes(world, "n1").includes("move-refused"));
  world.start("n2");
  untilOwner(world, "n2");
  world.kill("n2");
  untilOwner(world, "n1");
  assert.deepEqual(world.violations, []);
});

test("of two that may own, the reluctant one is asked last, whatever prefer says", () => {
  const world = started(4);
  for (let i = 0; i < 3; i++) stall(world, "n2");
  assert.equal(world.owner("web"), "n1");
  world.kill("n1");
  assert.ok(untilOwner(world, "n3") < 1000);
  assert.deepEqual(world.violations, []);
});

test("all are reluctant: prefer decides, and nothing moves to and fro", () => {
  const world = started();
  for (let i = 0; i < 3; i++) for (const name of ["n1", "n2", "n3"]) stall(world, name);
  const owner = world.owner("web");
  assert.ok(owner !== undefined);
  const moves = world.checkers.owners.counts.moves;
  world.run(60_000);
  assert.equal(world.owner("web"), owner);
  assert.equal(world.checkers.owners.counts.moves, moves);
});

test("short stalls, however many, are no reason to move", () => {
  const world = started();
  for (let i = 0; i < 30; i++) {
    world.stop("n1");
    world.run(70);
    world.continue("n1");
    world.run(1300);
  }
  assert.ok(codes(world, "n1").includes("stalled"));
  assert.ok(!codes(world, "n1").includes("reluctant"));
  assert.equal(world.owner("web"), "n1");
});

test("hardly any memory left: preferred last, given away, and kept where it is the last one", () => {
  const world = started(2);
  world.input("n1", { kind: "fitness", what: "memory", fit: false, detail: "97 % of 100 MB are used" });
  world.run(1000);
  assert.equal(world.owner("web"), "n2");
  world.input("n2", { kind: "fitness", what: "memory", fit: false, detail: "97 % of 100 MB are used" });
  world.run(2000);
  assert.equal(world.owner("web"), "n2");
  fit(world, "n1", "memory");
  world.run(1000);
  assert.equal(world.owner("web"), "n1");
  assert.deepEqual(world.violations, []);
});
