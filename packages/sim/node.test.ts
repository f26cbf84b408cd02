/** The node as a whole, in virtual time: what design section 4 promises of failover, moves and restarts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster, Failback } from "@holdfast/core/cluster.ts";
import { type NodeState, viewOf } from "@holdfast/core/node.ts";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { instant, milliseconds } from "@holdfast/core/units/time.ts";

const web = "web" as GroupName;

function cluster(
  names: readonly string[],
  failback: Failback = { kind: "manual" },
  groups: readonly string[] = ["web"],
): Cluster {
  return clusterOf(names.length, groups, DEFAULT_TIMES, { failback });
}

function settled(seed: number, ...rest: Parameters<typeof cluster>): VirtualCluster {
  const world = new VirtualCluster(cluster(...rest), seed);
  world.startAll();
  assert.notEqual(
    world.until(() => world.owner("web") !== undefined, 2000),
    undefined,
    "no owner after the start",
  );
  world.run(1000);
  assert.equal(world.owner("web"), rest[0][0]);
  return world;
}

const SEEDS = [1, 2, 3, 4, 5];

/** The time from a fault of the owner to another node's first open fence. */
function takeover(world: VirtualCluster, fault: (owner: string) => void): number {
  const before = world.owner("web") ?? "";
  fault(before);
  const took = world.until(() => world.owner("web") !== undefined && world.owner("web") !== before, 5000);
  assert.notEqual(took, undefined, "nobody took over");
  assert.deepEqual(world.violations, []);
  return took ?? Number.NaN;
}

test("a cluster that starts elects the first node of prefer", () => {
  for (const seed of SEEDS) settled(seed, ["n1", "n2", "n3"]);
});

test("L3: after kill, freeze or isolation of the owner another takes over within T (1 + rho) + 2 r + ranks x step", () => {
  for (const seed of SEEDS) {
    for (const fault of ["kill", "stop", "isolate", "powerOff"] as const) {
      const world = settled(seed, ["n1", "n2", "n3"]);
      world.run(world.random() * 100);
      assert.ok(takeover(world, (owner) => world[fault](owner)) <= 320);
      assert.equal(world.owner("web"), "n2");
    }
  }
});

test("no fault, no move: a minute without faults keeps owner and fence", () => {
  const world = settled(7, ["n1", "n2", "n3"]);
  const events = world.node("n1").events.length;
  for (let i = 0; i < 600; i++) {
    world.run(100);
    assert.equal(world.owner("web"), "n1");
  }
  assert.equal(world.node("n1").events.length, events);
});

test("30 % loss on both links: no move and no gap at 100/300", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    const { round } = world.node("n1").records?.get(web)?.accepted?.ballot ?? { round: 0 };
    world.faults.loss = 0.3;
    for (let i = 0; i < 3000; i++) {
      world.run(10);
      assert.equal(world.owner("web"), "n1", `seed ${seed} at ${world.now}`);
    }
    // Nobody else stood in between: no voter missed every request of a lease's length.
    assert.equal(world.node("n1").records?.get(web)?.accepted?.ballot.round, round);
  }
});

test("a standby that beats with its answers to the owner notices the death of another in time", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    world.kill("n3");
    const noticed = () => world.node("n2").events.some((event) => event.node === "n2" && event.code === "node-dead");
    const took = world.until(noticed, 2000);
    assert.ok(took !== undefined && took <= 300 + 113 + 10, `seed ${seed}: ${took}`);
  }
});

test("a healed partition costs nothing: the new owner keeps the group", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    takeover(world, (owner) => world.isolate(owner));
    world.run(3000);
    world.cut.clear();
    for (let i = 0; i < 200; i++) {
      world.run(10);
      assert.equal(world.owner("web"), "n2");
    }
    assert.deepEqual(world.violations, []);
  }
});

test("the owner announces again when a peer is heard again (issue: a healed network)", () => {
  const world = settled(3, ["n1", "n2", "n3"]);
  world.kill("n3");
  world.run(1000);
  const before = world.node("n1").announced.length;
  world.start("n3");
  world.run(1000);
  assert.ok(world.node("n1").announced.length > before);
});

