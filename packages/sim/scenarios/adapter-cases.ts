/** The faults of adapters, one at a time, each with what must come of it. */
import { SERVICE, SERVICE_STANDBY } from "./clusters.ts";
import {
  adapterState,
  judgeEvent,
  judgeKept,
  judgeState,
  nothingMoves,
  type Place,
  placedOn,
  silenceLimit,
  stateOf,
  swaps,
  WEB,
} from "../checkers/adapters.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

/** An interface event is an input at once; the rest of the 15 ms that a swap may take is the kernel's. */
const CARRIER_MS = 1;
const SETTLE_MS = 5000;

export interface Layout {
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
