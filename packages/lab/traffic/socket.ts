/** Socket constants and addresses of Linux, as the system calls take them. */
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_TIMESTAMPNS = 35;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;
export const IP_FREEBIND = 15;
export const IPV6_FREEBIND = 78;
export const ETH_P_ALL = 3;
export const CLONE_NEWNET = 0x40000000;
export const EAGAIN = 11;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress(address: IpAddress, port: number): Uint8Array {
  const four = isIpv4(address);
  const bytes = new Uint8Array(four ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, four ? AF_INET : AF_INET6, LITTLE_ENDIAN);
  view.setUint16(2, port);
  bytes.set(ipBytes(address), four ? 4 : 8);
  return bytes;
}

/** struct sockaddr_ll for one interface. */
export function packetAddress(interfaceIndex: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, LITTLE_ENDIAN);
  view.setUint16(2, protocol);
  view.setInt32(4, interfaceIndex, LITTLE_ENDIAN);
  return bytes;
}

/** One instruction of classic BPF (struct sock_filter). */
export interface Instruction {
  readonly code: number;
  readonly whenTrue?: number;
  readonly whenFalse?: number;
  readonly value: number;
}

export function filterProgram(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach((each, i) => {
    view.setUint16(i * 8, each.code, LITTLE_ENDIAN);
    bytes[i * 8 + 2] = each.whenTrue ?? 0;
    bytes[i * 8 + 3] = each.whenFalse ?? 0;
    view.setUint32(i * 8 + 4, each.value, LITTLE_ENDIAN);
  });
  return bytes;
}

/** The value of a call that must work; throws with what was tried and the errno. */
export function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${-result}`);
  return result;
}
