/** What becomes of the interfaces of this node: who has to know of it, and which of those that groups may use do not work, and why. */
import { monotonic } from "./clock.ts";
import type { GroupAddresses } from "./group-addresses.ts";
import type { Links } from "./links.ts";
import { adaptersOf, type Cluster, type NodeConfig } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { InterfaceName } from "@holdfast/core/units/names.ts";
import type { AdapterEvents, Adapters } from "@holdfast/linux/adapters.ts";
import type { Fence } from "@holdfast/linux/fence.ts";

type Down = "administratively" | "missing" | "no-carrier";

export class WatchedInterfaces {
  readonly #adapters: Adapters;
  readonly #input: (input: Input) => void;
  /** What was last told of each; undefined: it works. */
  readonly #told = new Map<InterfaceName, Down | undefined>();

  constructor(cluster: Cluster, self: NodeConfig, adapters: Adapters, input: (input: Input) => void) {
    this.#adapters = adapters;
    this.#input = input;
    this.change(cluster, self);
  }

  /** Of another configuration; what does not work is told by `down`, and why by `tellReasons`. */
  change(cluster: Cluster, self: NodeConfig): void {
    this.#told.clear();
    for (const name of interfacesOf(cluster, self)) this.#told.set(name, this.#look(name));
  }

  /** Those that do not work, as was last told. */
  down(): readonly InterfaceName[] {
    return [...this.#told].filter(([, down]) => down !== undefined).map(([name]) => name);
  }

  /** For those who know by `down` only that something does not work. */
  tellReasons(): void {
    for (const [name, down] of this.#told) if (down !== undefined) this.#tell(name, down);
  }

  /** Something may have changed about the interface of this name. */
  look(name: string): void {
    const watched = name as InterfaceName;
    if (!this.#told.has(watched)) return;
    const down = this.#look(watched);
    if (down === this.#told.get(watched)) return;
    this.#told.set(watched, down);
    this.#tell(watched, down);
  }

  #look(name: InterfaceName): Down | undefined {
    const adapter = this.#adapters.byName(name);
    return adapter === undefined ? "missing" : adapter.down;
  }

  #tell(name: InterfaceName, down: Down | undefined): void {
    const told = { kind: "interfaceChanged", interface: name, up: down === undefined } as const;
    this.#input(down === undefined ? told : { ...told, down });
  }
}

/** Those of the file, and of each group that this node may own every adapter, also by the kernel's name. */
function interfacesOf(cluster: Cluster, self: NodeConfig): ReadonlySet<InterfaceName> {
  const names = new Set(Object.values(self.interfaces));
  for (const group of cluster.groups) {
    if (self.role !== "member" || !group.prefer.includes(self.name)) continue;
    for (const name of adaptersOf(self, group).flat()) names.add(name);
  }
  return names;
}

export interface Followers {
  readonly fence: Pick<Fence, "coverInterface" | "uncoverInterface">;
  readonly interfaces: WatchedInterfaces;
  readonly addresses: GroupAddresses;
  readonly links: Links;
  /** An interface that the fence cannot cover. */
  readonly uncovered: (text: string) => void;
}

/** First the fence, then the core, which may move addresses at once; what can wait comes last. */
export function followInterfaces(
  events: { -readonly [Name in keyof AdapterEvents]: AdapterEvents[Name] },
  { fence, interfaces, addresses, links, uncovered }: Followers,
): void {
  const changed = (name: string): void => {
    interfaces.look(name);
    addresses.adapterChanged(name);
    links.open();
  };
  events.changed = (adapter, before) => {
    const covered = fence.coverInterface(adapter.index, adapter.name, adapter.port);
    if (!covered.ok) uncovered(`${covered.error}; fenced addresses do not pass there`);
    if (before !== undefined && before.name !== adapter.name) changed(before.name);
    changed(adapter.name);
  };
  events.removed = (adapter) => {
    fence.uncoverInterface(adapter.index);
    changed(adapter.name);
  };
  events.addressAdded = (adapter, { address }) => {
    // A group may have a thousand addresses; which networks there are depends on the node's own.
    if (!addresses.isOfGroup(address)) addresses.adapterChanged(adapter.name);
    links.open();
  };
  events.addressRemoved = (adapter, address) => {
    addresses.removed(adapter.name, address, monotonic());
    links.open();
  };
}
