/** What ARP and neighbour advertisements say about who has an address. */
import { parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

/** The address a frame claims for the station that sent it. */
export function claimOf(frame: Uint8Array): { readonly address: IpAddress; readonly mac: Mac } | undefined {
  const arp = parseArpFrame(frame);
  if (arp.ok) return { address: arp.value.senderAddress, mac: arp.value.senderMac };
  const ndp = parseNdpFrame(frame);
  if (!ndp.ok || ndp.value.kind !== "advertisement") return undefined;
  return { address: ndp.value.target, mac: ndp.value.linkLayer ?? ndp.value.sourceMac };
}
