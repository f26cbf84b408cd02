/** For kernel tests: frames that ask for an address, and that announce one. */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { macBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

const BROADCAST = [255, 255, 255, 255, 255, 255];
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const OVERRIDE = 0x20;

/** Who has `target`: an ARP request, or a solicitation to the solicited-node multicast address (RFC 4861 section 4.3). */
export function neighbourQuestion(mac: Mac, source: IpAddress, target: IpAddress): Uint8Array {
  if (isIpv4(target)) return arpRequest(mac, source, target);
  const last = ipBytes(target).subarray(13);
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...last);
  const message = Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...ipBytes(target), 1, 1, ...macBytes(mac));
  return icmpv6(mac, ipBytes(source), group, message);
}

/** A gratuitous ARP request, or an unsolicited advertisement that overrides (RFC 4861 section 4.4). */
export function announcement(mac: Mac, address: IpAddress): Uint8Array {
  if (isIpv4(address)) return arpRequest(mac, address, address);
  const message = Uint8Array.of(136, 0, 0, 0, OVERRIDE, 0, 0, 0, ...ipBytes(address), 2, 1, ...macBytes(mac));
  return icmpv6(mac, ipBytes(address), ALL_NODES, message);
}

/** The sender of an ARP packet, or of an advertisement by its option. */
export function neighbourMac(frame: Uint8Array): Uint8Array {
  return frame[12] === 8 ? frame.subarray(22, 28) : frame.subarray(80, 86);
}

function arpRequest(mac: Mac, source: IpAddress, target: IpAddress): Uint8Array {
  const header = [0, 1, 8, 0, 6, 4, 0, 1];
  const own = macBytes(mac);
  return Uint8Array.of(
    ...BROADCAST,
    ...own,
    8,
    6,
    ...header,
    ...own,
    ...ipBytes(source),
    0,
    0,
    0,
    0,
    0,
    0,
    ...ipBytes(target),
  );
}

/** To a multicast address. Fills in the checksum. */
function icmpv6(mac: Mac, source: Uint8Array, group: Uint8Array, message: Uint8Array): Uint8Array {
  const sum = checksum(Uint8Array.of(...source, ...group, 0, 0, 0, message.length, 0, 0, 0, 58, ...message));
  message[2] = sum >> 8;
  message[3] = sum & 0xff;
  const link = [0x33, 0x33, ...group.subarray(12), ...macBytes(mac), 0x86, 0xdd];
  return Uint8Array.of(...link, 0x60, 0, 0, 0, 0, message.length, 58, 255, ...source, ...group, ...message);
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
