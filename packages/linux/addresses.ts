/**
 * The virtual addresses of this node as desired state: those wanted are put and kept alive, others of the configuration
 * are removed. They carry a lifetime, so that those of a dead daemon vanish by themselves.
 */
import { constants } from "node:os";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { changeAddresses, listAddresses } from "./netlink/addresses.ts";
import type { AddressChange, FoundAddress } from "./netlink/addresses.ts";
import { NETLINK_ROUTE } from "./netlink/links.ts";
import { isLocal } from "./netlink/routes.ts";
import { MessageWriter } from "./netlink/message.ts";
import { describe, RequestSocket } from "./netlink/socket.ts";
import type { Adapters } from "./adapters.ts";
import type { Native } from "./native.ts";

const { EADDRNOTAVAIL, ENODEV, ENXIO } = constants.errno;
/** The address is not there, the interface is gone, IPv6 was taken off the interface. */
const ALREADY_GONE: ReadonlySet<number> = new Set([EADDRNOTAVAIL, ENODEV, ENXIO]);

export interface VirtualAddress {
  readonly interface: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

export interface AddressFailure {
  readonly address: VirtualAddress;
  readonly detail: string;
}

export interface AddressEvents {
  /** Somebody removed a wanted address; it is back. */
  readonly restored: (address: VirtualAddress) => void;
  /** A wanted address could not be refreshed or put back; it is tried again. */
  readonly failed: (failure: AddressFailure) => void;
}

export interface AddressOptions {
  /** Whole seconds, at least 2: the kernel's check may be nearly a second late. Default 4. */
  readonly lifetime_s?: number;
}

interface Placed {
  readonly wanted: VirtualAddress;
  /** When its lifetime is renewed next; on the caller's clock. */
  refreshAt: number;
}

/**
 * An address that moves to another adapter stays on the one before for so long: the kernel adds the route of the new one a
 * little later, and whatever is on its way is still taken in.
 */
const LEAVE_AFTER_MS = 20;
const LEAVE_AT_LAST_MS = 1000;
/** Somebody may remove a thousand addresses at once: not each time is the state of their interface asked for. */
const LOOK_EVERY_MS = 100;

interface Leaving {
  readonly place: VirtualAddress;
  readonly since: number;
  at: number;
}

/** IPv6 renewals are slow when there are many: few per call keep the heartbeat on time. */
const REFRESHES_A_CALL = 32;
const RETRY_MS = 250;

export class Addresses {
  readonly #adapters: Adapters;
  readonly #events: AddressEvents;
  readonly #lifetime_s: number;
  readonly #socket: RequestSocket;
  readonly #writer = new MessageWriter();
  readonly #placed = new Map<string, Placed>();
  /** On the adapter before the one that has it now. */
  readonly #leaving = new Map<string, Leaving>();
  #lookAgainAt = 0;

  /** Throws when the socket cannot be had. */
  constructor(native: Native, adapters: Adapters, events: AddressEvents, options: AddressOptions = {}) {
    this.#adapters = adapters;
    this.#events = events;
    this.#lifetime_s = options.lifetime_s ?? 4;
    this.#socket = new RequestSocket(native, NETLINK_ROUTE);
  }

