/**
 * Adapters, their ports and their networks fail, one thing at a time: the seed says which, and when. A failed adapter costs
 * the group its adapter and not its node; a dead or quiet network costs nothing; what cannot be told moves nothing (A6, A7).
 */
import { clusterOf, SERVICE, SERVICE_STANDBY, SETTINGS, type Times } from "./clusters.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { chatter } from "../probing.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import { Wiring } from "../wiring.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { AdapterState } from "@holdfast/core/wire/messages.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

const WEB = "web" as GroupName;
const REFERENCE = "10.0.0.254" as IpAddress;
/** An interface event is an input at once; the rest of the 15 ms that a swap may take is the kernel's. */
const CARRIER_MS = 1;
/** No swap and no move in this time where there must be none. */
const WATCHED_LEASES = 30;
const SETTLE_MS = 5000;

interface Layout {
  readonly nodes: number;
  /** The last node is elsewhere: it votes, and has nothing on these networks. */
  readonly witness?: boolean;
  readonly reference?: boolean;
  /** Another station talks on the service network. */
  readonly chatty?: boolean;
  /** The only link is on the service adapter. */
  readonly oneLink?: boolean;
}

export interface AdapterCase {
  readonly name: string;
  /** What happens, and what must come of it. */
  readonly about: string;
  readonly layout: Layout;
  readonly happens: (place: Place) => void;
}

interface Place {
  readonly world: VirtualCluster;
  readonly wiring: Wiring;
}

const THREE: Layout = { nodes: 3 };
const TWO: Layout = { nodes: 2 };
const WITNESS: Layout = { nodes: 3, witness: true };

export const ADAPTER_CASES: readonly AdapterCase[] = [
  { name: "carrier", about: "the service adapter loses its carrier", layout: THREE, happens: carrierLoss },
  { name: "carrier with two nodes", about: "the same with two nodes", layout: TWO, happens: carrierLoss },
  {
    name: "silent",
    about: "the service adapter is mute and deaf, with its carrier, on a quiet network",
    layout: THREE,
    happens: silent,
  },
  {
    name: "silent with two nodes, a standby adapter on the same network",
    about: "what the standby adapter asks shows the other node that the network lives",
    layout: TWO,
    happens: silent,
  },
  {
    name: "silent with two nodes and a reference",
    about: "the reference answers the other node alone",
    layout: { ...TWO, reference: true },
    happens: silent,
  },
  {
    name: "silent with two nodes and another station",
    about: "the other node hears a third station",
    layout: { ...TWO, chatty: true },
    happens: silent,
  },
  {
    name: "silent with a remote witness",
    about: "the witness has no adapter there and no say",
    layout: WITNESS,
    happens: silent,
  },
  {
    name: "silent with a remote witness and a reference",
    about: "the same where the reference answers",
    layout: { ...WITNESS, reference: true },
    happens: silent,
  },
  { name: "deaf", about: "the service adapter sends and hears nothing", layout: THREE, happens: deaf },
  {
    name: "deaf with two nodes and a reference",
    about: "the other node hears it, and the reference too",
    layout: { ...TWO, reference: true },
    happens: deaf,
  },
  {
    name: "the peer's adapter",
    about: "who hears the reference stays as it is",
    layout: { ...TWO, reference: true },
    happens: peerSilent,
  },
  {
    name: "the peer's adapter, of three",
    about: "who hears the third node stays as it is",
    layout: THREE,
    happens: peerSilent,
  },
  {
    name: "network",
    about: "the switch of all service adapters dies and comes back: nothing moves, and it is called so",
    layout: { ...THREE, reference: true },
    happens: networkDies,
  },
  {
    name: "network with two nodes and a reference",
    about: "the same with two nodes, whom the reference answered before",
    layout: { ...TWO, reference: true },
    happens: networkDies,
  },
  {
    name: "network with two nodes",
    about: "without a reference it cannot be told from a mute adapter: undecided, and nothing moves",
    layout: TWO,
    happens: networkDies,
  },
  {
    name: "network with a remote witness",
    about: "a witness elsewhere does not change that",
    layout: { ...WITNESS, reference: true },
    happens: networkDies,
  },
  { name: "quiet", about: "nobody says anything but heartbeats: nothing moves", layout: TWO, happens: quietTime },
  {
    name: "reference dies",
    about: "the silence of the reference is not the adapter's",
    layout: { ...TWO, reference: true },
    happens: referenceDies,
  },
  {
    name: "one link",
    about: "without another link nobody can tell, and the lease decides",
    layout: { ...THREE, oneLink: true },
    happens: onlyLink,
  },
  {
    name: "standby adapter",
    about: "it loses its carrier: an alarm, and nothing moves",
    layout: { ...THREE, reference: true },
    happens: standbyFails,
  },
  {
    name: "standby adapter, silent",
    about: "it hears nothing any more: an alarm, and nothing moves",
    layout: { ...THREE, reference: true },
    happens: standbySilent,
  },
  {
    name: "every adapter",
    about: "the last of a segment lost: another node takes over",
    layout: THREE,
    happens: everyAdapter,
  },
  {
    name: "every adapter, silent",
    about: "the last of a segment silent: another node takes over",
    layout: { ...THREE, reference: true },
    happens: everyAdapterSilent,
  },
  {
    name: "comes back",
    about: "the addresses come back when the service adapter has settled, not before",
    layout: THREE,
    happens: comesBack,
  },
  {
    name: "flaps",
    about: "each failure of the last minutes doubles the time to settle",
    layout: THREE,
    happens: flaps,
  },
  {
    name: "in a move",
    about: "the old owner's adapter fails at any point of a planned move",
    layout: THREE,
    happens: inAMove,
  },
  {
    name: "of the successor in a move",
    about: "the successor's adapter fails at any point of a planned move",
    layout: THREE,
    happens: ofTheSuccessor,
  },
  {
    name: "daemon restarts after a swap",
    about: "the addresses stay where they are",
    layout: THREE,
    happens: restarts,
  },
];

