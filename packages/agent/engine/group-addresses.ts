/** The addresses of the groups this node holds: on their interfaces, kept there, announced to the neighbours. */
import { constants } from "node:os";
import { ClaimMeter } from "./claim-meter.ts";
import { claimOf } from "./claims.ts";
import { logLine } from "./log.ts";
import { Probes } from "./probes.ts";
import { GroupPlaces, type Segment } from "./group-places.ts";
import { adaptersInOneNetwork } from "./same-network.ts";
import { TakeoverChecks } from "./takeover-checks.ts";
import { monotonic } from "./clock.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { after, between, earliest, instant, type Instant } from "@holdfast/core/units/time.ts";
import { type Adapters } from "@holdfast/linux/adapters.ts";
import { type AddressFailure, Addresses, type VirtualAddress } from "@holdfast/linux/addresses.ts";
import type { Station } from "@holdfast/linux/fence.ts";
import { errnoName, native } from "@holdfast/linux/load.ts";
import type { FoundAddress } from "@holdfast/linux/netlink/addresses.ts";
import { FrameCounters } from "@holdfast/linux/frame-counters.ts";
import { FrameListener, FrameSender } from "@holdfast/linux/packet/frames.ts";
import { resetConnections } from "@holdfast/linux/sock-diag.ts";
import { SourceRoutes } from "@holdfast/linux/source-routes.ts";
import { readSysctl, setSysctl } from "@holdfast/linux/sysctl.ts";
import { type Announcement, createNeighbours, type Neighbours } from "@holdfast/steering/neighbours/neighbours.ts";

/** How soon, and how long at most, to look whether placed addresses are usable, in milliseconds. */
const FIRST_LOOK_MS = 0.1;
const LAST_LOOK_MS = 1000;

export class GroupAddresses {
  /** Who answers for the groups' addresses, and for the reference. */
  readonly probes: Probes;
  readonly #adapters: Adapters;
  readonly #input: (input: Input) => void;
  readonly #places = new GroupPlaces();
  readonly #wanted = new Set<GroupName>();
  /** Placed, but not usable yet: since when, and when to look again. */
  readonly #unusable = new Map<GroupName, { readonly since: Instant; lookAt: Instant }>();
  readonly #addresses: Addresses;
  readonly #sourceRoutes: SourceRoutes;
  #prepared = "[]";
  #counters: FrameCounters | undefined;
  readonly #neighbours: Neighbours;
  readonly #checks: TakeoverChecks;
  readonly #meter = new ClaimMeter();
  readonly #announced = new Map<GroupName, Announcement>();
  readonly #listening = new Map<InterfaceName, { readonly index: number; readonly listener: FrameListener }>();

