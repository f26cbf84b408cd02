/** Where the addresses of the groups are on this node: by which of its adapters, segment by segment. */
import { adaptersOf, type Cluster, type GroupConfig, type NodeConfig, segmentsOf } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";
import type { VirtualAddress } from "@holdfast/linux/addresses.ts";

export interface Place extends VirtualAddress {
  readonly interface: InterfaceName;
}

interface Known {
  readonly config: GroupConfig;
  /** Of each segment, the service adapter first. */
  readonly adapters: readonly (readonly InterfaceName[])[];
  /** The one in use, of each segment. */
  readonly used: readonly InterfaceName[];
}

/** One segment of a group: what may carry its addresses here. */
export interface Segment {
  readonly adapters: readonly InterfaceName[];
  readonly addresses: readonly { readonly address: IpAddress; readonly prefixLength: number }[];
}

export class GroupPlaces {
  #groups: ReadonlyMap<GroupName, Known> = new Map();
  #groupOf: ReadonlyMap<IpAddress, GroupName> = new Map();

  /** The groups that this node may own, and those of `kept`, which stay as they were until they are withdrawn. */
  configure(cluster: Cluster, self: NodeConfig, kept: ReadonlySet<GroupName>): void {
    const groups = new Map<GroupName, Known>();
    for (const name of kept) {
      const known = this.#groups.get(name);
      if (known !== undefined) groups.set(name, known);
    }
    for (const config of cluster.groups) {
      if (self.role !== "member" || !config.prefer.includes(self.name)) continue;
      const adapters = adaptersOf(self, config);
      const before = groups.get(config.name)?.used ?? [];
      const used = adapters.map((names) => before.find((name) => names.includes(name)) ?? (names[0] as InterfaceName));
      groups.set(config.name, { config, adapters, used });
    }
    this.#groups = groups;
    this.#groupOf = new Map(
      [...groups].flatMap(([name, { config }]) => config.addresses.map(({ address }) => [address, name] as const)),
    );
  }

  /** From now on by these adapters, one for each segment; a wish for another number of segments changes nothing. */
  use(group: GroupName, adapters: readonly InterfaceName[]): void {
    const known = this.#groups.get(group);
    if (known === undefined || adapters.length !== known.used.length) return;
    this.#groups = new Map([...this.#groups, [group, { ...known, used: [...adapters] }]]);
  }

  has(group: GroupName): boolean {
    return this.#groups.has(group);
  }

  groupOf(address: IpAddress): GroupName | undefined {
    return this.#groupOf.get(address);
  }

  /** All addresses of all groups. */
  get addresses(): readonly IpAddress[] {
    return [...this.#groupOf.keys()];
  }

  /** The adapters in use, in the order of `segmentsOf`. */
  used(group: GroupName): readonly InterfaceName[] {
    return this.#groups.get(group)?.used ?? [];
  }

  /** The adapter in use for an address of these groups. */
  usedBy(address: IpAddress): InterfaceName | undefined {
    const group = this.#groupOf.get(address);
    return group === undefined ? undefined : this.places(group).find((place) => place.address === address)?.interface;
  }

  /** The group's addresses by the adapters in use. */
  places(group: GroupName): readonly Place[] {
    const known = this.#groups.get(group);
    if (known === undefined) return [];
    return segmentsIn(known).flatMap(({ addresses }, i) =>
      addresses.map(({ address, prefixLength }) => ({
        interface: known.used[i] as InterfaceName,
        address,
        prefixLength,
      })),
    );
  }

  /** Every address by every adapter that may carry it. */
  everywhere(): readonly Place[] {
    return this.segments().flatMap(({ adapters, addresses }) =>
      adapters.flatMap((name) => addresses.map((each) => ({ ...each, interface: name }))),
    );
  }

  segments(): readonly Segment[] {
    return [...this.#groups.values()].flatMap(segmentsIn);
  }
}

function segmentsIn({ config, adapters }: Known): readonly Segment[] {
  return segmentsOf(config).map((segment, i) => ({
    adapters: adapters[i] ?? [],
    addresses: config.addresses
      .filter(({ interfaces }) => interfaces[0] === segment)
      .map(({ address, prefixLength }) => ({ address, prefixLength })),
  }));
}

/** Where the addresses of these groups are now, segment by segment: an earlier daemon put them there. */
export function placedOn(
  cluster: Cluster,
  self: NodeConfig,
  groups: ReadonlySet<GroupName>,
  adapters: Pick<Adapters, "byName">,
): ReadonlyMap<GroupName, readonly InterfaceName[]> {
  const placed = new Map<GroupName, readonly InterfaceName[]>();
  for (const config of cluster.groups) {
    if (!groups.has(config.name) || self.role !== "member" || !config.prefer.includes(self.name)) continue;
    const known: Known = { config, adapters: adaptersOf(self, config), used: [] };
    const found = segmentsIn(known).map(({ adapters: names, addresses }) => {
      const here = new Set(addresses.map(({ address }) => address));
      const has = (name: InterfaceName): boolean =>
        adapters.byName(name)?.addresses.some(({ address }) => here.has(address)) === true;
      return names.find(has) ?? (names[0] as InterfaceName);
    });
    placed.set(config.name, found);
  }
  return placed;
}
