/** For kernel tests: network namespaces of their own, joined by veth pairs, and probes that ask for an address. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { ipBytes, isIpv4 } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { check, native } from "./load.ts";
import { FrameListener, FrameSender } from "./packet/frames.ts";
import { openUdp } from "./packet/udp.ts";
import type { UdpSocket } from "./packet/udp.ts";

const CLONE_NEWNET = 0x40000000;

/** Why kernel tests cannot run here; undefined when they can. */
export function missingCapability(): string | undefined {
  if (process.geteuid?.() !== 0) return "network namespaces need root";
  try {
    const name = `hfl-${process.pid}-try`;
    sh("ip", "netns", "add", name);
    sh("ip", "netns", "delete", name);
    sh("nft", "--version");
    return undefined;
  } catch (error) {
    return `no network namespaces or no nft: ${String(error)}`;
  }
}

/** Options of a kernel test: skipped with the reason, except in CI, where a missing capability is a failure. */
export function kernelTest(): { readonly skip: string | false } {
  const reason = missingCapability();
  if (reason === undefined) return { skip: false };
  if (process.env["CI"] === "true") throw new Error(reason);
  return { skip: reason };
}

export function sh(command: string, ...words: string[]): string {
  return execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** One network namespace, deleted by `remove`. */
export class Namespace {
  static #count = 0;
  readonly name: string;
  readonly #fd: number;
  readonly #own = openSync("/proc/self/ns/net", "r");

  constructor() {
    this.name = `hfl-${process.pid}-${++Namespace.#count}`;
    sh("ip", "netns", "add", this.name);
    this.#fd = openSync(`/run/netns/${this.name}`, "r");
    this.run("ip", "link", "set", "lo", "up");
  }

  run(...words: string[]): string {
    return sh("ip", "netns", "exec", this.name, ...words);
  }

  /** What `action` opens belongs to this namespace; it must not wait. */
  inside<Value>(action: () => Value): Value {
    check("setns", native.setns(this.#fd, CLONE_NEWNET));
    try {
      return action();
    } finally {
      check("setns", native.setns(this.#own, CLONE_NEWNET));
    }
  }

  remove(): void {
    closeSync(this.#fd);
    closeSync(this.#own);
    sh("ip", "netns", "delete", this.name);
  }
}

/** A veth pair `device` - `device` with the given last bytes: 10.NET.0.1 and .2, fdNET::1 and ::2. */
export function join(a: Namespace, b: Namespace, device: string, net: number): void {
  sh("ip", "link", "add", device, "netns", a.name, "type", "veth", "peer", "name", device, "netns", b.name);
  for (const [namespace, host] of [
    [a, 1],
    [b, 2],
  ] as const) {
    namespace.run("ip", "address", "add", `10.${net}.0.${host}/24`, "dev", device);
    namespace.run("ip", "address", "add", `fd${net}::${host}/64`, "dev", device, "nodad");
    namespace.run("ip", "link", "set", device, "up");
  }
}

/** Waits until `condition` holds; throws with `what` after `limit_ms`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, limit_ms = 5000): Promise<void> {
  const end = native.monotonic() + limit_ms * 1e6;
  while (!(await condition())) {
    if (native.monotonic() > end) throw new Error(`not within ${limit_ms} ms: ${what}`);
    await pause(2);
  }
}

export function pause(duration_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration_ms));
}

/** Answers datagrams to `address` in the namespace. */
export function answerer(namespace: Namespace, address: IpAddress, port: number): UdpSocket {
  const opened = namespace.inside(() =>
    openUdp(native, { address, port }, { datagram: (data, from) => void socket().send(from.address, from.port, data) }),
  );
  const socket = (): UdpSocket => {
    if (!opened.ok) throw new Error(opened.error);
    return opened.value;
  };
  return socket();
}

/** Asks one address in every way from one namespace and counts the answers. */
export class Prober {
  answers = { udp: 0, neighbour: 0 };
  readonly #target: IpAddress;
  readonly #port: number;
  readonly #udp: UdpSocket;
  readonly #frames: FrameSender;
  readonly #listener: FrameListener;
  readonly #index: number;
  readonly #question: Uint8Array;

  constructor(namespace: Namespace, device: string, target: IpAddress, port: number, source: IpAddress) {
    this.#target = target;
    this.#port = port;
    const address = JSON.parse(namespace.run("ip", "-json", "link", "show", device)) as { address: string }[];
    const mac = Uint8Array.from((address[0]?.address ?? "").split(":"), (pair) => Number.parseInt(pair, 16));
    this.#question = isIpv4(target)
      ? arpRequest(mac, ipBytes(source), ipBytes(target))
      : solicitation(mac, ipBytes(source), ipBytes(target));
    const opened = namespace.inside(() =>
      openUdp(native, { address: source, port: 0 }, { datagram: () => void this.answers.udp++ }),
    );
    if (!opened.ok) throw new Error(opened.error);
    this.#udp = opened.value;
    this.#index = namespace.inside(() => native.interfaceIndex(device));
    this.#frames = namespace.inside(() => new FrameSender(native));
    this.#listener = namespace.inside(
      () => new FrameListener(native, this.#index, [target], { frame: (frame) => this.#heard(frame) }),
    );
  }

  ask(): void {
    this.#udp.send(this.#target, this.#port, Uint8Array.of(1));
    this.#frames.sendFrame(this.#index, this.#question);
  }

  /** Answers to ten questions of each kind within about 50 ms. */
  async count(): Promise<{ udp: number; neighbour: number }> {
    this.answers = { udp: 0, neighbour: 0 };
    for (let i = 0; i < 10; i++) {
      this.ask();
      await pause(3);
    }
    await pause(20);
    return this.answers;
  }

  close(): void {
    this.#udp.close();
    this.#frames.close();
    this.#listener.close();
  }

  /** An ARP reply or an advertisement that is about the target. */
  #heard(frame: Uint8Array): void {
    const target = ipBytes(this.#target);
    const at = target.length === 4 ? 28 : 62;
    if (target.length === 4 && frame[21] !== 2) return;
    if (Buffer.compare(frame.subarray(at, at + target.length), target) === 0) this.answers.neighbour++;
  }
}

function arpRequest(mac: Uint8Array, source: Uint8Array, target: Uint8Array): Uint8Array {
  return Uint8Array.of(
    255,
    255,
    255,
    255,
    255,
    255,
    ...mac,
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    1,
    ...mac,
    ...source,
    0,
    0,
    0,
    0,
    0,
    0,
    ...target,
  );
}

/** RFC 4861 section 4.3, to the solicited-node multicast address. */
function solicitation(mac: Uint8Array, source: Uint8Array, target: Uint8Array): Uint8Array {
  const last = target.subarray(13);
  const destination = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...last);
  const message = Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...target, 1, 1, ...mac);
  const sum = checksum(Uint8Array.of(...source, ...destination, 0, 0, 0, message.length, 0, 0, 0, 58, ...message));
  message[2] = sum >> 8;
  message[3] = sum & 0xff;
  return Uint8Array.of(
    0x33,
    0x33,
    0xff,
    ...last,
    ...mac,
    0x86,
    0xdd,
    0x60,
    0,
    0,
    0,
    0,
    message.length,
    58,
    255,
    ...source,
    ...destination,
    ...message,
  );
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
