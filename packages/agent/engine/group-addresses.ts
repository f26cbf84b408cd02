/** The addresses of the groups this node holds: on their interfaces, kept there, announced to the neighbours. */
import type { Cluster, GroupConfig, NodeConfig } from "@holdfast/core/cluster.ts";
import { interfaceFor } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import { parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { earliest, type Instant } from "@holdfast/core/units/time.ts";
import { type Adapters } from "@holdfast/linux/adapters.ts";
import { type VirtualAddress, VirtualAddresses } from "@holdfast/linux/addresses.ts";
import { FrameSender, listenForClaims } from "@holdfast/linux/packet/frames.ts";
import { type Announcement, createNeighbours, type Neighbours } from "@holdfast/steering/neighbours/neighbours.ts";

export class GroupAddresses {
  readonly #adapters: Adapters;
  readonly #input: (input: Input) => void;
  readonly #places: ReadonlyMap<GroupName, readonly VirtualAddress[]>;
  readonly #groupOf = new Map<IpAddress, GroupName>();
  readonly #addresses: VirtualAddresses;
  readonly #neighbours: Neighbours;
  readonly #announced = new Map<GroupName, Announcement>();
  readonly #listening = new Map<InterfaceName, { readonly index: number; readonly close: () => void }>();

  constructor(cluster: Cluster, self: NodeConfig, adapters: Adapters, input: (input: Input) => void) {
    this.#adapters = adapters;
    this.#input = input;
    const owned = cluster.groups.filter((group) => self.role === "member" && group.prefer.includes(self.name));
    this.#places = new Map(owned.map((group) => [group.name, placesOf(group, self)]));
    for (const [group, places] of this.#places) for (const { address } of places) this.#groupOf.set(address, group);
    this.#addresses = new VirtualAddresses([...this.#places.values()].flat(), adapters);
    this.#addresses.restored(({ address, interface: name }) => {
      const group = this.#groupOf.get(address);
      if (group !== undefined) input({ kind: "addressRestored", group, address, interface: name });
    });
    const frames = new FrameSender();
    this.#neighbours = createNeighbours({
      macOf: (name) => adapters.byName(name)?.mac,
      send: (name, frame) => {
        const adapter = adapters.byName(name);
        return adapter === undefined ? failure("ENODEV") : frames.send(adapter.index, frame);
      },
    });
  }

  /** What an earlier daemon left on the interfaces and nobody holds now. */
  removeLeftovers(open: ReadonlySet<GroupName>): void {
    const keep = [...open].flatMap((group) => this.#places.get(group) ?? []);
    this.#addresses.removeLeftovers(keep);
    // C10: they are ours until the voters say otherwise.
    if (keep.length > 0) this.#addresses.place(keep);
  }

  place(group: GroupName, wanted: boolean): Result<void, string> {
    const places = this.#places.get(group) ?? [];
    if (wanted) return this.#addresses.place(places);
    this.#addresses.withdraw(places);
    return success(undefined);
  }

  /** A second announcement of the same term starts its schedule over. */
  announce(group: GroupName, term: number, now: Instant): void {
    const places = this.#places.get(group) ?? [];
    const before = this.#announced.get(group);
    this.#announced.set(group, { term, addresses: places });
    this.#neighbours.apply(this.#announced, now);
    if (before?.term === term) this.#neighbours.again(group, now);
    for (const place of places) this.#listen(place.interface);
    this.run(now);
  }

  stopAnnouncing(group: GroupName, now: Instant): void {
    if (this.#announced.delete(group)) this.#neighbours.apply(this.#announced, now);
  }

  nextDeadline(): Instant {
    return earliest(this.#neighbours.nextDeadline(), this.#addresses.nextDeadline());
  }

  run(now: Instant): void {
    // A failed announcement is repeated by its schedule; an interface without carrier is reported as such.
    this.#neighbours.run(now);
    this.#addresses.refresh(now);
  }

  /** Hear others who announce an address of ours. */
  #listen(name: InterfaceName): void {
    const adapter = this.#adapters.byName(name);
    if (adapter === undefined || this.#listening.get(name)?.index === adapter.index) return;
    this.#listening.get(name)?.close();
    const close = listenForClaims(adapter.index, (frame) => this.#heard(name, frame));
    this.#listening.set(name, { index: adapter.index, close });
  }

  #heard(name: InterfaceName, frame: Uint8Array): void {
    const claim = claimOf(frame);
    if (claim === undefined) return;
    const group = this.#groupOf.get(claim.address);
    if (group === undefined || !this.#announced.has(group)) return;
    if (claim.mac === this.#adapters.byName(name)?.mac) return;
    this.#input({ kind: "conflict", group, address: claim.address, mac: claim.mac, interface: name });
  }
}

function placesOf(group: GroupConfig, self: NodeConfig): readonly VirtualAddress[] {
  return group.addresses.map((place) => ({
    interface: interfaceFor(self, place) as InterfaceName,
    address: place.address,
    prefixLength: place.prefixLength,
  }));
}

/** The address a frame claims for the station that sent it. */
function claimOf(frame: Uint8Array): { readonly address: IpAddress; readonly mac: Mac } | undefined {
  const arp = parseArpFrame(frame);
  if (arp.ok) return { address: arp.value.senderAddress, mac: arp.value.senderMac };
  const ndp = parseNdpFrame(frame);
  if (!ndp.ok || ndp.value.kind !== "advertisement") return undefined;
  return { address: ndp.value.target, mac: ndp.value.linkLayer ?? ndp.value.sourceMac };
}
