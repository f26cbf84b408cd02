/** A world that wants two owners: everything that design section 4 names goes wrong, at random, for about 100 leases. */
import { plugIn, withStandbyAdapters } from "./adapter-faults.ts";
import { calm } from "./calm.ts";
import { clusterOf, type ClusterOptions, RATE_ERROR, SETTINGS, SLOW_TIMES, type Times } from "./clusters.ts";
import { disturb, move } from "./disturbances.ts";
import { withLinksOfAllKinds } from "./link-kinds.ts";
import { reloadAll } from "./machine-faults.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { type Cluster, EVERYBODY_MAX } from "@holdfast/core/cluster.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import type { VirtualNode } from "../virtual-node.ts";

const NODES = [3, 2, 3, 5, 3, 4];
/** One world in so many has sealed datagrams: sealing takes most of the time there. */
const SEALED_EVERY = 8;
/** One world in so many is told of its adapters, and these fail too. */
const WIRED_EVERY = 5;
/** One world in so many has links of every kind. */
const LINKED_EVERY = 6;
const LEASES = 100;
const SEALED_LEASES = 25;

export const hostile: Scenario = {
  name: "hostile",
  about:
    "freezes, kills, lost memory, cuts, loss, delays, failing effects, own failures, reloads, upgrades, moves and drains at random",
  run: (seed, options) => hostileWorld(seed, options),
};

export const sealed: Scenario = {
  name: "sealed",
  about:
    "the same with sealed datagrams, an attacker who replays old ones, sends junk and turns bits, and keys that rotate",
  run: (seed, options) => hostileWorld(seed * SEALED_EVERY, options),
};

/** Of five or more nodes three vote; the others, and not all voters, may own. */
export const members: Scenario = {
  name: "members",
  about: "the same with nodes that do not vote and hear the voters and each other only as far as a group needs",
  run: (seed, options) => hostileWorld(seed, options, membersCluster),
};

type ClusterOf = (seed: number, times: Times) => Cluster;

export function hostileWorld(seed: number, options: ScenarioOptions = {}, make: ClusterOf = clusterOfSeed): Outcome {
  const world = newWorld(seed, options, make);
  const { plant } = world;
  const { dead } = world.cluster.timing;
  world.startAll();
  world.run(2 * dead);
  if (seed % 3 === 1 && options.plant === undefined) Object.assign(world.effectFaults, effectFaultsOf(world));
  Object.assign(world.faults, {
    loss: plant.world?.loss ?? world.pick([0, 0.05, 0.2, 0.4]),
    duplicate: plant.world?.duplicate ?? 0.1,
    slow: plant.world?.slow ?? world.pick([0, 0.02, 0.1, 0.3]),
    slow_ms: world.pick([1, 4]) * dead,
  });
  world.freeze = {
    probability: plant.world?.freeze ?? world.pick([0, 0.0005, 0.002, 0.008]),
    longest_ms: 3 * dead,
    crash: plant.world?.crash ?? world.pick([0, 0, 0.0003, 0.001]),
  };
  const powerLoss = plant.world?.memoryLoss ?? world.pick([0, 0, 0.02, 0.05]);
  world.crashed = (node) => comeBack(world, node, powerLoss);
  const end = world.now + (options.leases ?? (world.attacker === undefined ? LEASES : SEALED_LEASES)) * dead;
  const pace = dead / (plant.world?.haste ?? 1);
  for (let request = 1; world.now < end && !world.over; request++) {
    world.run(world.random() * pace);
    if (plant.world?.movesOnly === true) move(world, request);
    else disturb(world, request, powerLoss);
  }
  world.crashed = undefined;
  reloadAll(world);
  return calm(world);
}

function clusterOfSeed(seed: number, times: Times): Cluster {
  const nodes = NODES[seed % NODES.length] ?? 3;
  const groups = seed % 2 === 0 ? ["web"] : ["web", "db"];
  return clusterOf(nodes, groups, times, optionsOf(seed, times));
}

/** One in three has more nodes than say everything in each heartbeat. */
function membersCluster(seed: number, times: Times): Cluster {
  const nodes = seed % 3 === 0 ? EVERYBODY_MAX + 2 : 5 + (seed % 2);
  const cluster = clusterOf(nodes, ["web", "db"], times, { ...optionsOf(seed, times), witness: false });
  const names = cluster.nodes.map((node) => node.name);
  const [v1, v2, v3, ...others] = names;
  const [web, db] = cluster.groups;
  if (v1 === undefined || v2 === undefined || v3 === undefined || web === undefined || db === undefined) return cluster;
  const [m1, m2] = others;
  const some = [m1, m2].filter((name) => name !== undefined);
  const groups = [
    { ...web, prefer: seed % 4 === 1 ? some : [...some, v1] },
    { ...db, prefer: [v2, ...others.slice(1)] },
  ];
  return { ...cluster, voters: [v1, v2, v3], groups };
}

function newWorld(seed: number, options: ScenarioOptions, make: ClusterOf): VirtualCluster {
  const times = seed % 16 === 5 ? SLOW_TIMES : (SETTINGS[seed % SETTINGS.length] as Times);
  const wired = seed % WIRED_EVERY === 2 && options.plant === undefined;
  const made = make(seed, times);
  const linked = seed % LINKED_EVERY === 4 && !wired && options.plant === undefined;
  const kinds = linked ? withLinksOfAllKinds(made, seed) : made;
  const cluster = wired ? withStandbyAdapters(made, seed % 2 === 0) : kinds;
  const world = new VirtualCluster(cluster, seed, RATE_ERROR, options.plant);
  if (wired) plugIn(world);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  if (seed % SEALED_EVERY === 0) {
    const junk = options.plant === undefined ? 0.02 : 0;
    world.sealDatagrams({ replay: 0.05, corrupt: 0.01, junk });
  }
  world.countsCrashes = seed % 11 === 0;
  world.node("n2").stationless = seed % 13 === 0;
  options.begin?.(world);
  return world;
}

function optionsOf(seed: number, [, dead]: Times): ClusterOptions {
  return {
    twoSegments: seed % 5 === 0,
    witness: seed % 7 === 0,
    drain_ms: seed % 9 === 0 ? 4 * dead : 0,
    seal: seed % 24 === 0 ? "authenticate-only" : "encrypt",
  };
}

function effectFaultsOf(world: VirtualCluster): VirtualCluster["effectFaults"] {
  const { window, dead } = world.cluster.timing;
  return {
    fail: world.pick([0.002, 0.01, 0.05]),
    late: world.pick([0, 0.002, 0.02]),
    late_ms: world.pick([2, window, dead]),
  };
}

/** A daemon that died between two effects is started again, with its memory or without. */
function comeBack(world: VirtualCluster, node: VirtualNode, powerLoss: number): void {
  const { dead } = world.cluster.timing;
  const dice = world.random();
  if (powerLoss > 0 && dice < 0.2) world.powerOff(node.name);
  else if (powerLoss > 0 && dice < 0.3) world.loseRecords(node.name);
  else if (powerLoss > 0 && dice < 0.4) world.moveNamespace(node.name);
  world.at(world.random() * world.pick([0.2, 1, 3]) * dead, () => {
    if (node.daemon === undefined) world.start(node.name);
  });
}
