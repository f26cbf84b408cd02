/** Who answers when a node asks on the network (the effect `probe`), and what others hear of the question. */
import type { End, Wiring } from "./wiring.ts";
import type { VirtualNode } from "./virtual-node.ts";
import type { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { InterfaceName, LinkName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

const ANSWER_MS = 0.5;
const STRANGER = "02:00:00:00:00:fe" as Mac;

export type Probe = Extract<Effect, { kind: "probe" }>;

export function probe(world: VirtualCluster, node: VirtualNode, effect: Probe): void {
  const { wiring } = world;
  if (effect.through === undefined) askAnybody(world, node, effect);
  else if (wiring !== undefined) askStations(world, wiring, node, effect);
}

/** The reference answers always, a group's address when another node's fence is open. */
function askAnybody(world: VirtualCluster, node: VirtualNode, { of, addresses }: Probe): void {
  const there = (name: VirtualNode["name"]): boolean => !world.clientsCut.has(name);
  const owners = [...world.nodes.keys()].filter(
    (name) => name !== node.name && of !== undefined && world.isOpen(name, of),
  );
  if (!there(node.name) || (of !== undefined && !owners.some(there))) return;
  const from = { mac: STRANGER, interface: "eth0" as InterfaceName };
  for (const address of addresses)
    world.at(ANSWER_MS, () => world.arrived(node.name, { kind: "answered", of, address, ...from }));
}

function askStations(world: VirtualCluster, wiring: Wiring, node: VirtualNode, { addresses, through }: Probe): void {
  const on = through ?? ("eth0" as InterfaceName);
  const asker: End = { node, on };
  const network = wiring.networkOf(on);
  for (const address of addresses) {
    wiring.broadcast(asker, network, world.nodes.values());
    const station = stationOf(world, wiring, address, network);
    if (station === undefined || !wiring.reaches(asker, station, network)) continue;
    world.at(ANSWER_MS, () => {
      if (!wiring.reaches(station, asker, network)) return;
      wiring.received(node, on);
      // Of the nodes' own addresses only the frames are noticed.
      if (station.node !== undefined) return;
      const answered: Input = { kind: "answered", of: undefined, address, mac: STRANGER, interface: on };
      world.arrived(node.name, answered);
    });
  }
}

function stationOf(world: VirtualCluster, wiring: Wiring, address: IpAddress, network: string): End | undefined {
  if (wiring.stations.some((each) => each.address === address && each.network === network && each.alive))
    return wiring.clients();
  for (const { name, links } of world.cluster.nodes) {
    const link = Object.keys(links).find((each) => links[each] === address) as LinkName | undefined;
    const on = link === undefined ? undefined : wiring.adapterOf(link, name);
    if (on !== undefined && wiring.networkOf(on) === network) return { node: world.node(name), on };
  }
  return undefined;
}

/** Stations that talk without being asked. */
export function chatter(world: VirtualCluster, wiring: Wiring): void {
  for (const station of wiring.stations) {
    const every = station.chatty_ms;
    if (every === undefined) continue;
    const say = (): void => {
      if (station.alive) wiring.broadcast(wiring.clients(), station.network, world.nodes.values());
      world.at(every * (0.5 + world.random()), say);
    };
    world.at(every * world.random(), say);
  }
}
