/** What happens to a node's machine and software, beside its network: restarts, upgrades, reloads, suspends, own failures. */
import type { Disturbance, Place } from "./disturbances.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { OperatorAction } from "@holdfast/core/wire/messages.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";

const FAILURES = ["fence", "ip-stack", "netlink", "ip-network"] as const;

export const MACHINE_FAULTS: readonly Disturbance[] = [
  [4, "restarts", ({ world, name }) => restart(world, name)],
  [3, "upgrades", changeVersion],
  [4, "reloads", reload],
  [3, "suspends", suspend],
  [4, "unfit", failForAWhile],
  [2, "memory", ({ world, name }) => say(world, name, "memory", world.random() < 0.4)],
  [12, "key steps", stepKeys],
  [2, "clock jumps", ({ world, name }) => world.input(name, jump(world))],
  [3, "pauses", pause],
  [2, "resumes", ({ world, name, request }) => askItself(world, name, request, { kind: "resume", group: undefined })],
];

/** Where datagrams are sealed: a step of the rotation on the next node whose turn it is, unless its daemon is stopped. */
function stepKeys({ world }: Place): void {
  if (world.attacker === undefined) return;
  const node = world.node(world.pick(world.keyFiles.behind([...world.nodes.keys()])));
  if (node.frozen) return;
  const keys = world.keyFiles.advance(node.name);
  node.daemon?.wire?.useKeys(keys);
}

function jump(world: VirtualCluster): { readonly kind: "wallClock"; readonly offset_ms: number } {
  return { kind: "wallClock", offset_ms: Math.floor((world.random() - 0.5) * 1e12) };
}

/** Nobody takes over meanwhile; it ends by itself, before the world does. */
function pause({ world, name, group, request }: Place): void {
  const for_ms = Math.ceil(world.random() * 3 * world.cluster.timing.dead);
  askItself(world, name, request, {
    kind: "pause",
    group: world.random() < 0.5 ? group : undefined,
    for_ms,
    reason: "",
  });
}

function askItself(world: VirtualCluster, name: NodeName, request: number, action: OperatorAction): void {
  world.ask(name, request, name, action, 4 * world.cluster.timing.dead);
}

/** The daemon ends and the next one is there at once, its fence open or not. */
function restart(world: VirtualCluster, name: NodeName): void {
  world.kill(name);
  world.at(world.random() * 20, () => {
    if (world.node(name).daemon === undefined) world.start(name);
  });
}

/** To the other version of the heartbeat, up or down; asked to stop first, or not. */
function changeVersion({ world, name }: Place): void {
  if (world.random() < 0.5) world.input(name, { kind: "stop" });
  world.at(world.random() * world.cluster.timing.dead, () => {
    if (!world.versionOne.delete(name)) world.versionOne.add(name);
    restart(world, name);
  });
}

/** One of four files that every node may have: they differ in what needs no order among the nodes. */
function reload({ world, name }: Place): void {
  const { cluster } = world;
  const number = Math.floor(world.random() * 4);
  const groups = cluster.groups.map((group) => ({
    ...group,
    prefer: number % 2 === 0 ? group.prefer : group.prefer.toReversed(),
    settle: number < 2 ? group.settle : milliseconds(2 * cluster.timing.dead),
  }));
  const file: Cluster = number === 0 ? cluster : { ...cluster, groups, digest: `0000000${number}` };
  world.reload(name, file);
}

/** Every node has the file again that the world began with. */
export function reloadAll(world: VirtualCluster): void {
  for (const node of world.nodes.values()) {
    if (node.cluster === undefined) continue;
    world.reload(node.name, world.cluster);
    // Who could not take it over starts with it.
    if (node.daemon?.state.cluster !== world.cluster) world.kill(node.name);
    node.cluster = undefined;
  }
}

/** What the boot clock shows when the machine goes on; its monotonic clock stood still, that of others did not. */
function suspend({ world, name }: Place): void {
  const { daemon } = world.node(name);
  const for_ms = world.random() * 5 * world.cluster.timing.dead;
  world.stop(name);
  world.at(for_ms, () => {
    if (world.node(name).daemon !== daemon) return;
    daemon?.queue.unshift({ kind: "paused", for_ms });
    world.continue(name);
  });
}

function failForAWhile({ world, name }: Place): void {
  const what = world.pick(FAILURES);
  say(world, name, what, false);
  world.at(world.random() * 6 * world.cluster.timing.dead, () => say(world, name, what, true));
}

function say(world: VirtualCluster, name: NodeName, what: string, fit: boolean): void {
  world.input(name, { kind: "fitness", what, fit, detail: "a test" });
}

/** Nothing is broken any more. */
export function healMachines(world: VirtualCluster): void {
  for (const name of world.nodes.keys()) for (const what of [...FAILURES, "memory"]) say(world, name, what, true);
}
