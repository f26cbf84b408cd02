/** What a client beside the reference sees of a group: whether the station it knows for each address still answers. */
import type { VirtualKernel, VirtualNode } from "../virtual-node.ts";
import type { Wiring } from "../wiring.ts";
import { type GroupConfig, segmentsOf } from "@holdfast/core/cluster.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName } from "@holdfast/core/units/names.ts";

interface World {
  readonly now: number;
  readonly nodes: ReadonlyMap<string, VirtualNode>;
  readonly wiring: Wiring | undefined;
}

export class ClientsChecker {
  readonly #world: World;
  readonly #segments: ReadonlyMap<GroupName, number>;
  /** "group segment": the station that was announced last, as far as the announcement came. */
  readonly #known = new Map<string, Mac>();

  constructor(world: World, groups: readonly GroupConfig[]) {
    this.#world = world;
    this.#segments = new Map(groups.map((group) => [group.name, segmentsOf(group).length]));
  }

  announced(node: VirtualNode, group: GroupName): void {
    const { wiring } = this.#world;
    if (wiring === undefined) return;
    const placed = node.kernel.placed.get(group) ?? [];
    placed.forEach((on, segment) => {
      const mac = node.kernel.macs.get(on);
      if (mac !== undefined && wiring.reaches({ node, on }, wiring.clients(), wiring.networkOf(on)))
        this.#known.set(`${group} ${segment}`, mac);
    });
  }

  /** Every address of the group is answered by the station that the client would ask, and the answer comes back. */
  answered(group: GroupName): boolean {
    const segments = this.#segments.get(group) ?? 0;
    for (let segment = 0; segment < segments; segment++) if (!this.#answers(group, segment)) return false;
    return true;
  }

  #answers(group: GroupName, segment: number): boolean {
    const { wiring, nodes, now } = this.#world;
    if (wiring === undefined) return true;
    const mac = this.#known.get(`${group} ${segment}`);
    for (const node of nodes.values()) {
      const on = adapterWith(node.kernel, mac);
      // Its fence answers on every adapter, and its kernel for addresses that are on another one.
      if (on === undefined || !node.kernel.fence.isOpen(group, now) || !node.addresses.has(group)) continue;
      if (node.kernel.placed.get(group)?.[segment] !== on) continue;
      const [end, clients, network] = [{ node, on }, wiring.clients(), wiring.networkOf(on)];
      return wiring.reaches(end, clients, network) && wiring.reaches(clients, end, network);
    }
    return false;
  }
}

function adapterWith(kernel: VirtualKernel, mac: Mac | undefined): InterfaceName | undefined {
  for (const [on, own] of kernel.macs) if (own === mac) return on;
  return undefined;
}
