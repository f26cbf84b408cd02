/** The sealer with its cipher in the addon: a tenth of what node:crypto costs a datagram. */
import type { Keys } from "../seal/keys.ts";
import { createSealer, type Sealer } from "../seal/sealer.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import { nativeAead } from "@holdfast/linux/aead.ts";
import { native } from "@holdfast/linux/load.ts";

export function nativeSealer({ name, seal }: Cluster, keys: Keys, boot: BootId): Sealer {
  return createSealer({ cluster: name, keys, boot, suite: seal, aead: (key) => nativeAead(native, key) });
}
