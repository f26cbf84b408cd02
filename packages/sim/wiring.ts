/**
 * What the nodes of a virtual cluster are plugged into: adapters with a carrier or without, switches that may die with the
 * carrier left on, a reference and other stations, and counters of the frames that each adapter has received.
 */
import { BACK, BACK_STANDBY, LAN, SERVICE, SERVICE_STANDBY } from "./scenarios/clusters.ts";
import type { VirtualNode } from "./virtual-node.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";

/** The switch of each adapter; those of a segment are on two, joined by a third, where clients and the reference are. */
const SWITCHES: Readonly<Record<string, readonly [network: string, leaf: string]>> = {
  [SERVICE]: ["service", "service"],
  [SERVICE_STANDBY]: ["service", "service-standby"],
  [BACK]: ["back", "back"],
  [BACK_STANDBY]: ["back", "back-standby"],
};
const CLIENTS = "clients";

export interface Station {
  readonly network: "service" | "back";
  readonly address: IpAddress | undefined;
  alive: boolean;
  /** It says something to everybody every so many milliseconds; undefined: only when asked. */
  readonly chatty_ms: number | undefined;
}

/** One end of the network: an adapter of a node, or a station beside the clients. */
export interface End {
  readonly node: VirtualNode | undefined;
  /** An adapter's name, or `clients`. */
  readonly on: string;
}

export class Wiring {
  /** "n1 eth0": nothing it sends comes out, nothing that is sent to it comes in; its carrier is there all the time. */
  readonly mute = new Set<string>();
  readonly deaf = new Set<string>();
  /** Switches that pass nothing on, with the carrier there. */
  readonly deadSwitches = new Set<string>();
  /** Nodes that are not on these networks: a remote witness. */
  readonly remote = new Set<NodeName>();
  readonly stations: Station[] = [];
  readonly #frames = new Map<string, number>();
  readonly #interfaces: ReadonlyMap<LinkName, InterfaceName> = new Map([[LAN, SERVICE]]);

  /** The adapter that a link is on; undefined: it has a network of its own. */
  adapterOf(link: LinkName, node: NodeName): InterfaceName | undefined {
    return this.remote.has(node) ? undefined : this.#interfaces.get(link);
  }

  links(): ReadonlyMap<LinkName, InterfaceName> {
    return this.#interfaces;
  }

  /** Nothing comes or goes; the carrier stays. */
  silence(node: string, on: InterfaceName): void {
    this.mute.add(`${node} ${on}`);
    this.deaf.add(`${node} ${on}`);
  }

  restore(node: string, on: InterfaceName): void {
    this.mute.delete(`${node} ${on}`);
    this.deaf.delete(`${node} ${on}`);
  }

  heal(): void {
    this.mute.clear();
    this.deaf.clear();
    this.deadSwitches.clear();
    for (const station of this.stations) station.alive = true;
  }

  /** Whether a frame that `from` sends comes to `to`. */
  reaches(from: End, to: End, network: string): boolean {
    if (!works(from) || !works(to)) return false;
    if (this.mute.has(`${from.node?.name} ${from.on}`) || this.deaf.has(`${to.node?.name} ${to.on}`)) return false;
    const [a, b] = [leafOf(from, network), leafOf(to, network)];
    if (a === undefined || b === undefined || this.deadSwitches.has(a) || this.deadSwitches.has(b)) return false;
    return a === b || !this.deadSwitches.has(`${network}-joint`);
  }

  /** A datagram of a link arrives, as far as the adapters at both ends go; the receiver's counts it. */
  carries(from: VirtualNode, to: VirtualNode, link: LinkName): boolean {
    const [on, at] = [this.adapterOf(link, from.name), this.adapterOf(link, to.name)];
    if (on === undefined || at === undefined) return on === at;
    const [network] = SWITCHES[on] ?? ["service"];
    if (!this.reaches({ node: from, on }, { node: to, on: at }, network)) return false;
    this.received(to, at);
    return true;
  }

  /** What `from` says to everybody. */
  broadcast(from: End, network: string, nodes: Iterable<VirtualNode>): void {
    for (const node of nodes)
      for (const on of Object.keys(SWITCHES) as InterfaceName[])
        if ((node !== from.node || on !== from.on) && this.reaches(from, { node, on }, network))
          this.received(node, on);
  }

  received(node: VirtualNode, on: InterfaceName): void {
    const key = `${node.name} ${on}`;
    this.#frames.set(key, (this.#frames.get(key) ?? 0) + 1);
  }

  frames(node: VirtualNode, on: InterfaceName): number {
    return this.#frames.get(`${node.name} ${on}`) ?? 0;
  }

  networkOf(on: InterfaceName): string {
    return SWITCHES[on]?.[0] ?? "service";
  }

  clients(): End {
    return { node: undefined, on: CLIENTS };
  }
}

function works({ node, on }: End): boolean {
  return node === undefined || !node.interfacesDown.has(on as InterfaceName);
}

function leafOf({ on }: End, network: string): string | undefined {
  if (on === CLIENTS) return `${network}-joint`;
  const [of, leaf] = SWITCHES[on] ?? [];
  return of === network ? leaf : undefined;
}
