/** The witness's one socket, by node:dgram: every cluster's datagrams come in and go out here. */
import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { isIpv4, type IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

/** For bursts: a hundred clusters may beat within the same millisecond. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
const MAPPED = "::ffff:";

export interface Listening {
  readonly send: (address: IpAddress, port: number, datagram: Uint8Array) => void;
  readonly close: () => void;
  /** Where it listens: "[::]:7400". */
  readonly name: string;
}

export interface ListenAt {
  /** Undefined: every address of this machine, IPv4 and IPv6. */
  readonly address: IpAddress | undefined;
  readonly port: number;
}

type Received = (datagram: Uint8Array, from: string, port: number) => void;

/** Addresses are numbers here: no name is ever looked up. */
const lookup: NonNullable<SocketOptions["lookup"]> = (host, _options, done) =>
  done(null, host, host.includes(":") ? 6 : 4);

export async function listen({ address, port }: ListenAt, received: Received): Promise<Result<Listening, string>> {
  if (address !== undefined) return open(isIpv4(address) ? "udp4" : "udp6", address, port, received);
  const both = await open("udp6", "::", port, received);
  // A kernel without IPv6.
  if (both.ok || !/EAFNOSUPPORT|EADDRNOTAVAIL|EINVAL/.test(both.error)) return both;
  return open("udp4", "0.0.0.0", port, received);
}

function open(
  type: "udp4" | "udp6",
  address: string,
  port: number,
  received: Received,
): Promise<Result<Listening, string>> {
  const options = { type, recvBufferSize: RECEIVE_BUFFER_BYTES, lookup };
  const socket = createSocket(options);
  return new Promise((resolve) => {
    socket.once("error", (error) => {
      socket.close();
      resolve(failure(`cannot listen on ${address} port ${port}: ${error.message}`));
    });
    socket.bind(port, address, () => {
      socket.removeAllListeners("error");
      // A datagram that cannot be sent is a lost one: loss is what the receiver sees.
      socket.on("error", () => undefined);
      socket.on("message", (datagram, from) => received(datagram, plain(from.address), from.port));
      resolve(success(listening(socket, type, address, port)));
    });
  });
}

function listening(socket: Socket, type: "udp4" | "udp6", address: string, port: number): Listening {
  return {
    send: (to, at, datagram) => socket.send(datagram, at, type === "udp6" && isIpv4(to) ? MAPPED + to : to, ignore),
    close: () => socket.close(),
    name: type === "udp6" ? `[${address}]:${port}` : `${address}:${port}`,
  };
}

function ignore(): void {}

/** IPv4 comes over a socket of both families in IPv6's clothes. */
function plain(address: string): string {
  return address.startsWith(MAPPED) && address.includes(".") ? address.slice(MAPPED.length) : address;
}
