/** What the parser hands out: the cluster, and where in the file its addresses stand. Plain JSON. */
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";
import type { Place } from "./config-error.ts";

export interface ParsedConfig {
  /** As the operator named it. */
  readonly file: string;
  readonly cluster: Cluster;
  readonly addresses: readonly AddressSource[];
  readonly interfaces: readonly InterfaceSource[];
}

export interface AddressSource {
  readonly group: GroupName;
  readonly address: IpAddress;
  /** The operator said that no network of the interface needs to hold it. */
  readonly outsideNetworks: boolean;
  readonly place: Place;
}

/** Where an interface that carries addresses is named. */
export interface InterfaceSource {
  /** Null: the name is the kernel's own, the same on every node. */
  readonly node: NodeName | null;
  /** As groups name it: a logical name, or the kernel's. */
  readonly name: string;
  readonly place: Place;
}
