/** A world that wants two owners, for tests of the core: freezes, kills, lost records, one-way cuts, loss, delays to 4 T. */
import type { Plant } from "./plant.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { GroupName, InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { milliseconds } from "@holdfast/core/units/time.ts";

type Times = readonly [heartbeat: number, dead: number, window: number, keep: number];

/** Settings of the table in ownership.md section 8, at HZ 250. */
export const SETTINGS: readonly Times[] = [
  [100, 300, 48, 236],
  [100, 400, 48, 332],
  [10, 50, 12, 28],
  [10, 100, 12, 76],
];

export const RATE_ERROR = 0.01;
const SERVICE = "eth0" as InterfaceName;

export function hostileCluster(nodes: number, groups: readonly string[], times: Times): Cluster {
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}` as NodeName);
  const [heartbeat, dead, window, keep] = times;
  return {
    name: "test",
    generation: 1,
    digest: "0000abcd",
    timing: {
      heartbeat: milliseconds(heartbeat),
      dead: milliseconds(dead),
      window: milliseconds(window),
      keep: milliseconds(keep),
      jiffy: milliseconds(4),
    },
    links: [
      { name: "lan" as LinkName, port: 7400 },
      { name: "priv" as LinkName, port: 7400 },
    ],
    nodes: names.map((name, i) => ({
      name,
      role: "member",
      links: { lan: `10.0.0.${i + 1}` as IpAddress, priv: `10.0.1.${i + 1}` as IpAddress },
      interfaces: { service: SERVICE },
    })),
    groups: groups.map((name, i) => ({
      name: name as GroupName,
      number: i + 1,
      addresses: [{ address: `10.0.0.${100 + i}` as IpAddress, prefixLength: 24, interfaces: ["service"] }],
      prefer: names,
      failback: { kind: "manual" },
      settle: milliseconds(10_000),
      drain: milliseconds(0),
    })),
    keys: "/nowhere",
    seal: "encrypt",
  };
}

function pick<Value>(world: VirtualCluster, values: readonly Value[]): Value {
  return values[Math.floor(world.random() * values.length)] as Value;
}

export interface Outcome {
  readonly world: VirtualCluster;
  readonly violations: readonly string[];
  /** True milliseconds from the end of the faults, all daemons up, to an owner of every group; undefined: none came. */
  readonly healed_ms: number | undefined;
  /** A voter still abstained when the faults ended. */
  readonly abstained: boolean;
}

/** One world of about `leases` x T of faults, then calm. Stops at the first violation. */
export function hostileWorld(seed: number, plant: Plant = {}, leases = 100): Outcome {
  const times = SETTINGS[seed % SETTINGS.length] as Times;
  const nodes = [3, 2, 3, 5, 3, 4][seed % 6] ?? 3;
  const cluster = hostileCluster(nodes, seed % 2 === 0 ? ["web"] : ["web", "db"], times);
  const world = new VirtualCluster(cluster, seed, RATE_ERROR);
  world.plant = plant;
  world.startAll();
  const { dead } = cluster.timing;
  world.run(2 * dead);
  Object.assign(world.faults, {
    loss: pick(world, [0, 0.05, 0.2, 0.4]),
    duplicate: 0.1,
    slow: pick(world, [0, 0.02, 0.1, 0.3]),
    slow_ms: pick(world, [1, 4]) * dead,
  });
  world.freeze = { probability: plant.freeze ?? pick(world, [0, 0.0005, 0.002, 0.008]), longest_ms: 3 * dead };
  const powerLoss = pick(world, [0, 0, 0.02, 0.05]);
  const end = world.now + leases * dead;
  for (let request = 1; world.now < end && world.violations.length === 0; request++) {
    world.run(world.random() * dead);
    disturb(world, request, powerLoss);
  }
  return calm(world);
}

function disturb(world: VirtualCluster, request: number, powerLoss: number): void {
  const names = [...world.nodes.keys()];
  const name = pick(world, names);
  const other = pick(world, names);
  const group = pick(world, world.cluster.groups).name;
  const dice = world.random();
  if (world.node(name).daemon === undefined) world.start(name);
  else if (dice < 0.1) world.kill(name);
  else if (dice < 0.1 + powerLoss) world.powerOff(name);
  else if (dice < 0.3) world.isolate(name);
  else if (dice < 0.45) world.cut.add(`${name} ${other}`);
  else if (dice < 0.65) world.cut.clear();
  else if (dice < 0.7) world.input(name, { kind: "stop" });
  else if (dice < 0.8) world.input(name, { kind: "interfaceChanged", interface: SERVICE, up: world.random() < 0.5 });
  else world.ask(name, request, world.owner(group) ?? name, { kind: "move", group, target: undefined });
}

function calm(world: VirtualCluster): Outcome {
  const { dead, heartbeat } = world.cluster.timing;
  world.cut.clear();
  Object.assign(world.faults, { loss: 0, duplicate: 0, slow: 0 });
  world.freeze.probability = 0;
  for (const name of world.nodes.keys()) world.input(name, { kind: "interfaceChanged", interface: SERVICE, up: true });
  // The longest freeze and the latest datagram are over, and whoever was asked to stop has left.
  world.run(8 * dead);
  let abstained = false;
  for (const node of world.nodes.values()) {
    if (node.daemon === undefined) world.start(node.name);
    abstained ||= node.daemon?.state.abstaining === true;
  }
  const groups = world.cluster.groups.map((group) => group.name);
  const healed_ms = world.until(
    () => world.violations.length > 0 || groups.every((group) => world.owner(group) !== undefined),
    (abstained ? 5300 : 0) + 4 * dead + 10 * heartbeat,
  );
  return { world, violations: world.violations, healed_ms, abstained };
}
