/**
 * A large cluster: some vote, the others hear the voters and those they share a group with. Groups fail over and move there as
 * in a small one under light faults, and what each node sends does not grow with the cluster.
 */
import { calm } from "./calm.ts";
import { clusterOf, DEFAULT_TIMES, RATE_ERROR } from "./clusters.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import { type Cluster, votersOf } from "@holdfast/core/cluster.ts";
import { HeartbeatEmitter } from "@holdfast/core/wire/heartbeat.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

export const FLEET_VOTERS = 5;
/** Nodes that may own a group. */
const CANDIDATES = 4;
const SIZES = [16, 64, 32];
const MEASURED_MS = 5000;
/** Header and tag of the seal, UDP and IPv4 headers. */
const BYTES_AROUND = 44 + 28;
const LEASES = 40;

export const fleet: Scenario = {
  name: "fleet",
  about: "16, 64 or 32 nodes with 5 voters: what each node sends; then kills, moves, cuts and light loss",
  run: (seed, options) => fleetWorld(seed, options),
};

/** Every node that does not vote may own one group, with those beside it. */
export function fleetOf(nodes: number): Cluster {
  const all = clusterOf(nodes, [], DEFAULT_TIMES);
  const names = all.nodes.map((node) => node.name);
  const members = names.slice(FLEET_VOTERS);
  const groups: string[] = [];
  for (let i = 0; i + CANDIDATES <= members.length; i += CANDIDATES) groups.push(`g${i / CANDIDATES + 1}`);
  const cluster = clusterOf(nodes, groups, DEFAULT_TIMES);
  return {
    ...cluster,
    voters: names.slice(0, FLEET_VOTERS),
    groups: cluster.groups.map((group, i) => ({
      ...group,
      prefer: members.slice(i * CANDIDATES, (i + 1) * CANDIDATES),
    })),
  };
}

/** What a node sends in a second: of voters and of the others the one that sends most. */
export interface Traffic {
  readonly nodes: number;
  readonly voter: { readonly packets: number; readonly bytes: number };
  readonly member: { readonly packets: number; readonly bytes: number };
  /** Of the largest datagram, with all headers. */
  readonly largest: number;
}

/** In a calm world, all daemons up. */
export function measureTraffic(world: VirtualCluster): Traffic {
  const emitter = new HeartbeatEmitter();
  const sent = new Map<NodeName, { packets: number; bytes: number }>();
  let largest = 0;
  world.sending = (from, heartbeat) => {
    const bytes = emitter.emit(heartbeat).length + BYTES_AROUND;
    largest = Math.max(largest, bytes);
    const sum = sent.get(from) ?? { packets: 0, bytes: 0 };
    sent.set(from, { packets: sum.packets + 1, bytes: sum.bytes + bytes });
  };
  world.run(MEASURED_MS);
  world.sending = undefined;
  const voters = new Set(votersOf(world.cluster));
  const most = (vote: boolean): { packets: number; bytes: number } => {
    const each = [...sent].filter(([name]) => voters.has(name) === vote).map(([, sum]) => sum);
    const second = (value: number): number => Math.round((1000 * value) / MEASURED_MS);
    return {
      packets: second(Math.max(0, ...each.map(({ packets }) => packets))),
      bytes: second(Math.max(0, ...each.map(({ bytes }) => bytes))),
    };
  };
  return { nodes: world.nodes.size, voter: most(true), member: most(false), largest };
}

function fleetWorld(seed: number, options: ScenarioOptions = {}): Outcome {
  const cluster = fleetOf(SIZES[seed % SIZES.length] ?? 64);
  const world = new VirtualCluster(cluster, seed, RATE_ERROR, options.plant);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  options.begin?.(world);
  world.startAll();
  const { dead } = cluster.timing;
  world.run(10 * dead);
  const figures = trafficText(measureTraffic(world));
  world.faults.loss = world.pick([0, 0.02, 0.05]);
  world.faults.duplicate = 0.02;
  const end = world.now + (options.leases ?? LEASES) * dead;
  for (let request = 1; world.now < end && !world.over; request++) {
    happen(world, request);
    world.run((0.5 + world.random()) * dead);
  }
  return { ...calm(world), figures };
}

/** One thing: at most one voter is away at a time. */
function happen(world: VirtualCluster, request: number): void {
  const voters = votersOf(world.cluster);
  const group = world.pick(world.cluster.groups);
  const owner = world.owner(group.name);
  const dice = world.random();
  if (dice < 0.25 && owner !== undefined) world.kill(owner);
  else if (dice < 0.4) {
    const voter = world.pick(voters);
    if (voters.every((name) => world.node(name).daemon !== undefined)) world.kill(voter);
  } else if (dice < 0.7) {
    for (const { name, daemon } of world.nodes.values()) if (daemon === undefined) world.start(name);
  } else if (dice < 0.8 && owner !== undefined) {
    world.isolate(owner);
    world.at(2 * world.cluster.timing.dead, () => world.cut.clear());
  } else move(world, group.name, group.prefer, owner, request);
}

function move(
  world: VirtualCluster,
  group: GroupName,
  prefer: readonly NodeName[],
  owner: NodeName | undefined,
  request: number,
): void {
  if (owner === undefined) return;
  const target = world.pick(prefer);
  world.ask(world.pick([...world.nodes.keys()]), request, owner, { kind: "move", group, target }, 4000);
}

function trafficText({ nodes, voter, member, largest }: Traffic): readonly string[] {
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
  return [
    `${nodes} nodes, ${FLEET_VOTERS} voters, two links, heartbeat 100 ms; the largest datagram has ${largest} bytes`,
    `a voter sends   ${voter.packets} packets, ${kilobytes(voter.bytes)} a second`,
    `another sends   ${member.packets} packets, ${kilobytes(member.bytes)} a second`,
  ];
}
