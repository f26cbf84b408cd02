/** What a fault of adapters must come to (A6, A7), held against the world in which it happened. */
import { SERVICE_STANDBY } from "../scenarios/clusters.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";
import type { Wiring } from "../wiring.ts";
import type { AdapterState } from "@holdfast/core/wire/messages.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";

export const WEB = "web" as GroupName;
/** No swap and no move in this time where there must be none. */
const WATCHED_LEASES = 30;

export interface Place {
  readonly world: VirtualCluster;
  readonly wiring: Wiring;
}

/** Of the issue: dead + 50 ms, at the default timing. */
export function silenceLimit({ cluster }: VirtualCluster): number {
  return cluster.timing.dead + cluster.timing.heartbeat / 2;
}

/** The fault moves the addresses to the standby adapter of the owner within the limit, and nothing else. */
export function swaps(place: Place, limit_ms: number, fault: () => void): void {
  const { world } = place;
  const before = stateOf(world);
  fault();
  const took = world.until(() => world.checkers.clients.answered(WEB) && placedOn(world) === SERVICE_STANDBY, limit_ms);
  if (took === undefined && !world.over)
    world.checkers.report("A6", `not answered by ${SERVICE_STANDBY} ${limit_ms} ms after the fault`);
  world.run(2 * world.cluster.timing.dead);
  judgeKept(world, before);
}

/** Nothing that happens here moves an address. */
export function nothingMoves({ world }: Place, leases = WATCHED_LEASES): void {
  const before = stateOf(world);
  world.run(leases * world.cluster.timing.dead);
  judgeKept(world, before);
  if (placedOn(world) !== before.on && !world.over)
    world.checkers.report("A7", `the addresses went from ${before.on} to ${placedOn(world)}`);
}

export interface Before {
  readonly owner: NodeName | undefined;
  readonly moves: number;
  readonly gaps: number;
  readonly on: InterfaceName | undefined;
}

export function stateOf(world: VirtualCluster): Before {
  return { owner: world.owner(WEB), ...world.checkers.owners.counts, on: placedOn(world) };
}

export function judgeKept(world: VirtualCluster, before: Before): void {
  if (world.over) return;
  const { owner, moves, gaps } = stateOf(world);
  if (owner !== before.owner || moves !== before.moves)
    world.checkers.report("A6", `web went from ${before.owner} to ${owner}, which an adapter alone must not cost`);
  if (gaps !== before.gaps) world.checkers.report("A6", "the fence was shut for a moment");
}

export function placedOn(world: VirtualCluster): InterfaceName | undefined {
  const owner = world.owner(WEB);
  return owner === undefined ? undefined : world.node(owner).kernel.placed.get(WEB)?.[0];
}

export function adapterState(world: VirtualCluster, node: string, on: InterfaceName): AdapterState | undefined {
  return world.node(node).daemon?.state.adapters.get(on)?.state;
}

export function judgeState(
  world: VirtualCluster,
  node: string,
  on: InterfaceName,
  wanted: readonly AdapterState[],
): void {
  const state = adapterState(world, node, on);
  if (world.over || (state !== undefined && wanted.includes(state))) return;
  world.checkers.report("A7", `${node} calls ${on} ${state}, not ${wanted.join(" or ")}`);
}

export function judgeEvent(world: VirtualCluster, node: string, code: string): void {
  if (world.over || world.node(node).events.some((event) => event.code === code)) return;
  world.checkers.report("A7", `${node} shows no ${code}`);
}
