/**
 * Makes the stations of a network send to this node: gratuitous ARP (RFC 5227) and unsolicited neighbour advertisements
 * (RFC 4861 section 7.2.6) for every address of the groups it owns. To be started only after the fence opened, which
 * drops announcements before that.
 */
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import { earliest, NEVER } from "@holdfast/core/units/time.ts";
import { gratuitousReply, gratuitousRequest } from "@holdfast/core/wire/arp.ts";
import { unsolicitedAdvertisement } from "@holdfast/core/wire/ndp.ts";
import { announced, isDue, retry, startAgain, startSchedule } from "./schedule.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import type { Instant } from "@holdfast/core/units/time.ts";
import type { Schedule } from "./schedule.ts";

/** What the method needs of the kernel. */
export interface NeighbourPort {
  /** Undefined when there is no such interface. */
  macOf(name: InterfaceName): Mac | undefined;
  /** Sends one Ethernet frame; the error says why the kernel refused it, such as "ENETDOWN". */
  send(name: InterfaceName, frame: Uint8Array): Result<void, string>;
}

export interface AnnouncedAddress {
  readonly address: IpAddress;
  readonly interface: InterfaceName;
}

/** One group that this node owns. */
export interface Announcement {
  /** Number of the ownership: grows with every new owner. */
  readonly term: number;
  readonly addresses: readonly AnnouncedAddress[];
}

/** An announcement of an ownership that is over. */
export interface StaleTerm {
  readonly group: GroupName;
  readonly term: number;
  /** The newer one that is known. */
  readonly known: number;
}

export interface SendFailure {
  readonly group: GroupName;
  readonly address: IpAddress;
  readonly interface: InterfaceName;
  readonly reason: string;
}

export interface Neighbours {
  /**
   * The whole desired state: what is not in it is no longer announced. A new term starts the schedule of all its addresses,
   * a new address its own; the same again changes nothing. Groups with an older term are left as they are, and returned.
   */
  apply(desired: ReadonlyMap<GroupName, Announcement>, now: Instant): readonly StaleTerm[];
  /** Somebody else announced an address of this group: start over, at most once a second. */
  again(group: GroupName, now: Instant): void;
  /** Sends what is due; harmless when nothing is. What failed is returned and tried again by a later run. */
  run(now: Instant): readonly SendFailure[];
  /** When to call `run` next; NEVER when all is said. */
  nextDeadline(): Instant;
}

export function createNeighbours(port: NeighbourPort): Neighbours {
  return new ScheduledNeighbours(port);
}

/** One address of one group; each has a schedule of its own, so that one that fails does not repeat the others. */
interface Entry {
  readonly group: GroupName;
  readonly term: number;
  readonly place: AnnouncedAddress;
  schedule: Schedule;
}

class ScheduledNeighbours implements Neighbours {
  readonly #port: NeighbourPort;
  #entries: readonly Entry[] = [];
  /** The earliest of all schedules: asked at each turn of the loop. */
  #dueAt: Instant = NEVER;
  /** Kept for groups that are not announced now: an old owner's late word must not bring them back. */
  readonly #terms = new Map<GroupName, number>();

  constructor(port: NeighbourPort) {
    this.#port = port;
  }

  apply(desired: ReadonlyMap<GroupName, Announcement>, now: Instant): readonly StaleTerm[] {
    const stale: StaleTerm[] = [];
    const entries: Entry[] = [];
    for (const [group, { term, addresses }] of desired) {
      const current = this.#entries.filter((entry) => entry.group === group);
      const known = this.#terms.get(group) ?? term;
      if (term < known) {
        stale.push({ group, term, known });
        entries.push(...current);
        continue;
      }
      this.#terms.set(group, term);
      for (const place of addresses) {
        const same = current.find((entry) => entry.term === term && samePlace(entry.place, place));
        entries.push(same ?? { group, term, place, schedule: startSchedule(now) });
      }
    }
    this.#entries = entries;
    this.#setDueAt();
    return stale;
  }

  again(group: GroupName, now: Instant): void {
    for (const entry of this.#entries) if (entry.group === group) entry.schedule = startAgain(entry.schedule, now);
    this.#setDueAt();
  }

  run(now: Instant): readonly SendFailure[] {
    if (now < this.#dueAt) return [];
    const failures: SendFailure[] = [];
    for (const entry of this.#entries) {
      if (!isDue(entry.schedule, now)) continue;
      const reason = this.#announce(entry.place);
      if (reason !== undefined) failures.push({ group: entry.group, ...entry.place, reason });
      entry.schedule = reason === undefined ? announced(entry.schedule, now) : retry(entry.schedule, now);
    }
    this.#setDueAt();
    return failures;
  }

  nextDeadline(): Instant {
    return this.#dueAt;
  }

  #setDueAt(): void {
    this.#dueAt = earliest(...this.#entries.map((entry) => entry.schedule.dueAt));
  }

  /** The reason of the first failure; undefined when all was sent. */
  #announce(place: AnnouncedAddress): string | undefined {
    const mac = this.#port.macOf(place.interface);
    if (mac === undefined) return `there is no interface ${place.interface}`;
    for (const frame of announcementFrames(mac, place.address)) {
      const sent = this.#port.send(place.interface, frame);
      if (!sent.ok) return sent.error;
    }
    return undefined;
  }
}

/**
 * Both forms of gratuitous ARP for IPv4, since some stations obey only one of them, and the advertisement for IPv6. Both
 * have the fields that make Linux switch even an entry younger than a second.
 */
export function announcementFrames(mac: Mac, address: IpAddress): readonly Uint8Array[] {
  if (isIpv4(address)) return [gratuitousRequest(mac, address), gratuitousReply(mac, address)];
  return [unsolicitedAdvertisement(mac, address)];
}

function samePlace(a: AnnouncedAddress, b: AnnouncedAddress): boolean {
  return a.address === b.address && a.interface === b.interface;
}
