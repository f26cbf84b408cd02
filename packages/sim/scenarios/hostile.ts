/** A world that wants two owners: everything that design section 4 names goes wrong, at random, for about 100 leases. */
import { calm } from "./calm.ts";
import { clusterOf, type ClusterOptions, RATE_ERROR, SETTINGS, SLOW_TIMES, type Times } from "./clusters.ts";
import { disturb, move } from "./disturbances.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import { Wiring } from "../wiring.ts";
import type { VirtualNode } from "../virtual-node.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

const NODES = [3, 2, 3, 5, 3, 4];
/** One world in so many has sealed datagrams: sealing takes most of the time there. */
const SEALED_EVERY = 8;
const WIRED_EVERY = 5;
const REFERENCE_EVERY = 4;
const REFERENCE = "10.0.0.254" as IpAddress;
const LEASES = 100;
const SEALED_LEASES = 25;

export const hostile: Scenario = {
  name: "hostile",
  about: "freezes, kills, lost memory, cuts, loss, delays, failing effects, moves, drains and stops at random",
  run: (seed, options) => hostileWorld(seed, options),
};

export const sealed: Scenario = {
  name: "sealed",
  about: "the same with sealed datagrams, an attacker who replays old ones and turns bits",
  run: (seed, options) => hostileWorld(seed * SEALED_EVERY, options),
};

export function hostileWorld(seed: number, options: ScenarioOptions = {}): Outcome {
  const world = newWorld(seed, options);
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
  return calm(world);
}

function newWorld(seed: number, options: ScenarioOptions): VirtualCluster {
  const times = seed % 16 === 5 ? SLOW_TIMES : (SETTINGS[seed % SETTINGS.length] as Times);
  const nodes = NODES[seed % NODES.length] ?? 3;
  const groups = seed % 2 === 0 ? ["web"] : ["web", "db"];
  const plain = clusterOf(nodes, groups, times, optionsOf(seed, times));
  const cluster = seed % REFERENCE_EVERY === 0 ? { ...plain, reference: [REFERENCE] } : plain;
  const world = new VirtualCluster(cluster, seed, RATE_ERROR, options.plant);
  if (isWired(seed)) plugIn(world, cluster.reference?.[0]);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  if (seed % SEALED_EVERY === 0) world.sealDatagrams({ replay: 0.05, corrupt: 0.01 });
  world.countsCrashes = seed % 11 === 0;
  world.node("n2").stationless = seed % 13 === 0;
  options.begin?.(world);
  return world;
}

/** One world in so many is told of its adapters, and these fail too. */
function isWired(seed: number): boolean {
  return seed % WIRED_EVERY === 2;
}

function plugIn(world: VirtualCluster, reference: IpAddress | undefined): void {
  const wiring = new Wiring();
  world.wiring = wiring;
  if (reference !== undefined)
    wiring.stations.push({ network: "service", address: reference, alive: true, chatty_ms: undefined });
}

function optionsOf(seed: number, [, dead]: Times): ClusterOptions {
  return {
    twoSegments: seed % 5 === 0,
    witness: seed % 7 === 0,
    drain_ms: seed % 9 === 0 ? 4 * dead : 0,
    standbyAdapters: isWired(seed),
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
