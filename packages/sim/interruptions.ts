/** What stops a daemon between two effects: it is frozen, killed, or an effect takes its time. */
import type { Daemon, VirtualNode } from "./virtual-node.ts";
import type { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect } from "@holdfast/core/effects.ts";

export interface ProcessFaults {
  /** Probability that a daemon stops between two effects, and for how long at most. */
  probability: number;
  longest_ms: number;
  /** Probability that it is killed there. */
  crash: number;
}

/** A daemon is struck at one point between two effects, counted from now. */
export interface Ambush {
  readonly node: string;
  points: number;
  /** How long it is frozen; undefined: it is killed. */
  readonly freeze_ms: number | undefined;
}

/** How likely a daemon freezes before the effect that a plant names. */
const LIKELY = 0.3;

/** Called by each turn before an effect or an input: true when the daemon does not go on now. */
export function isInterrupted(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  next: Effect | undefined,
  goOn: () => void,
): boolean {
  const { freeze, ambush, plant } = world;
  if (ambush?.node === node.name && strikes(world, node, ambush, goOn)) return true;
  if (freeze.probability === 0 && freeze.crash === 0 && plant.freezesBefore === undefined) return false;
  const dice = world.random();
  if (dice < freeze.crash && node.daemon === daemon) {
    world.counts.crashes += 1;
    world.kill(node.name);
    world.crashed?.(node);
    return true;
  }
  if (dice >= freeze.crash + freeze.probability && !isLikely(world, next)) return false;
  world.counts.freezes += 1;
  const length = freezeLength(world);
  world.at(length, goOn);
  if (plant.twoProcesses === true && node.daemon === daemon && world.random() < 0.5)
    world.at(length * world.random(), () => world.start(node.name));
  return true;
}

/** Called by each turn after an effect: true when that took its time. */
export function takesTime(world: VirtualCluster, goOn: () => void): boolean {
  const { late, late_ms } = world.effectFaults;
  if (late === 0 || world.random() >= late) return false;
  world.at(world.random() * late_ms, goOn);
  return true;
}

function strikes(world: VirtualCluster, node: VirtualNode, ambush: Ambush, goOn: () => void): boolean {
  ambush.points -= 1;
  if (ambush.points > 0) return false;
  world.ambush = undefined;
  if (ambush.freeze_ms === undefined) world.kill(node.name);
  else world.at(ambush.freeze_ms, goOn);
  return true;
}

function isLikely(world: VirtualCluster, next: Effect | undefined): boolean {
  return next !== undefined && next.kind === world.plant.freezesBefore && world.random() < LIKELY;
}

/** Lengths that matter to the rules, and all between. */
function freezeLength(world: VirtualCluster): number {
  const { window, keep, dead } = world.cluster.timing;
  const { longest_ms } = world.freeze;
  const longest = world.pick([1, 5, window, keep, 1.2 * dead, longest_ms]);
  return world.random() * Math.min(longest, longest_ms);
}
