/**
 * What the routing table of an adapter contains by which packets from a virtual address leave, when other adapters of this
 * machine are in the same network: the main table, with those others replaced by this one. Pure.
 */
import { ipBytes, ipFromBytes } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { OwnRoute } from "./netlink/routes.ts";

/** One way of a route of the main table; `interface` undefined when it is not one of these adapters' names. */
export interface NamedHop {
  readonly interface: string;
  readonly gateway: IpAddress | undefined;
}

/** A route of the main table. Without hops nothing is sent by it. */
export interface MainRoute {
  readonly destination: string;
  readonly metric: number;
  readonly hops: readonly NamedHop[];
  readonly metrics: Uint8Array | undefined;
}

export interface TableOrder {
  readonly table: number;
  readonly interface: string;
  readonly index: number;
  /** The adapters in the same network, this one too. */
  readonly siblings: ReadonlySet<string>;
  /** Networks of the virtual addresses, which are its neighbours whatever the main table says: "10.0.0.0/24". */
  readonly networks: readonly string[];
}

/** The routes of one table, neighbours before gateways. */
export function sourceTable(order: TableOrder, main: readonly MainRoute[]): readonly OwnRoute[] {
  const best = new Map<string, MainRoute>();
  for (const network of order.networks) best.set(network, neighbours(network, order.interface));
  for (const route of main) {
    const known = best.get(route.destination);
    if (known === undefined || isBetter(order, route, known)) best.set(route.destination, route);
  }
  const routes = [...best.values()].map((route): OwnRoute => {
    const hop = hopFor(order, route);
    const { destination, metrics } = route;
    if (hop === undefined) return { table: order.table, destination, hop: undefined, metrics: undefined };
    return { table: order.table, destination, hop: { index: order.index, gateway: hop.gateway }, metrics };
  });
  return routes.toSorted((a, b) => Number(a.hop?.gateway !== undefined) - Number(b.hop?.gateway !== undefined));
}

function neighbours(destination: string, name: string): MainRoute {
  return { destination, metric: 0, hops: [{ interface: name, gateway: undefined }], metrics: undefined };
}

/** Adapters of one network have routes of different metrics to it, which mean the same here: then this adapter's own counts. */
function isBetter(order: TableOrder, route: MainRoute, known: MainRoute): boolean {
  const [mine, theirs] = [rank(order, route), rank(order, known)];
  if (mine < FOREIGN && theirs < FOREIGN && mine !== theirs) return mine < theirs;
  return route.metric === known.metric ? mine < theirs : route.metric < known.metric;
}

const FOREIGN = 2;

function rank(order: TableOrder, route: MainRoute): number {
  if (route.hops.some((hop) => hop.interface === order.interface)) return 0;
  return hopFor(order, route) === undefined ? FOREIGN : 1;
}

/** Undefined: this route is the main table's affair. */
function hopFor(order: TableOrder, route: MainRoute): NamedHop | undefined {
  const own = route.hops.find((hop) => hop.interface === order.interface);
  return own ?? route.hops.find((hop) => order.siblings.has(hop.interface));
}

/** "10.0.0.0/24" of 10.0.0.100/24. */
export function networkOf(address: IpAddress, prefixLength: number): string {
  const bytes = ipBytes(address);
  for (let i = 0; i < bytes.length; i++) {
    const bits = Math.min(8, Math.max(0, prefixLength - 8 * i));
    bytes[i] = (bytes[i] ?? 0) & (0xff << (8 - bits));
  }
  return `${ipFromBytes(bytes)}/${prefixLength}`;
}

interface Remembered {
  readonly route: MainRoute;
  /** How often its adapter had been down when the route was last seen. */
  readonly downs: number;
}

/**
 * The kernel takes the routes of an adapter out of the main table when the adapter goes, the gateway of the network among
 * them. They are kept here for the adapters that are left, until the main table has the destination again or loses it while
 * its adapter works.
 */
export class RouteMemory {
  readonly #kept = new Map<string, Remembered>();
  readonly #downs = new Map<string, number>();

  /** To be told of each adapter that does not work any more, by the reason "administratively" or because it is gone. */
  wentDown(name: string): void {
    this.#downs.set(name, this.#downsOf(name) + 1);
  }

  /** The main table with what it lost. `watched`: the adapters whose routes matter; `works`: is it administratively up? Only asked of those that lost a route. */
  complete(
    main: readonly MainRoute[],
    watched: ReadonlySet<string>,
    works: (name: string) => boolean,
  ): readonly MainRoute[] {
    const here = new Set<string>();
    for (const route of main) {
      const via = route.hops.find((hop) => watched.has(hop.interface))?.interface;
      if (via === undefined) continue;
      const key = `${route.destination} ${via}`;
      here.add(route.destination);
      this.#kept.set(key, { route, downs: this.#downsOf(via) });
    }
    const lost: MainRoute[] = [];
    for (const [key, { route, downs }] of this.#kept) {
      const via = key.slice(key.indexOf(" ") + 1);
      const present = main.includes(route);
      if (present) continue;
      const itsAdapterWentDown = !works(via) || downs !== this.#downsOf(via);
      if (!watched.has(via) || !itsAdapterWentDown || here.has(route.destination)) this.#kept.delete(key);
      else lost.push(route);
    }
    return [...main, ...lost];
  }

  #downsOf(name: string): number {
    return this.#downs.get(name) ?? 0;
  }
}
