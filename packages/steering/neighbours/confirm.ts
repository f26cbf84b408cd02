/**
 * Checks that a take-over was noticed (requirement A4): an echo request from the address itself to the gateway, the
 * references and whoever was there lately. Only an answer that comes back here proves that somebody's entry for the
 * address points here. Who does not answer is asked by unicast ARP, which those obey too who ignore announcements.
 */
import { type IpAddress, type Ipv4, type Ipv6, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { after, between, earliest, type Instant, NEVER } from "@holdfast/core/units/time.ts";
import { arpRequest } from "@holdfast/core/wire/arp.ts";
import { neighbourSolicitation } from "@holdfast/core/wire/ndp.ts";
import type { AnnouncedAddress, Announcement } from "./neighbours.ts";

/**
 * Milliseconds after the first announcement: each is a little after an announcement, which may be what is obeyed. Clients
 * that are not known yet become so by their own traffic.
 */
export const CHECK_AFTER_MS: readonly number[] = [5, 60, 250, 1050, 2050];
/** Then it is told that nobody answered. */
export const CHECK_ENDS_MS = 4000;
/** From this round on those who have not answered are asked by unicast ARP or neighbour solicitation as well. */
const UNICAST_FROM = 2;

/** Checks with a socket of their own at a time; the other addresses wait for one of them to end. */
const ACTIVE_MAX = 64;
const ECHOED_MAX = 16;
const UNICAST_MAX = 64;
/** Rounds of checks in one turn of the loop, and how long it is left to others then. */
const CHECKS_A_TURN = 4;
const BREATH_MS = 2;
const NAMED_MAX = 3;

export interface Station {
  readonly address: IpAddress;
  readonly kind: "gateway" | "reference" | "neighbour";
  /** Undefined while the kernel has not seen it. */
  readonly mac: Mac | undefined;
}

/** Sends echo requests from one address. */
export interface EchoLine {
  ask(target: IpAddress, sequence: number): void;
  close(): void;
}

/** What the checks need of the kernel. */
export interface ConfirmPort {
  /** Who may be asked on the address's interface, the gateways first, then references, then who was there last. */
  stations(place: AnnouncedAddress): readonly Station[];
  /** `heard` is called for each reply to an echo request of this line. */
  open(place: AnnouncedAddress, heard: (from: IpAddress, now: Instant) => void): Result<EchoLine, string>;
  macOf(name: InterfaceName): Mac | undefined;
  send(name: InterfaceName, frame: Uint8Array): unknown;
}

export interface CheckOutcome {
  readonly group: GroupName;
  readonly term: number;
  readonly address: IpAddress;
  /** Who answered first; undefined: nobody. */
  readonly by: Station | undefined;
  /** Since the first announcement. */
  readonly after_ms: number;
  /** Who was asked, in words. */
  readonly detail: string;
  /** Checks of the same group that go on. */
  readonly pending: number;
}

interface Check {
  readonly group: GroupName;
  readonly term: number;
  readonly place: AnnouncedAddress;
  readonly startedAt: Instant;
  /** The rounds are counted from here. */
  readonly from: Instant;
  round: number;
  dueAt: Instant;
  line: EchoLine | undefined;
  readonly asked: Map<IpAddress, Station>;
}

export class Confirmations {
  readonly #port: ConfirmPort;
  readonly #told: (outcome: CheckOutcome) => void;
  #checks: readonly Check[] = [];
  /** What was announced last: the same again is not checked again. */
  #desired: ReadonlyMap<GroupName, Announcement> = new Map();
  #dueAt: Instant = NEVER;

  constructor(port: ConfirmPort, told: (outcome: CheckOutcome) => void) {
    this.#port = port;
    this.#told = told;
  }

  /**
   * The whole desired state, as for the announcements: what is new in it is checked, what is no longer in it is not. Before
   * `provesFrom` an old owner may pass on to this node what arrives there.
   */
  apply(desired: ReadonlyMap<GroupName, Announcement>, now: Instant, provesFrom: Instant = now): void {
    const kept = this.#checks.filter((check) => holds(desired.get(check.group), check.term, check.place));
    for (const check of this.#checks) if (!kept.includes(check)) check.line?.close();
    const fresh: Check[] = [];
    for (const [group, { term, addresses }] of desired) {
      const before = this.#desired.get(group);
      for (const place of addresses)
        if (!holds(before, term, place)) fresh.push(newCheck(group, term, place, now, provesFrom));
    }
    this.#checks = [...kept, ...fresh];
    this.#desired = new Map(desired);
    this.#setDueAt();
  }

  nextDeadline(): Instant {
    return this.#dueAt;
  }

  run(now: Instant): void {
    if (now < this.#dueAt) return;
    const stations = new Map<string, readonly Station[]>();
    const stationsOf = (place: AnnouncedAddress): readonly Station[] => {
      const key = `${place.interface} ${isIpv4(place.address)}`;
      const known = stations.get(key) ?? oneOfEach(this.#port.stations(place));
      stations.set(key, known);
      return known;
    };
    let rounds = 0;
    for (const check of this.#active()) {
      if (check.dueAt > now) continue;
      if (++rounds > CHECKS_A_TURN) {
        check.dueAt = after(now, BREATH_MS);
        continue;
      }
      if (between(check.from, now) >= CHECK_ENDS_MS && check.round > 0) this.#end(check, undefined, now);
      else this.#ask(check, stationsOf(check.place), now);
    }
    this.#setDueAt();
  }

  #active(): readonly Check[] {
    return this.#checks.slice(0, ACTIVE_MAX);
  }

  #setDueAt(): void {
    this.#dueAt = earliest(...this.#active().map((check) => check.dueAt));
  }

  #ask(check: Check, stations: readonly Station[], now: Instant): void {
    const { place } = check;
    if (check.line === undefined) {
      const line = this.#port.open(place, (from, at) => this.#heard(check, from, at));
      if (line.ok) check.line = line.value;
      else if (check.round === CHECK_AFTER_MS.length - 1) return this.#end(check, undefined, now, line.error);
    }
    for (const station of check.line === undefined ? [] : someOf(stations, check.round, ECHOED_MAX)) {
      check.asked.set(station.address, station);
      check.line?.ask(station.address, check.round);
    }
    if (check.round >= UNICAST_FROM) this.#askEach(check, stations);
    check.round += 1;
    const next = CHECK_AFTER_MS.find((delay) => after(check.from, delay) > now) ?? CHECK_ENDS_MS;
    check.dueAt = after(now, Math.max(BREATH_MS, next - between(check.from, now)));
  }

  /** A question of its own to each known station: the answer needs the address's entry, and makes it right. */
  #askEach(check: Check, stations: readonly Station[]): void {
    const { address, interface: name } = check.place;
    const mac = this.#port.macOf(name);
    const known = stations.filter((station) => station.mac !== undefined);
    if (mac === undefined || known.length === 0) return;
    for (const station of someOf(known, check.round - UNICAST_FROM, UNICAST_MAX)) {
      check.asked.set(station.address, station);
      this.#port.send(name, question(mac, address, station));
    }
  }

  #heard(check: Check, from: IpAddress, now: Instant): void {
    const station = check.asked.get(from);
    if (station === undefined || !this.#checks.includes(check)) return;
    this.#end(check, station, now);
    this.#setDueAt();
  }

  #end(check: Check, by: Station | undefined, now: Instant, trouble?: string): void {
    check.line?.close();
    this.#checks = this.#checks.filter((each) => each !== check);
    this.#told({
      group: check.group,
      term: check.term,
      address: check.place.address,
      by,
      after_ms: Math.round(10 * between(check.startedAt, now)) / 10,
      detail: trouble ?? askedText(check),
      pending: this.#checks.filter((each) => each.group === check.group).length,
    });
  }
}

