/** The engine's seal: with the addon's cipher, which makes no garbage for each datagram. */
import type { Keys } from "../seal/keys.ts";
import { createSealer, type Sealer } from "../seal/sealer.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { BootId, NodeName } from "@holdfast/core/units/names.ts";
import { type NativeAead, nativeAead } from "@holdfast/linux/aead.ts";
import { native } from "@holdfast/linux/load.ts";

export function engineSealer(cluster: Cluster, node: NodeName, keys: Keys, boot: BootId): Sealer {
  const aead = (key: Uint8Array): NativeAead => nativeAead(native, key);
  return createSealer({ cluster: cluster.name, node, keys, boot, suite: cluster.seal, aead });
}