  constructor(cluster: Cluster, self: NodeConfig, adapters: Adapters, input: (input: Input) => void) {
    this.#adapters = adapters;
    this.#input = input;
    this.#sourceRoutes = new SourceRoutes(native, adapters, (text) => this.#routesFailed(text));
    this.#configure(cluster, self);
    if (this.#prepared === "[]") this.#sourceRoutes.prepare([]);
    this.probes = new Probes(cluster, self, adapters, {
      input,
      usedBy: (address) => this.#places.usedBy(address),
      isAnnounced: (group) => this.#announced.has(group),
    });
    this.#addresses = new Addresses(native, adapters, {
      restored: (place) => this.#tell(place, (group) => ({ ...restored(place), group })),
      failed: ({ address, detail }) => this.#tell(address, (group) => ({ kind: "addressesFailed", group, detail })),
    });
    const frames = new FrameSender(native);
    const send = (name: InterfaceName, frame: Uint8Array): Result<void, string> => {
      const adapter = adapters.byName(name);
      const sent = adapter === undefined ? -constants.errno.ENODEV : frames.sendFrame(adapter.index, frame);
      return sent < 0 ? failure(errnoName(sent)) : success(undefined);
    };
    this.#neighbours = createNeighbours({ macOf: (name) => adapters.byName(name)?.mac, send });
    this.#checks = new TakeoverChecks(cluster, adapters, send, input);
  }

  /**
   * Another configuration. The addresses of a group that this node may not own any more stay until the core withdraws
   * them; those of the others follow with the core's next wish.
   */
  change(cluster: Cluster, self: NodeConfig): void {
    this.#configure(cluster, self);
    this.probes.change(cluster, self);
    this.#checks.change(cluster);
    for (const { listener } of this.#listening.values()) listener.close();
    const names = [...this.#listening.keys()];
    this.#listening.clear();
    for (const name of names) this.#listen(name);
  }

  /** Whether any of these is on an interface of this machine, whoever put it there; true when that cannot be told. */
  isPresent(addresses: readonly IpAddress[]): boolean {
    return this.#addresses.isPresent(addresses);
  }

  #configure(cluster: Cluster, self: NodeConfig): void {
    this.#places.configure(cluster, self, this.#wanted);
    setSysctls(this.#places.segments());
    this.#prepareRoutes();
  }

  /** Which adapters share a network depends on their own addresses too. */
  #prepareRoutes(): void {
    const wanted = adaptersInOneNetwork(this.#places.segments(), this.#adapters.all());
    const text = JSON.stringify(wanted);
    if (text !== this.#prepared) this.#sourceRoutes.prepare(wanted);
    this.#prepared = text;
  }

  #routesFailed(detail: string): void {
    const text = `packets from virtual addresses may leave by another adapter of the same network: ${detail}`;
    // This may be in the middle of an input, or before there is anybody to take one.
    setImmediate(() => this.#input({ kind: "trouble", code: "source-routes-failed", text, level: "alarm" }));
  }

  isOfGroup(address: IpAddress): boolean {
    return this.#places.groupOf(address) !== undefined;
  }

  /** An interface came, went, changed its state or its own addresses. */
  adapterChanged(name: string): void {
    this.#prepareRoutes();
    this.#sourceRoutes.adapterChanged(name);
    this.probes.interfacesChanged();
    const listening = this.#listening.get(name as InterfaceName);
    if (listening === undefined || this.#adapters.byName(name)?.index === listening.index) return;
    listening.listener.close();
    this.#listening.delete(name as InterfaceName);
    if (this.#announcedBy().has(name as InterfaceName)) this.#listen(name as InterfaceName);
  }

  /** This daemon ends for good: the next one makes what it needs. */
  leave(): void {
    this.#sourceRoutes.clear();
  }

  /** What an earlier daemon left on the interfaces and nobody holds now. `placed`: where what it held open is (`placedOn`). */
  removeLeftovers(placed: ReadonlyMap<GroupName, readonly InterfaceName[]>, now: Instant): void {
    // C10: what is open is ours until the voters say otherwise.
    for (const [group, by] of placed) {
      if (!this.#places.has(group)) continue;
      this.#wanted.add(group);
      this.#places.use(group, by);
    }
    this.#apply(now);
    this.#addresses.removeLeftovers(this.#places.everywhere(), now);
  }

  /** As `placeAddresses` of the engine's adapters. */
  place(
    group: GroupName,
    wanted: boolean,
    by: readonly InterfaceName[],
    now: Instant,
  ): Result<readonly Mac[] | undefined, string> {
    if (wanted) this.#wanted.add(group);
    else this.#wanted.delete(group);
    if (wanted) this.#places.use(group, by);
    this.#unusable.delete(group);
    const failures = this.#apply(now).filter(({ address }) => this.#places.groupOf(address.address) === group);
    const [first] = failures;
    if (wanted && first !== undefined) return failure(first.detail);
    if (!wanted || this.#areUsable(group)) return success(this.#macs(group));
    this.#unusable.set(group, { since: now, lookAt: after(now, FIRST_LOOK_MS) });
    return success(undefined);
  }

  #areUsable(group: GroupName): boolean {
    return this.#addresses.areUsable(this.#places.places(group).map((place) => place.address));
  }

  /** This node's own, one for each segment; none when one of them has none. */
  #macs(group: GroupName): readonly Mac[] {
    const macs = this.#places.used(group).map((name) => this.#adapters.byName(name)?.mac);
    return macs.every((mac) => mac !== undefined) ? macs : [];
  }

  /** Addresses that the kernel had not taken in when they were placed; at last they are told of in any case. */
  #look(now: Instant): void {
    for (const [group, pending] of this.#unusable) {
      if (now < pending.lookAt) continue;
      const waited = between(pending.since, now);
      if (waited < LAST_LOOK_MS && !this.#areUsable(group)) {
        pending.lookAt = after(now, Math.max(FIRST_LOOK_MS, waited / 2));
        continue;
      }
      this.#unusable.delete(group);
      this.#input({ kind: "addressesPlaced", group, macs: this.#macs(group) });
    }
  }

  /** The other node's stations on our interfaces; none unless there is one for each segment. */
  stations(group: GroupName, macs: readonly Mac[]): readonly Station[] {
    const segments = this.#places.used(group);
    if (segments.length !== macs.length) return [];
    return segments.flatMap((name, i) => {
      const adapter = this.#adapters.byName(name);
      const mac = macs[i];
      return adapter === undefined || mac === undefined ? [] : [{ interface: adapter.index, mac }];
    });
  }

  /** Ends all listening; addresses, rules and tables stay. */
  close(): void {
    for (const { listener } of this.#listening.values()) listener.close();
    this.#listening.clear();
    this.probes.close();
    this.#sourceRoutes.close();
    this.#addresses.close();
  }

  /** As `countFrames` of the core. */
  countFrames(interfaces: readonly InterfaceName[]): void {
    this.#counters ??= new FrameCounters(native);
    for (const name of interfaces) {
      const index = this.#adapters.byName(name)?.index;
      const frames = index === undefined ? undefined : this.#counters.received(index);
      if (frames !== undefined) this.#input({ kind: "framesCounted", interface: name, frames });
    }
  }

  /** Clients of the group's connections on this node learn at once that they are over; goes on in the turns that follow. */
  resetConnections(group: GroupName): void {
    void this.#resetConnections(group);
  }

  async #resetConnections(group: GroupName): Promise<void> {
    const addresses = this.#places.places(group).map((place) => place.address);
    const { reset, trouble } = await resetConnections(native, addresses);
    if (reset > 0) logLine("info", `${group}: ${reset} connections reset`);
    if (trouble === "") return;
    const text = `connections to ${group} are not reset, their clients wait for their own timeout: ${trouble}`;
    this.#input({ kind: "trouble", code: "connections-kept", text, level: "warning" });
  }

  #apply(now: Instant): AddressFailure[] {
    const places = [...this.#wanted].flatMap((group) => this.#places.places(group));
    const failures = this.#addresses.apply(places, now);
    this.#sourceRoutes.place(places);
    return failures;
  }

  /** An address vanished from an interface: put back when it is one of ours. */
  removed(name: string, address: FoundAddress, now: Instant): void {
    this.#addresses.removed(name, address, now);
  }

  #tell(place: VirtualAddress, make: (group: GroupName) => Input): void {
    const group = this.#places.groupOf(place.address);
    if (group !== undefined) this.#input(make(group));
  }

  /** A second announcement of the same term starts its schedule over. */
  announce({ group, term, provesFrom }: Extract<Effect, { kind: "announce" }>, now: Instant): void {
    const places = this.#places.places(group);
    const before = this.#announced.get(group);
    this.#announced.set(group, { term, addresses: places });
    this.#neighbours.apply(this.#announced, now);
    if (before?.term === term) this.#neighbours.again(group, now);
    this.run(now);
    this.#checks.apply(this.#announced, now, provesFrom);
    // Nobody waits for this. On the adapter before listening goes on: to close a packet socket takes the kernel milliseconds.
    for (const name of this.#announcedBy()) this.#listen(name);
  }

  #announcedBy(): ReadonlySet<InterfaceName> {
    return new Set([...this.#announced.values()].flatMap(({ addresses }) => addresses.map((each) => each.interface)));
  }

  stopAnnouncing(group: GroupName, now: Instant): void {
    if (!this.#announced.delete(group)) return;
    this.#neighbours.apply(this.#announced, now);
    this.#checks.apply(this.#announced, now);
  }

  nextDeadline(): Instant {
    const looks = [...this.#unusable.values()].map(({ lookAt }) => lookAt);
    const [announcing, checking] = [this.#neighbours.nextDeadline(), this.#checks.nextDeadline()];
    return earliest(announcing, checking, instant(this.#addresses.nextDeadline()), ...looks);
  }

  run(now: Instant): void {
    // A failed announcement is repeated by its schedule; an interface without carrier is reported as such.
    this.#neighbours.run(now);
    this.#checks.run(now);
    this.#addresses.refresh(now);
    this.#look(now);
  }

  /** Hear others who announce an address of ours. */
  #listen(name: InterfaceName): void {
    const adapter = this.#adapters.byName(name);
    if (adapter === undefined || this.#listening.get(name)?.index === adapter.index) return;
    this.#listening.get(name)?.listener.close();
    const listener = new FrameListener(native, adapter.index, this.#places.addresses, {
      frame: (frame) => this.#heard(name, frame),
    });
    this.#listening.set(name, { index: adapter.index, listener });
  }

  #heard(name: InterfaceName, frame: Uint8Array): void {
    const claim = claimOf(frame);
    if (claim === undefined) return;
    const group = this.#places.groupOf(claim.address);
    if (group === undefined || !this.#announced.has(group)) return;
    // Another adapter of ours in the same network, which has the address now or had it.
    if (this.#adapters.all().some(({ mac }) => mac === claim.mac)) return;
    const now = monotonic();
    const count = this.#meter.take(claim.address, claim.mac, now);
    if (count === undefined) return;
    const node = this.#checks.nodeWith(claim.mac, name, now);
    this.#input({ kind: "conflict", group, ...claim, interface: name, count, ...(node === undefined ? {} : { node }) });
  }
}

function restored(place: VirtualAddress): { kind: "addressRestored"; address: IpAddress; interface: InterfaceName } {
  return { kind: "addressRestored", address: place.address, interface: place.interface as InterfaceName };
}

/**
 * `promote_secondaries`: when the node's own address is removed and added again, a virtual address of the same subnet is the
 * primary one, and withdrawing it would take the node's own along; systemd sets this everywhere too. `arp_announce`: a node
 * that answers behind the closed fence must ask for a client in its own name, or the fence drops its question. `arp_ignore`:
 * of two adapters in one network only that one may answer which has the address; Linux answers by every one.
 */
function setSysctls(segments: readonly Segment[]): void {
  for (const name of new Set(segments.flatMap(({ adapters }) => adapters))) {
    const alone = segments.every(({ adapters }) => adapters.length === 1 || !adapters.includes(name));
    for (const [key, value, without] of [
      ["promote_secondaries", "1", "withdrawing an address may remove others of its subnet"],
      ["arp_announce", "2", "a planned move may lose packets of clients this node does not know"],
      ...(alone ? [] : ([["arp_ignore", "1", "clients may learn the wrong adapter's Ethernet address"]] as const)),
    ] as const) {
      const path = `net/ipv4/conf/${name}/${key}`;
      // A stricter one is an operator's own.
      if (key === "arp_ignore" && Number(readSysctl(path) ?? 0) > 1) continue;
      const set = setSysctl(path, value);
      if (!set.ok) logLine("warning", `${set.error}; ${without}`);
    }
  }
}