test("a restarted daemon counts nothing as lost that came", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    world.kill("n2");
    world.run(40 + world.random() * 100);
    world.start("n2");
    world.run(1000);
    const view = viewOf(world.node("n2").daemon?.state as NodeState, instant(world.now));
    for (const peer of view.nodes)
      for (const { link, loss_permille } of peer.heard) assert.equal(loss_permille, 0, `${peer.name} ${link}`);
  }
});

test("a minority never owns: two of three dead, the third lets go and does not take", () => {
  const world = settled(4, ["n1", "n2", "n3"]);
  world.kill("n2");
  world.kill("n3");
  world.run(2000);
  assert.equal(world.owner("web"), undefined);
  assert.ok(world.node("n1").events.some((event) => event.code === "group-lost"));
});

test("C7: a majority that comes back inside 2 T reopens the fence without a move", () => {
  const world = settled(5, ["n1", "n2", "n3"]);
  world.stop("n2");
  world.stop("n3");
  world.run(400);
  assert.equal(world.owner("web"), undefined);
  world.continue("n2");
  world.continue("n3");
  world.run(400);
  assert.equal(world.owner("web"), "n1");
  assert.ok(world.node("n1").events.some((event) => event.code === "group-regained"));
});

test("C10: a daemon killed and restarted inside K goes on without a gap", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    world.run(world.random() * 100);
    world.kill("n1");
    world.run(60);
    world.start("n1");
    for (let i = 0; i < 100; i++) {
      assert.equal(world.owner("web"), "n1", `seed ${seed} at ${world.now}`);
      world.run(10);
    }
    assert.deepEqual(world.violations, []);
  }
});

test("events: every event of a restarted daemon reaches the others, its first ones too", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    world.kill("n3");
    world.run(1000);
    const earlier = world.node("n3").events.length;
    world.start("n3");
    world.run(2000);
    const own = world
      .node("n3")
      .events.slice(earlier)
      .filter((event) => event.node === "n3");
    assert.ok(own.length > 0);
    for (const event of own) {
      const told = world.node("n1").events.some((each) => each.boot === event.boot && each.number === event.number);
      assert.ok(told, `seed ${seed}: ${event.number} ${event.code}: ${event.text}`);
    }
  }
});

test("events: a failure that repeats with every beat is told once a minute, another one at once", () => {
  const world = settled(1, ["n1", "n2", "n3"]);
  const told = () => world.node("n2").events.filter((event) => event.code === "vote-not-saved").length;
  const before = told();
  for (let i = 0; i < 50; i++) {
    world.input("n2", { kind: "saveFailed", group: web, detail: "ENOSPC" });
    world.run(100);
  }
  assert.equal(told() - before, 1);
  world.input("n2", { kind: "saveFailed", group: web, detail: "EIO" });
  assert.equal(told() - before, 2);
  world.run(60_000);
  world.input("n2", { kind: "saveFailed", group: web, detail: "EIO" });
  assert.equal(told() - before, 3);
});

test("V2: a cluster without voter records abstains for 5.1 s before anyone owns", () => {
  const world = new VirtualCluster(cluster(["n1", "n2", "n3"]), 1);
  for (const node of world.nodes.values()) node.records = undefined;
  world.startAll();
  const took = world.until(() => world.owner("web") !== undefined, 8000);
  assert.ok(took !== undefined && took >= 5100 && took < 5600, `${took}`);
});

test("a cluster that starts abstaining elects the first in prefer, whichever daemon was up first", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new VirtualCluster(cluster(["n1", "n2", "n3"]), seed);
    for (const node of world.nodes.values()) node.records = undefined;
    for (const name of ["n3", "n2", "n1"]) {
      world.start(name);
      world.run(world.random() * 60);
    }
    assert.notEqual(
      world.until(() => world.owner("web") !== undefined, 8000),
      undefined,
    );
    assert.equal(world.owner("web"), "n1", `seed ${seed}`);
  }
});

