/**
 * Adapters, their ports and their networks fail, one thing at a time: the seed says which, and when. A failed adapter costs
 * the group its adapter and not its node; a dead or quiet network costs nothing; what cannot be told moves nothing (A6, A7).
 */
import { ADAPTER_CASES, type AdapterCase, type Layout } from "./adapter-cases.ts";
import { clusterOf, SETTINGS, type Times } from "./clusters.ts";
import { WEB } from "../checkers/adapters.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { chatter } from "../probing.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import { Wiring } from "../wiring.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

const REFERENCE = "10.0.0.254" as IpAddress;

export const adapters: Scenario = {
  name: "adapters",
  about:
    "an adapter, a port, a switch or a reference fails: the group changes its adapter, or nothing moves, as the evidence says",
  run: (seed, options) => adapterWorld(seed, ADAPTER_CASES[seed % ADAPTER_CASES.length] as AdapterCase, options),
};

export function adapterWorld(seed: number, { layout, happens }: AdapterCase, options: ScenarioOptions = {}): Outcome {
  // Each case meets every timing, and two rounds of all cases meet them evenly.
  const times = SETTINGS[(seed + Math.floor(seed / ADAPTER_CASES.length)) % SETTINGS.length] as Times;
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
