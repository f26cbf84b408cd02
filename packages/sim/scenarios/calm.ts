/** The end of a world: its faults stop, and what design section 4 promises must come true. */
import { BACK, BACK_STANDBY, SERVICE, SERVICE_STANDBY } from "./clusters.ts";
import { healMachines } from "./machine-faults.ts";
import type { Outcome } from "./scenario.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";
import type { VirtualNode } from "../virtual-node.ts";
import { ineligibility } from "@holdfast/core/node/eligibility.ts";
import { isReluctant } from "@holdfast/core/node/reluctance.ts";
import { CRASH_MEMORY_MS } from "@holdfast/core/node/crashes.ts";
import { ABSTAIN_MS } from "@holdfast/core/node/state.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

/** Longer than any freeze, any datagram on its way and any request of an operator, in leases. */
const STRAGGLERS_LEASES = 8;
/** How long a node is no candidate after its addresses could not be placed. */
const AFTER_TROUBLE_MS = 10_000;
const CLOCK_RATE = 1.01;
/** How long nothing may happen then, in leases. */
const QUIET_LEASES = 6;

export function calm(world: VirtualCluster): Outcome {
  stopFaults(world);
  const { dead, heartbeat } = world.cluster.timing;
  world.run(STRAGGLERS_LEASES * dead);
  let abstained = false;
  for (const node of world.nodes.values()) {
    // Also a drain that was asked for while the network was cut.
    undrain(world, node);
    if (node.daemon === undefined) world.start(node.name);
    abstained ||= node.daemon?.state.abstaining === true;
  }
  const groups = world.cluster.groups.map((group) => group.name);
  const bound = dead * CLOCK_RATE + 3 * heartbeat + (abstained ? ABSTAIN_MS * CLOCK_RATE : 0);
  const allowed = bound + Math.max(...groups.map((group) => untilCandidate(world, group))) * CLOCK_RATE;
  const healed_ms = world.until(() => groups.every((group) => world.owner(group) !== undefined), allowed);
  if (healed_ms === undefined && !world.over) {
    const missing = groups.filter((group) => world.owner(group) === undefined);
    world.checkers.report("D3", `${missing.join(", ")}: no owner ${allowed.toFixed(0)} ms after the faults ended`);
  }
  quiet(world, groups);
  return { world, violations: world.violations, healed_ms, abstained };
}

function stopFaults(world: VirtualCluster): void {
  world.network.heal();
  world.wiring?.heal();
  world.freeze = { probability: 0, longest_ms: 0, crash: 0 };
  Object.assign(world.effectFaults, { fail: 0, late: 0 });
  healMachines(world);
  for (const node of world.nodes.values()) {
    if (node.frozen) world.continue(node.name);
    for (const name of [SERVICE, BACK, SERVICE_STANDBY, BACK_STANDBY]) world.setInterface(node.name, name, true);
    undrain(world, node);
  }
}

function undrain(world: VirtualCluster, node: VirtualNode): void {
  if (node.daemon === undefined) node.drained = undefined;
  world.ask(node.name, 0, node.name, { kind: "undrain", node: node.name }, world.cluster.timing.dead);
  world.ask(node.name, 0, node.name, { kind: "resume", group: undefined }, world.cluster.timing.dead);
}

/** How long every node may yet refuse the group for what happened to it: its addresses, its crashes. */
function untilCandidate(world: VirtualCluster, name: GroupName): number {
  let crashing = false;
  for (const { daemon } of world.nodes.values()) {
    const group = daemon?.state.groups.get(name);
    if (daemon === undefined || group === undefined) continue;
    if (ineligibility(daemon.state, group) === "") return 0;
    crashing ||= daemon.state.crashingUntil !== undefined;
  }
  return crashing ? CRASH_MEMORY_MS : AFTER_TROUBLE_MS;
}

/** E5: each of those that stalled again and again gives what it owns away, once, when its time has come. */
function reluctantNodes(world: VirtualCluster): number {
  return [...world.nodes.values()].filter(({ daemon }) => daemon !== undefined && isReluctant(daemon.state)).length;
}

/** D4: no fault, no move and no gap; D6: nothing is left of what was. */
function quiet(world: VirtualCluster, groups: readonly GroupName[]): void {
  const { dead } = world.cluster.timing;
  // What an old owner still serves keeps its addresses there.
  world.run(2 * dead + Math.max(...world.cluster.groups.map((group) => group.drain)));
  const before = { ...world.checkers.owners.counts };
  world.run(QUIET_LEASES * dead);
  if (world.over) return;
  const { moves, gaps } = world.checkers.owners.counts;
  if (moves > before.moves + groups.length * reluctantNodes(world))
    world.checkers.report("D4", `${moves - before.moves} moves without a fault`);
  if (gaps !== before.gaps)
    world.checkers.report("D4", `the fence was shut ${gaps - before.gaps} times without a fault`);
  const unowned = groups.filter((group) => world.owner(group) === undefined);
  if (unowned.length > 0) world.checkers.report("D4", `${unowned.join(", ")}: no owner without a fault`);
  world.checkers.service.checkLeftovers(world.nodes.values(), groups, world.now);
  world.checkers.service.checkReplies();
}
