/** Socket addresses as the kernel has them in memory: sockaddr_in, sockaddr_in6 and sockaddr_ll. */
import { ipBytes, ipFromBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

/** 16 bytes for IPv4, 28 for IPv6. `scope` is the interface of a link-local IPv6 address. */
export function internetAddress(address: IpAddress, port: number, scope = 0): Uint8Array {
  const bytes = ipBytes(address);
  const v4 = isIpv4(address);
  const out = new Uint8Array(v4 ? 16 : 28);
  const view = new DataView(out.buffer);
  new Uint16Array(out.buffer, 0, 1)[0] = v4 ? AF_INET : AF_INET6;
  view.setUint16(2, port);
  out.set(bytes, v4 ? 4 : 8);
  if (!v4) new Uint32Array(out.buffer, 24, 1)[0] = scope;
  return out;
}

/** Undefined for another family or a cut address. */
export function readInternetAddress(
  bytes: Uint8Array,
): { readonly address: IpAddress; readonly port: number } | undefined {
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = new Uint16Array(bytes.slice(0, 2).buffer)[0];
  if (family === AF_INET) return { address: ipFromBytes(bytes.subarray(4, 8)), port: view.getUint16(2) };
  if (family === AF_INET6 && bytes.length >= 24)
    return { address: ipFromBytes(bytes.subarray(8, 24)), port: view.getUint16(2) };
  return undefined;
}

/** Who sent a datagram. The text is made when it is asked for: for most datagrams nobody does. */
export class DatagramSource {
  #bytes: Uint8Array = new Uint8Array(0);

  /** The bytes of the kernel's socket address; they must not change before the source is asked. */
  set bytes(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** "0.0.0.0" when the kernel gave no internet address. */
  get address(): IpAddress {
    return readInternetAddress(this.#bytes)?.address ?? ("0.0.0.0" as IpAddress);
  }

  get port(): number {
    return readInternetAddress(this.#bytes)?.port ?? 0;
  }
}

/** Where sockaddr_ll has the length of its hardware address, and the address. */
const LINK_ADDRESS_LENGTH = 11;
export const LINK_ADDRESS = 12;

/** `struct sockaddr_ll`, 20 bytes; `protocol` an EtherType, 0 for none; `to`: the six bytes of a destination. */
export function linkAddress(interfaceIndex: number, protocol: number, to?: Uint8Array): Uint8Array {
  const out = new Uint8Array(20);
  new Uint16Array(out.buffer, 0, 1)[0] = AF_PACKET;
  new DataView(out.buffer).setUint16(2, protocol);
  new Int32Array(out.buffer, 4, 1)[0] = interfaceIndex;
  if (to !== undefined) {
    out[LINK_ADDRESS_LENGTH] = 6;
    out.set(to.subarray(0, 6), LINK_ADDRESS);
  }
  return out;
}