export const adapters: Scenario = {
  name: "adapters",
  about:
    "an adapter, a port, a switch or a reference fails: the group changes its adapter, or nothing moves, as the evidence says",
  run: (seed, options) => adapterWorld(seed, ADAPTER_CASES[seed % ADAPTER_CASES.length] as AdapterCase, options),
};

export function adapterWorld(seed: number, { layout, happens }: AdapterCase, options: ScenarioOptions = {}): Outcome {
  const round = Math.floor(seed / ADAPTER_CASES.length);
  const times = SETTINGS[round % SETTINGS.length] as Times;
  const world = new VirtualCluster(clusterFor(layout, times), seed, 0, options.plant);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  const wiring = new Wiring();
  world.wiring = wiring;
  if (layout.reference === true) wiring.stations.push(stationAt(REFERENCE, undefined));
  if (layout.chatty === true) wiring.stations.push(stationAt(undefined, world.cluster.timing.heartbeat / 8));
  if (layout.witness === true) wiring.remote.add(`n${layout.nodes}` as NodeName);
  options.begin?.(world);
  chatter(world, wiring);
  world.startAll();
  world.run(6000 + 20 * world.cluster.timing.dead + world.random() * 1000);
  const { dead } = world.cluster.timing;
  if (world.owner(WEB) !== "n1" || !world.checkers.clients.answered(WEB))
    world.checkers.report("A6", "web is not on n1 and answered before anything has happened");
  if (!world.over) happens({ world, wiring });
  if (!world.over) world.run(2 * dead);
  return { world, violations: world.violations, healed_ms: 0, abstained: false };
}

function stationAt(address: IpAddress | undefined, chatty_ms: number | undefined): Wiring["stations"][number] {
  return { network: "service", address, alive: true, chatty_ms };
}

function clusterFor({ nodes, witness, reference, oneLink }: Layout, times: Times): Cluster {
  const cluster = clusterOf(nodes, [WEB], times, { standbyAdapters: true, witness: witness === true });
  const links = oneLink === true ? cluster.links.slice(0, 1) : cluster.links;
  const own = ({ links: all, ...node }: NodeConfig): NodeConfig => ({
    ...node,
    links: Object.fromEntries(Object.entries(all).filter(([name]) => links.some((link) => link.name === name))),
  });
  return {
    ...cluster,
    links,
    nodes: cluster.nodes.map(own),
    ...(reference === true ? { reference: [REFERENCE] } : {}),
  };
}

/** Of the issue: dead + 50 ms, at the default timing. */
function silenceLimit({ cluster }: VirtualCluster): number {
  return cluster.timing.dead + cluster.timing.heartbeat / 2;
}

