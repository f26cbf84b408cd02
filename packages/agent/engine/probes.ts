/** Asks the network who answers for an address (`probe` of the core): ARP for IPv4, neighbour solicitations for IPv6. */
import { ClaimMeter } from "./claim-meter.ts";
import { claimOf } from "./claims.ts";
import { monotonic } from "./clock.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import { interfaceFor } from "@holdfast/core/cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import { arpRequest } from "@holdfast/core/wire/arp.ts";
import { multicastSolicitation } from "@holdfast/core/wire/ndp.ts";
import { inNetwork, type Ipv4, type Ipv6, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { type Mac, macFromBytes } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import type { Adapter, Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { FrameListener, FrameSender } from "@holdfast/linux/packet/frames.ts";

const NOBODY4 = "0.0.0.0" as Ipv4;
const NOBODY6 = "::" as Ipv6;

export interface ProbeEvents {
  readonly input: (input: Input) => void;
  /** The adapter that a group's address has here, or would have. */
  readonly usedBy: (address: IpAddress) => InterfaceName | undefined;
  /** What others say of an address that is announced here is heard elsewhere. */
  readonly isAnnounced: (group: GroupName) => boolean;
}

/** Hears answers of the reference, of the other nodes' own addresses and of the groups', on whichever interface was asked. */
export class Probes {
  readonly #adapters: Adapters;
  readonly #events: ProbeEvents;
  readonly #meter = new ClaimMeter();
  readonly #sender = new FrameSender(native);
  readonly #listening = new Map<number, FrameListener>();
  #of: ReadonlyMap<IpAddress, GroupName | undefined> = new Map();
  /** The kernel's name of the interface of each group's address. */
  #places: ReadonlyMap<IpAddress, string> = new Map();

  constructor(cluster: Cluster, self: NodeConfig, adapters: Adapters, events: ProbeEvents) {
    this.#adapters = adapters;
    this.#events = events;
    this.change(cluster, self);
  }

  change(cluster: Cluster, self: NodeConfig): void {
    for (const listener of this.#listening.values()) listener.close();
    this.#listening.clear();
    const places = cluster.groups.flatMap(({ name, addresses }) => addresses.map((place) => ({ name, place })));
    this.#places = new Map(places.map(({ place }) => [place.address, interfaceFor(self, place) ?? ""]));
    const others = cluster.nodes.filter((node) => node.name !== self.name);
    const stations = [...(cluster.reference ?? []), ...others.flatMap((node) => Object.values(node.links))];
    this.#of = new Map([
      ...stations.map((address): [IpAddress, undefined] => [address, undefined]),
      ...places.map(({ name, place }): [IpAddress, GroupName] => [place.address, name]),
    ]);
  }

  close(): void {
    for (const listener of this.#listening.values()) listener.close();
    this.#listening.clear();
    this.#sender.close();
  }

  /** What cannot be sent is not answered either. */
  send({ of, addresses, through }: Extract<Effect, { kind: "probe" }>): void {
    for (const address of addresses) {
      const adapter = this.#adapterFor(of, address, through);
      if (adapter?.mac === undefined || adapter.down === "administratively") continue;
      this.#listen(adapter);
      if (of !== undefined) this.#meter.asked(address);
      const own = of === undefined ? this.#ownAddress(adapter, address) : undefined;
      const frame = isIpv4(address)
        ? arpRequest(adapter.mac, (own ?? NOBODY4) as Ipv4, address)
        : multicastSolicitation(adapter.mac, (own ?? NOBODY6) as Ipv6, address);
      this.#sender.sendFrame(adapter.index, frame);
    }
  }

  #adapterFor(of: GroupName | undefined, address: IpAddress, through: InterfaceName | undefined): Adapter | undefined {
    if (through !== undefined) return this.#adapters.byName(through);
    if (of === undefined) return this.#towards(address);
    return this.#adapters.byName(this.#events.usedBy(address) ?? this.#places.get(address) ?? "");
  }

  /** Interfaces came or went. */
  interfacesChanged(): void {
    for (const [index, listener] of this.#listening) {
      if (this.#adapters.byIndex(index) !== undefined) continue;
      listener.close();
      this.#listening.delete(index);
    }
  }

  #towards(address: IpAddress): Adapter | undefined {
    return this.#adapters.all().find((adapter) => adapter.up && this.#ownAddress(adapter, address) !== undefined);
  }

  /** The adapter's own in the network that has this address: a group's may be fenced. */
  #ownAddress(adapter: Adapter, address: IpAddress): IpAddress | undefined {
    return adapter.addresses.find(
      (own) =>
        !this.#of.has(own.address) &&
        isIpv4(own.address) === isIpv4(address) &&
        inNetwork(address, own.address, own.prefixLength),
    )?.address;
  }

  #listen({ index, name }: Adapter): void {
    if (this.#listening.has(index)) return;
    try {
      const frame = (bytes: Uint8Array): void => this.#heard(bytes, index, name as InterfaceName);
      this.#listening.set(index, new FrameListener(native, index, [...this.#of.keys()], { frame }));
    } catch {
      // The interface has just gone: nobody answers there.
    }
  }

  #heard(frame: Uint8Array, index: number, on: InterfaceName): void {
    const claim = claimOf(frame);
    if (claim === undefined || !this.#of.has(claim.address)) return;
    if (!isForStation(frame, this.#adapters.byIndex(index)?.mac)) return;
    // Another adapter of ours in the same network is not somebody else.
    if (this.#adapters.all().some(({ mac }) => mac === claim.mac)) return;
    const of = this.#of.get(claim.address);
    if (of !== undefined) {
      if (this.#events.isAnnounced(of)) return;
      if (this.#meter.take(claim.address, claim.mac, monotonic()) === undefined) return;
    }
    this.#events.input({ kind: "answered", of, ...claim, interface: on });
  }
}

/** Not for another station: a switch that does not know it floods what is sent to it, another adapter of ours perhaps. */
function isForStation(frame: Uint8Array, mac: Mac | undefined): boolean {
  const first = frame[0] ?? 0;
  return (first & 1) === 1 || macFromBytes(frame.subarray(0, 6)) === mac;
}
