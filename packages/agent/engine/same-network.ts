/** Which adapters of this machine share a network, so that packets from a virtual address need a way of their own. */
import type { Segment } from "./group-places.ts";
import { inNetwork, type IpAddress } from "@holdfast/core/units/ip.ts";
import type { Adapter } from "@holdfast/linux/adapters.ts";
import type { SourceAdapter } from "@holdfast/linux/source-routes.ts";

/** Those among the segments' adapters that are not alone in their network; none on an ordinary node. */
export function adaptersInOneNetwork(segments: readonly Segment[], present: readonly Adapter[]): SourceAdapter[] {
  const virtual = new Set(segments.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  const found = new Map<string, { others: Set<string>; addresses: Map<IpAddress, Segment["addresses"][number]> }>();
  for (const { adapters, addresses } of segments) {
    for (const name of adapters) {
      const entry = found.get(name) ?? { others: new Set(), addresses: new Map() };
      found.set(name, entry);
      for (const other of adapters) if (other !== name) entry.others.add(other);
      for (const each of addresses) {
        entry.addresses.set(each.address, each);
        for (const adapter of present)
          if (adapter.name !== name && hasNetworkOf(adapter, each.address, virtual)) entry.others.add(adapter.name);
      }
    }
  }
  return [...found]
    .filter(([, { others }]) => others.size > 0)
    .map(([name, { others, addresses }]) => ({
      interface: name,
      others: [...others],
      addresses: [...addresses.values()],
    }));
}

/** By an address of its own; a port receives for another interface. */
function hasNetworkOf(adapter: Adapter, address: IpAddress, virtual: ReadonlySet<IpAddress>): boolean {
  if (adapter.loopback || adapter.port) return false;
  return adapter.addresses.some(
    (own) => !virtual.has(own.address) && own.prefixLength > 0 && inNetwork(address, own.address, own.prefixLength),
  );
}