/** The fault moves the addresses to the standby adapter of the owner within the limit, and nothing else. */
function swaps(place: Place, limit_ms: number, fault: () => void): void {
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
function nothingMoves({ world }: Place, leases = WATCHED_LEASES): void {
  const before = stateOf(world);
  world.run(leases * world.cluster.timing.dead);
  judgeKept(world, before);
  if (placedOn(world) !== before.on && !world.over)
    world.checkers.report("A7", `the addresses went from ${before.on} to ${placedOn(world)}`);
}

interface Before {
  readonly owner: NodeName | undefined;
  readonly moves: number;
  readonly gaps: number;
  readonly on: InterfaceName | undefined;
}

function stateOf(world: VirtualCluster): Before {
  return { owner: world.owner(WEB), ...world.checkers.owners.counts, on: placedOn(world) };
}

function judgeKept(world: VirtualCluster, before: Before): void {
  if (world.over) return;
  const { owner, moves, gaps } = stateOf(world);
  if (owner !== before.owner || moves !== before.moves)
    world.checkers.report("A6", `web went from ${before.owner} to ${owner}, which an adapter alone must not cost`);
  if (gaps !== before.gaps) world.checkers.report("A6", "the fence was shut for a moment");
}

function placedOn(world: VirtualCluster): InterfaceName | undefined {
  const owner = world.owner(WEB);
  return owner === undefined ? undefined : world.node(owner).kernel.placed.get(WEB)?.[0];
}

export function adapterState(world: VirtualCluster, node: string, on: InterfaceName): AdapterState | undefined {
  return world.node(node).daemon?.state.adapters.get(on)?.state;
}

function judgeState(world: VirtualCluster, node: string, on: InterfaceName, wanted: readonly AdapterState[]): void {
  const state = adapterState(world, node, on);
  if (world.over || (state !== undefined && wanted.includes(state))) return;
  world.checkers.report("A7", `${node} calls ${on} ${state}, not ${wanted.join(" or ")}`);
}

function judgeEvent(world: VirtualCluster, node: string, code: string): void {
  if (world.over || world.node(node).events.some((event) => event.code === code)) return;
  world.checkers.report("A7", `${node} shows no ${code}`);
}

function carrierLoss(place: Place): void {
  const { world } = place;
  swaps(place, CARRIER_MS, () => world.setInterface("n1", SERVICE, false));
  judgeState(world, "n1", SERVICE, ["no-carrier"]);
  judgeEvent(world, "n2", "swap-adapter");
}

function silent({ world, wiring }: Place): void {
  swaps({ world, wiring }, silenceLimit(world), () => wiring.silence("n1", SERVICE));
  judgeState(world, "n1", SERVICE, ["silent"]);
}

/** It sends and hears nothing. */
function deaf(place: Place): void {
  swaps(place, silenceLimit(place.world), () => place.wiring.deaf.add(`n1 ${SERVICE}`));
  judgeState(place.world, "n1", SERVICE, ["silent"]);
}

function peerSilent(place: Place): void {
  place.wiring.silence("n2", SERVICE);
  nothingMoves(place);
  judgeState(place.world, "n1", SERVICE, ["ok"]);
  judgeState(place.world, "n2", SERVICE, ["silent"]);
  judgeEvent(place.world, "n1", "adapter-failed");
}

function networkDies(place: Place): void {
  const { world, wiring } = place;
  wiring.deadSwitches.add("service");
  nothingMoves(place);
  const two = world.cluster.nodes.filter((node) => node.role === "member").length === 2;
  const told = two && world.cluster.reference === undefined ? "undecided" : "network-down";
  for (const name of ["n1", "n2"]) judgeState(world, name, SERVICE, [told]);
  wiring.heal();
  nothingMoves(place, 6);
  for (const name of ["n1", "n2"]) judgeState(world, name, SERVICE, ["ok"]);
}

function quietTime(place: Place): void {
  nothingMoves(place, 100);
  judgeState(place.world, "n1", SERVICE, ["ok"]);
}

function referenceDies(place: Place): void {
  for (const station of place.wiring.stations) station.alive = false;
  nothingMoves(place, 100);
  for (const on of [SERVICE, SERVICE_STANDBY])
    if (adapterState(place.world, "n1", on) === "silent") place.world.checkers.report("A7", `${on} is called silent`);
}

/** Who loses the only link loses the lease; what was wrong with it nobody can say. */
function onlyLink({ world, wiring }: Place): void {
  wiring.silence("n1", SERVICE);
  const took = world.until(() => world.owner(WEB) === "n2", 2 * world.cluster.timing.dead);
  if (took === undefined && !world.over)
    world.checkers.report("D3", "nobody took over from the node that lost its only link");
}

function standbyFails(place: Place): void {
  place.world.setInterface("n1", SERVICE_STANDBY, false);
  nothingMoves(place);
  judgeEvent(place.world, "n2", "fail-standby");
}

function standbySilent(place: Place): void {
  place.wiring.silence("n1", SERVICE_STANDBY);
  nothingMoves(place, Math.ceil(15_000 / place.world.cluster.timing.dead));
  judgeState(place.world, "n1", SERVICE_STANDBY, ["silent"]);
  judgeEvent(place.world, "n2", "fail-standby");
}

function everyAdapter({ world }: Place): void {
  world.setInterface("n1", SERVICE_STANDBY, false);
  world.run(world.random() * world.cluster.timing.dead);
  world.setInterface("n1", SERVICE, false);
  isHandedOver(world, world.cluster.timing.heartbeat * 2);
}

function everyAdapterSilent({ world, wiring }: Place): void {
  wiring.silence("n1", SERVICE_STANDBY);
  world.run(15_000);
  wiring.silence("n1", SERVICE);
  isHandedOver(world, silenceLimit(world) + 2 * world.cluster.timing.heartbeat);
}

function isHandedOver(world: VirtualCluster, limit_ms: number): void {
  const took = world.until(() => world.owner(WEB) === "n2" && world.checkers.clients.answered(WEB), limit_ms);
  if (took === undefined && !world.over)
    world.checkers.report("A6", `a node without an adapter did not hand over in ${limit_ms} ms`);
}

function comesBack(place: Place): void {
  const { world } = place;
  swaps(place, CARRIER_MS, () => world.setInterface("n1", SERVICE, false));
  world.setInterface("n1", SERVICE, true);
  const before = stateOf(world);
  const back = world.until(() => placedOn(world) === SERVICE, 2 * SETTLE_MS);
  judgeKept(world, before);
  judgeReturn(world, back, SETTLE_MS);
  if (!world.over && !world.checkers.clients.answered(WEB))
    world.checkers.report("A6", "not answered after the return");
}

function judgeReturn(world: VirtualCluster, took: number | undefined, least_ms: number): void {
  if (world.over) return;
  if (took === undefined) world.checkers.report("A6", "the addresses did not come back to the service adapter");
  else if (took < least_ms)
    world.checkers.report("A6", `the addresses came back after ${took.toFixed(0)} ms, before ${least_ms}`);
}

/** Each time it settles longer. */
function flaps(place: Place): void {
  const { world } = place;
  for (let i = 0; i < 3 && !world.over; i++) {
    swaps(place, CARRIER_MS, () => world.setInterface("n1", SERVICE, false));
    world.setInterface("n1", SERVICE, true);
    const settle_ms = SETTLE_MS * 2 ** i;
    judgeReturn(
      world,
      world.until(() => placedOn(world) === SERVICE, 2 * settle_ms),
      settle_ms,
    );
  }
}

/** At any point of a move the old owner's adapter fails: never two that answer, and an owner at the end. */
function inAMove(place: Place): void {
  moveWith(place, "n1");
}

function ofTheSuccessor(place: Place): void {
  moveWith(place, "n2");
}

function moveWith({ world, wiring }: Place, victim: string): void {
  const { dead, heartbeat } = world.cluster.timing;
  world.ask("n1", 1, "n1", { kind: "move", group: WEB, target: "n2" as NodeName }, 4 * dead);
  world.run(world.random() * 1.2 * heartbeat);
  if (world.random() < 0.7) world.setInterface(victim, SERVICE, false);
  else wiring.silence(victim, SERVICE);
  world.run(6 * dead);
  const answered = world.until(() => world.checkers.clients.answered(WEB), 2 * dead);
  if (answered === undefined && !world.over)
    world.checkers.report("A6", "not answered after a move in which an adapter failed");
}

function restarts(place: Place): void {
  const { world } = place;
  swaps(place, CARRIER_MS, () => world.setInterface("n1", SERVICE, false));
  world.setInterface("n1", SERVICE, true);
  const before = stateOf(world);
  world.kill("n1");
  world.start("n1");
  world.run(4 * world.cluster.timing.dead);
  judgeKept(world, before);
  if (placedOn(world) !== before.on && !world.over) world.checkers.report("A6", "a restart moved the addresses");
}
