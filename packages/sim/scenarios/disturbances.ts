/** What happens to a hostile world from outside, one thing at a time. */
import { adapterFault } from "./adapter-faults.ts";
import { BACK, SERVICE } from "./clusters.ts";
import { MACHINE_FAULTS } from "./machine-faults.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";
import type { OperatorAction } from "@holdfast/core/wire/messages.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

/** What an operator waits for an answer, in leases: it is over before the world is. */
const PATIENCE_LEASES = 4;

export interface Place {
  readonly world: VirtualCluster;
  /** A node, another or the same one, and a group, at random. */
  readonly name: NodeName;
  readonly other: NodeName;
  readonly group: GroupName;
  readonly request: number;
}

/** What it is called in the report of a long run, and how often it happens among the others. */
export type Disturbance = readonly [share: number, called: string, happens: (place: Place) => void];

const DISTURBANCES: readonly Disturbance[] = [
  [10, "kills", ({ world, name }) => world.kill(name)],
  [12, "isolations", ({ world, name }) => world.isolate(name)],
  [8, "one-way cuts", ({ world, name, other }) => world.cut.add(`${name} ${other}`)],
  [6, "splits", splitInTwo],
  [6, "link flaps", flapLink],
  [22, "heals", ({ world }) => world.cut.clear()],
  [5, "stops", ({ world, name }) => world.input(name, { kind: "stop" })],
  [8, "interfaces", ({ world, name }) => world.setInterface(name, world.pick([SERVICE, BACK]), world.random() < 0.6)],
  [14, "moves away", moveAway],
  [6, "moves to", moveTo],
  [4, "drains", ({ world, name, other, request }) => drain(world, name, other, request)],
  [
    5,
    "undrains",
    ({ world, name, other, request }) => ask(world, name, request, other, { kind: "undrain", node: other }),
  ],
  [3, "stalls", stopAWhile],
  [2, "lost rules", ruleSetVanishes],
  [2, "conflicts", conflict],
  [
    1,
    "clock jumps",
    ({ world, name }) => world.input(name, { kind: "wallClock", offset_ms: Math.floor(world.random() * 1e12) }),
  ],
];

/** The share of those of adapters and their networks, in worlds that have them. */
const ADAPTER_FAULTS = 0.15;

const ALL: readonly Disturbance[] = [...DISTURBANCES, ...MACHINE_FAULTS];

function totalOf(disturbances: readonly Disturbance[]): number {
  return disturbances.reduce((sum, [share]) => sum + share, 0);
}

export function move(world: VirtualCluster, request: number): void {
  const names = [...world.nodes.keys()];
  const name = world.pick(names);
  const group = world.pick(world.cluster.groups).name;
  if (!world.over) moveTo({ world, name, other: world.pick(names), group, request });
}

/** `powerLoss`: the share of disturbances that take a node's memory. */
export function disturb(world: VirtualCluster, request: number, powerLoss: number): void {
  if (world.over) return;
  const names = [...world.nodes.keys()];
  const name = world.pick(names);
  const place: Place = { world, name, other: world.pick(names), group: world.pick(world.cluster.groups).name, request };
  if (world.node(name).daemon === undefined) return world.start(name);
  if (world.random() < powerLoss) return loseMemory(place);
  if (world.wiring !== undefined && world.random() < ADAPTER_FAULTS) return adapterFault(world, world.wiring, name);
  // A planted fault is looked for in the worlds in which it was found first.
  const disturbances = Object.keys(world.plant).length === 0 ? ALL : DISTURBANCES;
  let dice = world.random() * totalOf(disturbances);
  for (const [share, called, happens] of disturbances) {
    dice -= share;
    if (dice >= 0) continue;
    world.disturbances.set(called, (world.disturbances.get(called) ?? 0) + 1);
    return happens(place);
  }
}

function loseMemory({ world, name }: Place): void {
  const dice = world.random();
  if (dice < 0.6) world.powerOff(name);
  else if (dice < 0.8) world.loseRecords(name);
  else world.moveNamespace(name);
}

/** Each node on one of two sides; what crosses is cut, most of it. */
function splitInTwo({ world }: Place): void {
  const names = [...world.nodes.keys()];
  const side = new Set(names.filter(() => world.random() < 0.5));
  for (const a of names)
    for (const b of names) if (side.has(a) !== side.has(b) && world.random() < 0.9) world.cut.add(`${a} ${b}`);
}

/** One of a node's links goes away and comes back. */
function flapLink({ world, name }: Place): void {
  const link = world.pick(world.cluster.links).name;
  const keys = [...world.nodes.keys()].flatMap((other) => [`${name} ${other} ${link}`, `${other} ${name} ${link}`]);
  for (const key of keys) world.cut.add(key);
  world.input(name, { kind: "linkChanged", link, up: false, detail: "flap" });
  world.at(world.random() * 2 * world.cluster.timing.dead, () => {
    for (const key of keys) world.cut.delete(key);
    world.input(name, { kind: "linkChanged", link, up: true, detail: "flap" });
  });
}

function moveAway({ world, name, group, request }: Place): void {
  ask(world, name, request, world.owner(group) ?? name, { kind: "move", group, target: undefined });
}

function moveTo({ world, name, other, group, request }: Place): void {
  ask(world, name, request, world.owner(group) ?? name, { kind: "move", group, target: other });
}

function drain(world: VirtualCluster, name: NodeName, other: NodeName, request: number): void {
  ask(world, name, request, other, { kind: "drain", node: other, reason: "test" });
}

/** SIGSTOP and SIGCONT. */
function stopAWhile({ world, name }: Place): void {
  const { daemon } = world.node(name);
  world.stop(name);
  world.at(world.random() * 3 * world.cluster.timing.dead, () => {
    if (world.node(name).daemon === daemon) world.continue(name);
  });
}

/** F7: somebody flushed the rule set; it was put back, closed. */
function ruleSetVanishes({ world, name }: Place): void {
  world.node(name).kernel.fence.reinstall();
  world.input(name, { kind: "fenceReinstalled", detail: "by a test" });
}

function conflict({ world, name, group }: Place): void {
  const address = "10.0.0.100" as IpAddress;
  world.input(name, { kind: "conflict", group, address, mac: "02:00:00:00:00:99" as Mac, interface: SERVICE });
}

function ask(world: VirtualCluster, name: NodeName, request: number, target: NodeName, action: OperatorAction): void {
  world.ask(name, request, target, action, PATIENCE_LEASES * world.cluster.timing.dead);
}
