/** Multicast for heartbeat sockets (ip(7), ipv6(7)): joining a group on one interface, and sending to groups from there only. */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { check } from "../load.ts";
import type { Native } from "../native.ts";
import { udpTagFilter } from "./tag-filter.ts";

const SOL_IP = 0;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_TTL = 33;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IP_MULTICAST_ALL = 49;
const SOL_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;
const IPV6_MULTICAST_ALL = 29;

function word(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** `struct ip_mreqn`: group, own address, interface. */
function ipv4Membership(group: IpAddress, interfaceIndex: number): Uint8Array {
  const out = new Uint8Array(12);
  out.set(ipBytes(group), 0);
  new Int32Array(out.buffer, 8, 1)[0] = interfaceIndex;
  return out;
}

/** `struct ipv6_mreq`: group, interface. */
function ipv6Membership(group: IpAddress, interfaceIndex: number): Uint8Array {
  const out = new Uint8Array(20);
  out.set(ipBytes(group), 0);
  new Int32Array(out.buffer, 16, 1)[0] = interfaceIndex;
  return out;
}

/** The socket hears the group on this interface, and of it only what ends with the tag. Throws what the kernel refused. */
export function joinGroup(native: Native, fd: number, group: IpAddress, interfaceIndex: number, tag: number): void {
  check("multicast filter", native.attachFilter(fd, udpTagFilter(tag)));
  if (isIpv4(group)) {
    native.setsockopt(fd, SOL_IP, IP_MULTICAST_ALL, word(0));
    check(`join ${group}`, native.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, ipv4Membership(group, interfaceIndex)));
  } else {
    native.setsockopt(fd, SOL_IPV6, IPV6_MULTICAST_ALL, word(0));
    check(`join ${group}`, native.setsockopt(fd, SOL_IPV6, IPV6_JOIN_GROUP, ipv6Membership(group, interfaceIndex)));
  }
}

/** What the socket sends to a group leaves by this interface, no router passes it on, and this machine does not hear it. */
export function sendToGroups(native: Native, fd: number, group: IpAddress, interfaceIndex: number): void {
  const set = (level: number, name: number, value: Uint8Array): void =>
    void check("multicast option", native.setsockopt(fd, level, name, value));
  if (isIpv4(group)) {
    set(SOL_IP, IP_MULTICAST_IF, ipv4Membership("0.0.0.0" as IpAddress, interfaceIndex));
    set(SOL_IP, IP_MULTICAST_TTL, word(1));
    set(SOL_IP, IP_MULTICAST_LOOP, word(0));
  } else {
    set(SOL_IPV6, IPV6_MULTICAST_IF, word(interfaceIndex));
    set(SOL_IPV6, IPV6_MULTICAST_HOPS, word(1));
    set(SOL_IPV6, IPV6_MULTICAST_LOOP, word(0));
  }
}