function newCheck(group: GroupName, term: number, place: AnnouncedAddress, now: Instant, provesFrom: Instant): Check {
  const from = provesFrom > now ? provesFrom : now;
  const dueAt = after(from, CHECK_AFTER_MS[0] ?? 0);
  return { group, term, place, startedAt: now, from, round: 0, dueAt, line: undefined, asked: new Map() };
}

function holds(announcement: Announcement | undefined, term: number, place: AnnouncedAddress): boolean {
  if (announcement?.term !== term) return false;
  return announcement.addresses.some((each) => each.address === place.address && each.interface === place.interface);
}

/** A station may have many addresses, and has one entry for ours. */
function oneOfEach(stations: readonly Station[]): readonly Station[] {
  const macs = new Set<Mac>();
  return stations.filter(({ mac }) => {
    if (mac === undefined) return true;
    const isNew = !macs.has(mac);
    macs.add(mac);
    return isNew;
  });
}

/** The gateways and references always, of the neighbours in each round the next ones. */
function someOf(stations: readonly Station[], round: number, most: number): readonly Station[] {
  const always = stations.filter(({ kind }) => kind !== "neighbour").slice(0, most);
  const neighbours = stations.filter(({ kind }) => kind === "neighbour");
  const room = Math.min(most - always.length, neighbours.length);
  const next = Array.from({ length: room }, (_, i) => neighbours[(round * room + i) % neighbours.length] as Station);
  return [...always, ...next];
}

function question(mac: Mac, address: IpAddress, station: Station): Uint8Array {
  const to = station.mac as Mac;
  if (isIpv4(address)) return arpRequest(mac, address, station.address as Ipv4, to);
  return neighbourSolicitation(mac, address, station.address as Ipv6, to);
}

function askedText({ asked, place }: Check): string {
  if (asked.size === 0) return `no gateway, reference or neighbour is known on ${place.interface}`;
  const names = [...asked.values()].slice(0, NAMED_MAX).map(stationText);
  return `asked ${names.join(", ")}${asked.size > NAMED_MAX ? ` and ${asked.size - NAMED_MAX} more` : ""}`;
}

export function stationText({ address, kind }: Station): string {
  return kind === "neighbour" ? address : `${address} (${kind})`;
}
