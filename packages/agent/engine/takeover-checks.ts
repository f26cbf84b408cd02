/** The kernel's side of checking a take-over (requirement A4): whom to ask, and the sockets that ask. */
import { randomBytes } from "node:crypto";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import { inNetwork, type IpAddress, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { between, instant, type Instant } from "@holdfast/core/units/time.ts";
import type { Adapter, Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { NETLINK_ROUTE } from "@holdfast/linux/netlink/links.ts";
import { MessageWriter } from "@holdfast/linux/netlink/message.ts";
import { listNeighbours, type Neighbour } from "@holdfast/linux/netlink/neighbours.ts";
import { defaultGateways } from "@holdfast/linux/netlink/gateways.ts";
import { RequestSocket } from "@holdfast/linux/netlink/socket.ts";
import { EchoSocket } from "@holdfast/linux/packet/echo.ts";
import {
  Confirmations,
  type ConfirmPort,
  type EchoLine,
  stationText,
  type Station,
} from "@holdfast/steering/neighbours/confirm.ts";
import type { AnnouncedAddress, Announcement } from "@holdfast/steering/neighbours/neighbours.ts";
import { monotonic } from "./clock.ts";

/** Who was not seen for longer is no recent client. */
const RECENT_MS = 120_000;
const NEIGHBOURS_MAX = 512;
const TOKEN_BYTES = 16;
/** Readings of the neighbour table on behalf of claims, in so long. */
const LOOKUPS_MAX = 10;
const LOOKUPS_MS = 1000;

export class TakeoverChecks {
  readonly #adapters: Adapters;
  readonly #confirmations: Confirmations;
  readonly #writer = new MessageWriter();
  #socket: RequestSocket | undefined;
  #lookups = { since: instant(Number.NEGATIVE_INFINITY), count: 0 };
  #references: readonly IpAddress[] = [];
  /** Of every group's address. */
  #prefixes: ReadonlyMap<IpAddress, number> = new Map();
  /** By the addresses of their links. */
  #nodes: ReadonlyMap<IpAddress, NodeName> = new Map();

  constructor(cluster: Cluster, adapters: Adapters, send: ConfirmPort["send"], input: (input: Input) => void) {
    this.#adapters = adapters;
    this.change(cluster);
    const port: ConfirmPort = {
      stations: (place) => this.#stations(place),
      open: (place, heard) => this.#open(place, heard),
      macOf: (name) => adapters.byName(name)?.mac,
      send,
    };
    this.#confirmations = new Confirmations(port, ({ by, detail, ...outcome }) =>
      input({
        kind: "takeoverChecked",
        ...outcome,
        by: by?.address,
        detail: by === undefined ? detail : stationText(by),
      }),
    );
  }

  change(cluster: Cluster): void {
    this.#references = cluster.reference ?? [];
    this.#prefixes = new Map(
      cluster.groups.flatMap(({ addresses }) =>
        addresses.map(({ address, prefixLength }) => [address, prefixLength] as const),
      ),
    );
    this.#nodes = new Map(
      cluster.nodes.flatMap(({ name, links }) => Object.values(links).map((address) => [address, name] as const)),
    );
  }

  apply(announced: ReadonlyMap<GroupName, Announcement>, now: Instant, provesFrom?: Instant): void {
    this.#confirmations.apply(announced, now, provesFrom);
  }

  run(now: Instant): void {
    this.#confirmations.run(now);
  }

  nextDeadline(): Instant {
    return this.#confirmations.nextDeadline();
  }

  /** The node that has this station on the network of the interface, as far as the kernel's neighbours tell. */
  nodeWith(mac: Mac, name: InterfaceName, now: Instant): NodeName | undefined {
    const adapter = this.#adapters.byName(name);
    if (adapter === undefined) return undefined;
    // A flood from many stations must not read the table for each.
    if (between(this.#lookups.since, now) >= LOOKUPS_MS) this.#lookups = { since: now, count: 0 };
    if (++this.#lookups.count > LOOKUPS_MAX) return undefined;
    for (const version of [4, 6] as const)
      for (const neighbour of this.#neighbours(adapter, version)) {
        const node = neighbour.mac === mac ? this.#nodes.get(neighbour.address) : undefined;
        if (node !== undefined) return node;
      }
    return undefined;
  }

  #neighbours(adapter: Adapter, version: 4 | 6): readonly Neighbour[] {
    return listNeighbours(this.#netlink(), this.#writer, adapter.index, version);
  }

  #netlink(): RequestSocket {
    return (this.#socket ??= new RequestSocket(native, NETLINK_ROUTE));
  }

  /** Other nodes are not asked: their fences drop what comes from the address. */
  #stations({ address, interface: name }: AnnouncedAddress): readonly Station[] {
    const adapter = this.#adapters.byName(name);
    if (adapter === undefined) return [];
    const version = isIpv4(address) ? 4 : 6;
    const neighbours = this.#neighbours(adapter, version);
    const macs = new Map(neighbours.map(({ address: at, mac }) => [at, mac]));
    const gateways = defaultGateways(this.#netlink(), this.#writer, adapter.index, version);
    const prefix = this.#prefixes.get(address) ?? 0;
    const references = this.#references.filter((each) => inNetwork(each, address, prefix));
    const recent = neighbours
      .filter(({ confirmedAge_ms }) => confirmedAge_ms <= RECENT_MS)
      .toSorted((a, b) => a.confirmedAge_ms - b.confirmedAge_ms)
      .slice(0, NEIGHBOURS_MAX);
    const stations = new Map<IpAddress, Station>();
    const add = (kind: Station["kind"], at: IpAddress): void => {
      const own = adapter.addresses.some((each) => each.address === at);
      if (own || this.#nodes.has(at) || this.#prefixes.has(at) || stations.has(at)) return;
      stations.set(at, { address: at, kind, mac: macs.get(at) });
    };
    for (const each of gateways) if (isIpv4(each) === isIpv4(address)) add("gateway", each);
    for (const each of references) add("reference", each);
    for (const each of recent) add("neighbour", each.address);
    return [...stations.values()];
  }

  #open(place: AnnouncedAddress, heard: (from: IpAddress, now: Instant) => void): Result<EchoLine, string> {
    const adapter = this.#adapters.byName(place.interface);
    if (adapter === undefined) return failure(`there is no interface ${place.interface}`);
    try {
      const options = { address: place.address, interface: adapter, token: randomBytes(TOKEN_BYTES) };
      return success(new EchoSocket(native, options, (from) => heard(from, monotonic())));
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error));
    }
  }
}