test("move: an operator's request on any node moves the group to the node asked for, within milliseconds", () => {
  for (const seed of SEEDS) {
    for (const asked of ["n1", "n2", "n3"]) {
      const world = settled(seed, ["n1", "n2", "n3"]);
      world.ask(asked, 1, "n1", { kind: "move", group: web, target: "n3" as NodeName });
      let silent = 0;
      const took = world.until(() => {
        if (world.owner("web") === undefined && silent === 0) silent = world.now;
        return world.isOpen("n3", "web");
      }, 1000);
      assert.notEqual(took, undefined);
      assert.ok(world.now - silent < 10, `silent for ${world.now - silent} ms`);
      world.run(500);
      assert.equal(world.node(asked).replies[0]?.code, "done", JSON.stringify(world.node(asked).replies));
      assert.equal(world.owner("web"), "n3");
      assert.deepEqual(world.violations, []);
      assert.equal(world.node("n1").addresses.size, 0);
    }
  }
});

test("a move to a node that is down, drained or unknown is refused and changes nothing", () => {
  const world = settled(2, ["n1", "n2", "n3"]);
  world.kill("n3");
  world.run(1000);
  world.ask("n2", 1, "n1", { kind: "move", group: web, target: "n3" as NodeName });
  world.ask("n2", 2, "n1", { kind: "move", group: web, target: "n9" as NodeName });
  world.run(1000);
  assert.deepEqual(
    world.node("n2").replies.map((reply) => reply.code),
    ["refused", "refused"],
  );
  assert.equal(world.owner("web"), "n1");
});

test("drain moves everything off and undrain moves nothing back", () => {
  const world = settled(2, ["n1", "n2", "n3"], { kind: "manual" }, ["web", "db"]);
  world.ask("n3", 1, "n1", { kind: "drain", node: "n1" as NodeName, reason: "kernel" });
  world.run(1000);
  assert.equal(world.node("n3").replies[0]?.code, "done");
  assert.equal(world.owner("web"), "n2");
  assert.equal(world.owner("db"), "n2");
  world.ask("n3", 2, "n1", { kind: "undrain", node: "n1" as NodeName });
  world.run(1000);
  assert.equal(world.node("n3").replies[1]?.code, "done");
  assert.equal(world.owner("web"), "n2");
});

test("drain is refused when a group would lose its last candidate", () => {
  const world = settled(2, ["n1", "n2", "n3"]);
  world.ask("n1", 1, "n2", { kind: "drain", node: "n2" as NodeName, reason: "" });
  world.ask("n1", 2, "n3", { kind: "drain", node: "n3" as NodeName, reason: "" });
  world.run(1000);
  world.ask("n1", 3, "n1", { kind: "drain", node: "n1" as NodeName, reason: "" });
  world.run(1000);
  assert.deepEqual(
    world.node("n1").replies.map((reply) => reply.code),
    ["done", "done", "refused"],
  );
  assert.equal(world.owner("web"), "n1");
});

test("stop hands everything over, then leaves", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    world.input("n1", { kind: "stop" });
    assert.notEqual(
      world.until(() => world.node("n1").exited, 2000),
      undefined,
    );
    assert.equal(world.owner("web"), "n2");
    assert.deepEqual(world.violations, []);
  }
});

test("a lost interface moves the group while the other link still works", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    for (const other of ["n2", "n3"]) world.cut.add(`n1 ${other} lan`).add(`${other} n1 lan`);
    world.input("n1", { kind: "interfaceChanged", interface: "eth0" as InterfaceName, up: false });
    const took = world.until(() => world.isOpen("n2", "web"), 1000);
    assert.ok(took !== undefined && took < 20, `${took}`);
    assert.deepEqual(world.violations, []);
  }
});

test("failback immediate: the returning preferred node gets the group back after settle; manual: it does not", () => {
  for (const kind of ["immediate", "manual"] as const) {
    const world = settled(3, ["n1", "n2", "n3"], { kind });
    takeover(world, (owner) => world.kill(owner));
    world.run(500);
    world.start("n1");
    world.run(25_000);
    assert.equal(world.owner("web"), kind === "immediate" ? "n1" : "n2");
    assert.deepEqual(world.violations, []);
  }
});

test("failback after a delay: not before the delay", () => {
  const world = settled(3, ["n1", "n2", "n3"], { kind: "after", delay: milliseconds(60_000) });
  takeover(world, (owner) => world.kill(owner));
  world.start("n1");
  world.run(55_000);
  assert.equal(world.owner("web"), "n2");
  world.run(15_000);
  assert.equal(world.owner("web"), "n1");
});

