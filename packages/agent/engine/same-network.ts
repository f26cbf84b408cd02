/** Which adapters of this machine share a network, so that packets from a virtual address need a way of their own. */
import type { Segment } from "./group-places.ts";
import { ipBytes, type IpAddress } from "@holdfast/core/units/ip.ts";
import type { Adapter } from "@holdfast/linux/adapters.ts";
import type { SourceAdapter } from "@holdfast/linux/source-routes.ts";

/**
 * Those among the segments' adapters that are not alone in their network; none on an ordinary node. A port receives for another
 * interface and does not count.
 */
export function adaptersInOneNetwork(segments: readonly Segment[], present: readonly Adapter[]): SourceAdapter[] {
  const virtual = new Set(segments.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  const own = present
    .filter(({ loopback, port }) => !loopback && !port)
    .map(({ name, addresses }) => ({
      name,
      networks: addresses
        .filter(({ address, prefixLength }) => !virtual.has(address) && prefixLength > 0)
        .map(({ address, prefixLength }) => ({ bytes: ipBytes(address), prefixLength })),
    }));
  // A group may have a thousand addresses: each is taken apart once.
  const bytesOf = new Map([...virtual].map((address) => [address, ipBytes(address)] as const));
  const found = new Map<string, { others: Set<string>; addresses: Map<IpAddress, Segment["addresses"][number]> }>();
  for (const { adapters, addresses } of segments) {
    for (const name of adapters) {
      const entry = found.get(name) ?? { others: new Set(), addresses: new Map() };
      found.set(name, entry);
      for (const other of adapters) if (other !== name) entry.others.add(other);
      for (const each of addresses) {
        entry.addresses.set(each.address, each);
        const bytes = bytesOf.get(each.address) ?? NONE;
        for (const other of own)
          if (other.name !== name && !entry.others.has(other.name) && isInOne(other.networks, bytes))
            entry.others.add(other.name);
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

const NONE = new Uint8Array();

interface Network {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

function isInOne(networks: readonly Network[], address: Uint8Array): boolean {
  return networks.some(({ bytes, prefixLength }) => {
    if (bytes.length !== address.length) return false;
    for (let i = 0; 8 * i < prefixLength; i++) {
      const mask = 0xff << Math.max(0, 8 * (i + 1) - prefixLength);
      if ((((bytes[i] ?? 0) ^ (address[i] ?? 0)) & mask & 0xff) !== 0) return false;
    }
    return true;
  });
}
