/**
 * The packet filter in front of the UDP links: follows configuration and interfaces, and says what it dropped. Where the
 * kernel refuses it the seal alone keeps strangers out, and everybody hears of it.
 */
import type { Rejections } from "./rejections.ts";
import { clusterId } from "../seal/keys.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";
import { type IpAddress, parseIp } from "@holdfast/core/units/ip.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";
import { HeartbeatFilter, type Station } from "@holdfast/linux/heartbeat-filter/filter.ts";
import { type FilteredLink, rateFor } from "@holdfast/linux/heartbeat-filter/plan.ts";
import { native } from "@holdfast/linux/load.ts";

/** Where many more are dropped than told. */
const OTHERS = "others";

export class HeartbeatGuard {
  readonly #adapters: Adapters;
  readonly #input: (...inputs: readonly Input[]) => void;
  readonly #filter: HeartbeatFilter | undefined;
  #trouble: string | undefined;
  #links: readonly FilteredLink[] = [];

  constructor(adapters: Adapters, input: (...inputs: readonly Input[]) => void) {
    this.#adapters = adapters;
    this.#input = input;
    try {
      this.#filter = new HeartbeatFilter(native);
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  /** From now on; the same again costs nothing. */
  apply(cluster: Cluster, self: NodeConfig): void {
    if (this.#filter === undefined) return;
    this.#links = this.#linksOf(cluster, self);
    const rate = rateFor(cluster.timing.heartbeat, cluster.groups.length);
    const applied = this.#filter.apply({ links: this.#links, cluster: clusterId(cluster.name), rate });
    if (!applied.ok) return this.#failed(applied.error);
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#tell("filter-works", `heartbeats to ${self.name} are filtered`, "info");
  }

  /** Once a second. */
  take(rejections: Rejections): void {
    const vanished = (detail: string): void =>
      this.#tell("filter-reinstalled", `the packet filter of heartbeats had vanished: ${detail}`, "warning");
    for (const { reason, index, port, station, packets } of this.#filter?.take(vanished) ?? []) {
      const link = this.#links.find((each) => each.index === index && each.port === port);
      if (link === undefined) continue;
      const source = station === undefined ? OTHERS : sourceText(station.address, [station]);
      rejections.count(link.name as LinkName, reason, source, packets);
    }
  }

  /** A source as people shall read it: with every MAC address that sent in its name within the last minute. */
  describe(source: string): string {
    const address = parseIp(source);
    return address === undefined ? source : sourceText(address, this.#filter?.stations(address) ?? []);
  }

  #linksOf(cluster: Cluster, self: NodeConfig): readonly FilteredLink[] {
    return cluster.links.flatMap((link) => {
      const own = self.links[link.name];
      const place = this.#adapters.all().find(({ addresses }) => addresses.some(({ address }) => address === own));
      if (link.kind !== "udp" || own === undefined || place === undefined) return [];
      const from = cluster.nodes.flatMap((node) => (node.name === self.name ? [] : (node.links[link.name] ?? [])));
      const to = link.multicast === undefined ? [own] : [own, link.multicast];
      return [{ name: link.name, index: place.index, port: link.port, to, from }];
    });
  }

  #failed(detail: string): void {
    if (this.#trouble === detail) return;
    this.#trouble = detail;
    this.#tell("filter-failed", `heartbeats are not filtered by the kernel, only by their seal: ${detail}`, "warning");
  }

  #tell(code: string, text: string, level: "info" | "warning"): void {
    this.#input({ kind: "trouble", code, text, level });
  }
}

function sourceText(address: IpAddress, stations: readonly Station[]): string {
  const macs = [...new Set(stations.map(({ mac }) => mac).filter((mac) => mac !== undefined))].toSorted();
  return macs.length === 0 ? address : `${address} (${macs.slice(0, 3).join(" and ")}${macs.length > 3 ? " ..." : ""})`;
}