test("stall honesty: a woken daemon blames nobody and does not answer with an old right", () => {
  for (const seed of SEEDS) {
    const world = settled(seed, ["n1", "n2", "n3"]);
    takeover(world, (owner) => world.stop(owner));
    world.run(2000);
    const before = world.node("n1").events.length;
    world.continue("n1");
    world.run(1000);
    const news = world
      .node("n1")
      .events.slice(before)
      .filter((event) => event.node === "n1")
      .map((event) => event.code);
    assert.ok(news.includes("stalled"), news.join(" "));
    assert.ok(!news.includes("node-dead"), news.join(" "));
    assert.equal(world.owner("web"), "n2");
    assert.deepEqual(world.violations, []);
  }
});

test("G4: a node that starts with another digest among agreeing peers neither votes nor owns, and says so", () => {
  const world = settled(3, ["n1", "n2", "n3"]);
  world.kill("n3");
  const odd = new VirtualCluster({ ...world.cluster, digest: "ffffffff" }, 1);
  Object.assign(world, { cluster: odd.cluster });
  world.start("n3");
  world.run(1000);
  assert.ok(
    world.node("n3").events.some((event) => event.code === "config-differs" && event.text.includes("neither votes")),
  );
  world.kill("n2");
  world.run(2000);
  assert.equal(world.owner("web"), undefined);
});

test("G4: when all start at once, the majority with one digest serves and the odd one does not", () => {
  for (const seed of SEEDS) {
    const world = new VirtualCluster(cluster(["n1", "n2", "n3"]), seed);
    const { cluster: usual } = world;
    Object.assign(world, { cluster: { ...usual, digest: "ffffffff" } });
    world.start("n1");
    Object.assign(world, { cluster: usual });
    world.start("n2");
    world.start("n3");
    assert.notEqual(
      world.until(() => world.isOpen("n2", "web"), 2000),
      undefined,
    );
    world.run(1000);
    assert.equal(world.owner("web"), "n2");
    assert.deepEqual(world.violations, []);
  }
});

test("invariant 1 in hostile worlds: two fences are never open, and after the faults every group has an owner", () => {
  for (let seed = 100; seed < 160; seed++) {
    const world = new VirtualCluster(cluster(["n1", "n2", "n3"], { kind: "manual" }, ["web", "db"]), seed);
    world.startAll();
    hostile(world);
    assert.deepEqual(world.violations, [], `seed ${seed}`);
    for (const node of world.nodes.values()) if (node.daemon === undefined) world.start(node.name);
    const healed = world.until(() => world.owner("web") !== undefined && world.owner("db") !== undefined, 12_000);
    assert.notEqual(healed, undefined, `seed ${seed}: no owner after the faults ended`);
    assert.deepEqual(world.violations, [], `seed ${seed}`);
  }
});

function hostile(world: VirtualCluster): void {
  world.faults.loss = [0, 0.05, 0.2, 0.4][Math.floor(world.random() * 4)] ?? 0;
  world.faults.duplicate = 0.1;
  world.faults.slow = [0, 0.02, 0.1, 0.3][Math.floor(world.random() * 4)] ?? 0;
  world.faults.slow_ms = 900;
  world.freeze = { probability: [0, 0.0005, 0.002][Math.floor(world.random() * 3)] ?? 0, longest_ms: 900, crash: 0 };
  const names = [...world.nodes.keys()];
  for (let i = 0; i < 150; i++) {
    world.run(world.random() * 400);
    const name = names[Math.floor(world.random() * names.length)] ?? "n1";
    const dice = world.random();
    if (world.node(name).daemon === undefined) world.start(name);
    else if (dice < 0.1) world.kill(name);
    else if (dice < 0.15) world.powerOff(name);
    else if (dice < 0.3) world.isolate(name);
    else if (dice < 0.5) world.cut.clear();
    else if (dice < 0.6) world.input(name, { kind: "stop" });
    else if (dice < 0.8)
      world.ask(name, i, world.owner("web") ?? name, { kind: "move", group: web, target: undefined });
  }
  world.cut.clear();
  world.faults.loss = world.faults.duplicate = world.faults.slow = world.freeze.probability = 0;
  world.run(2000);
}