  /**
   * Makes `wanted` the addresses that this node has: new ones are put, those no longer wanted removed, in one send. One that
   * changes its interface is removed from the old one a little later, by `refresh`.
   * Returns what failed; a failed one is tried again by `refresh`. `now` in milliseconds.
   */
  apply(wanted: readonly VirtualAddress[], now: number): AddressFailure[] {
    const next = new Map(wanted.map((each) => [keyOf(each), each]));
    const here = new Set(wanted.map((each) => each.address));
    const failures: AddressFailure[] = [];
    const changes: [AddressChange, VirtualAddress][] = [];
    const remove = (place: VirtualAddress): void => {
      const change = this.#change(place, "delete");
      if (change !== undefined) changes.push([change, place]);
    };
    for (const [key, { wanted: place }] of this.#placed) {
      if (next.has(key)) continue;
      this.#placed.delete(key);
      if (here.has(place.address)) this.#leaving.set(key, { place, since: now, at: now + LEAVE_AFTER_MS });
      else remove(place);
    }
    for (const [key, { place }] of this.#leaving) {
      if (here.has(place.address) && !next.has(key)) continue;
      this.#leaving.delete(key);
      if (!next.has(key)) remove(place);
    }
    for (const [key, each] of next) {
      if (this.#placed.has(key)) continue;
      this.#placed.set(key, { wanted: each, refreshAt: now + this.#period });
      const change = this.#change(each, "put");
      if (change === undefined) failures.push(this.#missing(each, now));
      else changes.push([change, each]);
    }
    return [...failures, ...this.#perform(changes, now)];
  }

  /**
   * Whether packets to the addresses are taken in yet: the kernel adds the route of an IPv6 address a little later, from a
   * work queue, even without duplicate address detection.
   */
  areUsable(addresses: readonly IpAddress[]): boolean {
    return addresses.every((address) => isIpv4(address) || isLocal(this.#socket, this.#writer, address));
  }

  /** Renews the lifetimes that are due, a few per call. */
  refresh(now: number): void {
    if (now < this.nextDeadline()) return;
    const changes = this.#leave(now);
    for (const placed of this.#placed.values()) {
      if (placed.refreshAt > now) continue;
      if (changes.length === REFRESHES_A_CALL) break;
      placed.refreshAt = now + this.#period;
      const change = this.#change(placed.wanted, "put");
      if (change === undefined) this.#events.failed(this.#missing(placed.wanted, now));
      else changes.push([change, placed.wanted]);
    }
    for (const failed of this.#perform(changes, now)) this.#events.failed(failed);
  }

  /** What has been on its new adapter for long enough. */
  #leave(now: number): [AddressChange, VirtualAddress][] {
    const changes: [AddressChange, VirtualAddress][] = [];
    for (const [key, leaving] of this.#leaving) {
      if (leaving.at > now) continue;
      const { place, since } = leaving;
      if (now - since < LEAVE_AT_LAST_MS && !this.#isUsableElsewhere(place)) {
        leaving.at = now + LEAVE_AFTER_MS;
        continue;
      }
      this.#leaving.delete(key);
      const change = this.#change(place, "delete");
      if (change !== undefined) changes.push([change, place]);
    }
    return changes;
  }

  #isUsableElsewhere({ address, interface: name }: VirtualAddress): boolean {
    if (isIpv4(address)) return true;
    for (const { wanted } of this.#placed.values()) {
      if (wanted.address !== address || wanted.interface === name) continue;
      const index = this.#adapters.byName(wanted.interface)?.index;
      return index !== undefined && isLocal(this.#socket, this.#writer, address, index);
    }
    return true;
  }

  /** When `refresh` has something to do; Infinity without addresses. */
  nextDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { at } of this.#leaving.values()) earliest = Math.min(earliest, at);
    for (const placed of this.#placed.values()) earliest = Math.min(earliest, placed.refreshAt);
    return earliest;
  }

  /** To be told of each address event (AdapterEvents.addressRemoved): puts back what is wanted. */
  removed(interfaceName: string, address: FoundAddress, now: number): void {
    const placed = this.#placed.get(
      keyOf({ interface: interfaceName, address: address.address, prefixLength: address.prefixLength }),
    );
    if (placed === undefined) return;
    const wentDown = this.#wentDown(interfaceName, now);
    // To look is to be told, and whoever was told may have moved it.
    if (this.#placed.get(keyOf(placed.wanted)) !== placed) return;
    const change = this.#change(placed.wanted, "put");
    if (change === undefined) return;
    placed.refreshAt = now + this.#period;
    const failures = this.#perform([[change, placed.wanted]], now);
    for (const failed of failures) this.#events.failed(failed);
    if (failures.length === 0 && !wentDown) this.#events.restored(placed.wanted);
  }

  /** The kernel takes IPv6 addresses along with an interface that goes down, and tells so before it tells why. */
  #wentDown(name: string, now: number): boolean {
    const isDown = (): boolean => this.#adapters.byName(name)?.down === "administratively";
    if (isDown() || now < this.#lookAgainAt) return isDown();
    this.#lookAgainAt = now + LOOK_EVERY_MS;
    this.#adapters.resync();
    return isDown();
  }

  /** Removes addresses of the configuration that are here and not wanted: left by an earlier daemon. Returns failures. */
  removeLeftovers(configured: readonly VirtualAddress[], now: number): AddressFailure[] {
    const candidates = new Map<string, VirtualAddress>();
    for (const each of configured) if (!this.#placed.has(keyOf(each))) candidates.set(keyOf(each), each);
    const listed = listAddresses(this.#socket, this.#writer);
    const changes: [AddressChange, VirtualAddress][] = [];
    // Without a list, deleting what may not be there is harmless.
    const present = listed.ok
      ? new Set(listed.value.map((found) => `${found.index} ${found.address}/${found.prefixLength}`))
      : undefined;
    for (const each of candidates.values()) {
      const change = this.#change(each, "delete");
      if (change === undefined) continue;
      if (present === undefined || present.has(`${change.index} ${each.address}/${each.prefixLength}`))
        changes.push([change, each]);
    }
    return this.#perform(changes, now);
  }

  /** Whether any of these is on an interface, whoever put it there; true when that cannot be told. */
  isPresent(addresses: readonly IpAddress[]): boolean {
    const listed = listAddresses(this.#socket, this.#writer);
    if (!listed.ok) return true;
    const looked = new Set(addresses);
    return listed.value.some(({ address }) => looked.has(address));
  }

  close(): void {
    this.#socket.close();
  }

  get #period(): number {
    return (this.#lifetime_s * 1000) / 3;
  }

  /** Undefined when the interface does not exist. */
  #change(each: VirtualAddress, kind: "put" | "delete"): AddressChange | undefined {
    const index = this.#adapters.byName(each.interface)?.index;
    if (index === undefined) return undefined;
    const { address, prefixLength } = each;
    if (kind === "delete") return { kind, index, address, prefixLength };
    return { kind, index, address, prefixLength, valid_s: this.#lifetime_s };
  }

  #missing(each: VirtualAddress, now: number): AddressFailure {
    this.#retry(each, now);
    return { address: each, detail: `no interface ${each.interface}` };
  }

  #retry(each: VirtualAddress, now: number): void {
    const placed = this.#placed.get(keyOf(each));
    if (placed !== undefined) placed.refreshAt = now + RETRY_MS;
  }

  #perform(changes: readonly [AddressChange, VirtualAddress][], now: number): AddressFailure[] {
    const origin = new Map(changes);
    const failures: AddressFailure[] = [];
    for (const { change, error } of changeAddresses(
      this.#socket,
      this.#writer,
      changes.map(([each]) => each),
    )) {
      // What is to be removed and is not there is what was wanted.
      if (change.kind === "delete" && ALREADY_GONE.has(error.errno)) continue;
      const address = origin.get(change);
      if (address === undefined) continue;
      failures.push({
        address,
        detail: `${change.kind === "put" ? "adding" : "removing"} ${address.address}/${address.prefixLength} on ${address.interface}: ${describe(error)}`,
      });
      this.#retry(address, now);
    }
    return failures;
  }
}

function keyOf(each: VirtualAddress): string {
  return `${each.interface} ${each.address}/${each.prefixLength}`;
}
