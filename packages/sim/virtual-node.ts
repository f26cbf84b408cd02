/** A machine of the virtual cluster: its kernel, what outlives its daemon, and the daemon. */
import type { SimulatedFence } from "./fence.ts";
import type { KernelClock } from "./kernel-clock.ts";
import type { SealedEnd } from "./sealing.ts";
import type { Input, LocalEvent, StoredPause, VoterRecord } from "@holdfast/core/effects.ts";
import { adaptersOf, type Cluster } from "@holdfast/core/cluster.ts";
import type { NodeState } from "@holdfast/core/node.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { Instant } from "@holdfast/core/units/time.ts";
import type { BootId, GroupName, InterfaceName, KernelId, NodeName } from "@holdfast/core/units/names.ts";

/** One network namespace of one boot of a machine: what has a fence of its own. */
export interface VirtualKernel {
  readonly id: KernelId;
  readonly clock: KernelClock;
  fence: SimulatedFence;
  readonly macs: ReadonlyMap<InterfaceName, Mac>;
  /** Where each group's addresses are, or were last: one adapter for each segment. */
  readonly placed: Map<GroupName, readonly InterfaceName[]>;
}

export interface Daemon {
  readonly state: NodeState;
  readonly boot: BootId;
  readonly queue: Input[];
  /** What effects brought back: taken before `queue`. */
  readonly results: Input[];
  readonly wire: SealedEnd | undefined;
  alive: boolean;
  running: boolean;
  /** Stopped between two effects: what goes on when it is woken. */
  parked: (() => void) | undefined;
  /** True time of the earliest wake-up that is already planned. */
  wakeAt: number;
  /** C12: no request up to this number may be committed; it was made before a stall. */
  forgotten: number;
}

export interface VirtualNode {
  readonly name: NodeName;
  /** The configuration file that its next daemon reads; undefined: the world's. */
  cluster: Cluster | undefined;
  kernel: VirtualKernel;
  /** Namespaces that were left: their fences go on until they end by themselves. */
  readonly formerKernels: VirtualKernel[];
  records: Map<GroupName, VoterRecord> | undefined;
  /** V2: kept with the records; on the kernel's clock. */
  abstainUntil: number;
  drained: string | undefined;
  /** On disk, with times of the wall clock: it outlives a loss of power. */
  pauses: readonly StoredPause[];
  /** Starts after a daemon that ended without a word, on the kernel's clock. */
  crashes: Instant[];
  readonly interfacesDown: Set<InterfaceName>;
  /** Its interfaces have no MAC address: it can neither forward nor relay. */
  stationless: boolean;
  daemon: Daemon | undefined;
  /** SIGSTOP. */
  frozen: boolean;
  readonly addresses: Set<GroupName>;
  readonly announcing: Map<GroupName, number>;
  readonly events: LocalEvent[];
  readonly announced: { readonly group: GroupName; readonly term: number; readonly at: number }[];
  readonly replies: { readonly request: number; readonly code: string; readonly text: string }[];
  exited: boolean;
}

export function newDaemon(state: Daemon["state"], boot: BootId, wire: SealedEnd | undefined): Daemon {
  return {
    state,
    boot,
    queue: [],
    results: [],
    wire,
    alive: true,
    running: false,
    parked: undefined,
    wakeAt: Number.POSITIVE_INFINITY,
    forgotten: 0,
  };
}

/** A station for each adapter that the groups may use on this node; the number of the kernel makes them its own. */
export function macsOf({ nodes, groups }: Cluster, name: NodeName, kernel: number): ReadonlyMap<InterfaceName, Mac> {
  const self = nodes.find((node) => node.name === name);
  const all = self === undefined ? [] : groups.flatMap((group) => adaptersOf(self, group).flat());
  const macOf = (i: number): Mac => `02:00:00:${hexByte(kernel >> 8)}:${hexByte(kernel)}:${hexByte(i)}` as Mac;
  return new Map([...new Set(all)].map((adapter, i) => [adapter, macOf(i)]));
}

function hexByte(value: number): string {
  return (value & 0xff).toString(16).padStart(2, "0");
}
