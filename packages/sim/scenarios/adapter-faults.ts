/** What happens to adapters, switches and stations of a hostile world, at random. */
import { BACK, BACK_STANDBY, SERVICE, SERVICE_STANDBY } from "./clusters.ts";
import type { VirtualCluster } from "../virtual-cluster.ts";
import { Wiring } from "../wiring.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

const ADAPTERS = [SERVICE, SERVICE_STANDBY, BACK, BACK_STANDBY] as const;
const SWITCHES = ["service", "service-standby", "service-joint", "back", "back-standby"] as const;

const REFERENCE = "10.0.0.254" as IpAddress;

export function withStandbyAdapters(cluster: Cluster, reference: boolean): Cluster {
  const groups = cluster.groups.map((group) => ({
    ...group,
    addresses: group.addresses.map((each) => ({
      ...each,
      interfaces: each.interfaces.flatMap((name) => [name, `${name}-standby`]),
    })),
  }));
  return { ...cluster, groups, ...(reference ? { reference: [REFERENCE] } : {}) };
}

/** Before any daemon starts. */
export function plugIn(world: VirtualCluster): void {
  const wiring = new Wiring();
  world.wiring = wiring;
  for (const address of world.cluster.reference ?? [])
    wiring.stations.push({ network: "service", address, alive: true, chatty_ms: undefined });
}

/** Half of the time something heals, so that there is something to break. */
export function adapterFault(world: VirtualCluster, wiring: Wiring, name: NodeName): void {
  const on = world.pick(ADAPTERS);
  const dice = world.random();
  if (dice < 0.15) wiring.silence(name, on);
  else if (dice < 0.2) wiring.deaf.add(`${name} ${on}`);
  else if (dice < 0.25) wiring.mute.add(`${name} ${on}`);
  else if (dice < 0.35) world.setInterface(name, on, false);
  else if (dice < 0.4) wiring.deadSwitches.add(world.pick(SWITCHES));
  else if (dice < 0.45) for (const station of wiring.stations) station.alive = world.random() < 0.5;
  else if (dice < 0.65) for (const each of ADAPTERS) world.setInterface(name, each, true);
  else if (dice < 0.85) for (const each of ADAPTERS) wiring.restore(name, each);
  else wiring.heal();
}
