/** Which addresses a group may carry and a link may use: the form, the prefix, and the ranges that are nobody's. */
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import { inNetwork, ipBytes, isIpv4, parseIp, type IpAddress } from "@holdfast/core/units/ip.ts";
import { quoted } from "./config-error.ts";

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

interface Range {
  readonly network: string;
  readonly prefixLength: number;
  readonly kind: string;
}

/** RFC 6890 and RFC 4291: no host can be reached there, or not this one. */
const UNUSABLE: readonly Range[] = [
  { network: "0.0.0.0", prefixLength: 8, kind: "an unspecified address" },
  { network: "224.0.0.0", prefixLength: 4, kind: "a multicast address" },
  { network: "240.0.0.0", prefixLength: 4, kind: "a reserved address" },
  { network: "::", prefixLength: 128, kind: "the unspecified address" },
  { network: "ff00::", prefixLength: 8, kind: "a multicast address" },
  { network: "::ffff:0:0", prefixLength: 96, kind: "an IPv4-mapped address" },
];

const LOOPBACK: readonly Range[] = [
  { network: "127.0.0.0", prefixLength: 8, kind: "a loopback address" },
  { network: "::1", prefixLength: 128, kind: "the loopback address" },
];

function within(address: IpAddress, ranges: readonly Range[]): string | undefined {
  return ranges.find(({ network, prefixLength }) => inNetwork(address, network as IpAddress, prefixLength))?.kind;
}

export function isLoopback(address: IpAddress): boolean {
  return within(address, LOOPBACK) !== undefined;
}

/** A node's own address on a link. Loopback is left to try a cluster on one machine. */
export function parseLinkAddress(text: string): Result<IpAddress, Refusal> {
  const address = parseIp(text);
  if (address === undefined) {
    const hint = parseIp(text.split("/")[0] ?? "")
      ? "write it without the prefix length"
      : "write one like 10.0.0.11 or 2001:db8::11";
    return failure({ code: "address", message: `${quoted(text)} is not an IPv4 or IPv6 address`, hint });
  }
  const kind = within(address, UNUSABLE);
  if (kind !== undefined) {
    return failure({ code: "address-range", message: `${address} is ${kind}`, hint: "give the node's own address" });
  }
  if (inNetwork(address, "fe80::" as IpAddress, 10)) {
    const message = `${address} is link-local: it does not say through which interface`;
    return failure({ code: "address-range", message, hint: "give a global or unique local address" });
  }
  return success(address);
}

/** A virtual address, "10.0.0.100/24": a unicast host address with the prefix length of its network. */
export function parseVirtualAddress(text: string): Result<{ address: IpAddress; prefixLength: number }, Refusal> {
  const [host = "", length, ...more] = text.split("/");
  const address = parseIp(host);
  if (address === undefined || more.length > 0) {
    const hint = "write one like 10.0.0.100/24 or 2001:db8::100/64";
    return failure({ code: "address", message: `${quoted(text)} is not an IPv4 or IPv6 address`, hint });
  }
  const bits = isIpv4(address) ? 32 : 128;
  if (length === undefined) {
    const hint = `add the length of its network: ${address}/${isIpv4(address) ? 24 : 64}`;
    return failure({ code: "prefix", message: `address ${address} has no prefix length`, hint });
  }
  const prefixLength = Number(length);
  if (!/^\d{1,3}$/.test(length) || prefixLength < 1 || prefixLength > bits) {
    const message = `prefix length ${quoted(length)} of ${address} is not a number from 1 to ${bits}`;
    return failure({
      code: "prefix",
      message,
      hint: `write the length of its network: ${address}/${isIpv4(address) ? 24 : 64}`,
    });
  }
  const kind = within(address, UNUSABLE) ?? within(address, LOOPBACK) ?? edgeOfNetwork(address, prefixLength);
  if (kind !== undefined) {
    const hint = "clients cannot use it; choose a host's address";
    return failure({ code: "address-range", message: `${address}/${prefixLength} is ${kind}`, hint });
  }
  return success({ address, prefixLength });
}

/** Network and broadcast address, except where RFC 3021 and RFC 6164 leave none. */
function edgeOfNetwork(address: IpAddress, prefixLength: number): string | undefined {
  const bytes = ipBytes(address);
  if (prefixLength >= bytes.length * 8 - 1) return undefined;
  let zeros = true;
  let ones = true;
  for (let bit = prefixLength; bit < bytes.length * 8; bit++) {
    const set = ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
    if (set === 1) zeros = false;
    else ones = false;
  }
  if (zeros)
    return isIpv4(address) ? "the address of the network itself" : "the routers' anycast address of its network";
  return ones && isIpv4(address) ? "the broadcast address of its network" : undefined;
}
