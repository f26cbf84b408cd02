/** For kernel tests: network namespaces of their own, joined by veth pairs, and probes that ask for an address. */
import { execFile, execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { ipBytes } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { macFromBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { check, native } from "./load.ts";
import type { Native } from "./native.ts";
import { neighbourQuestion } from "./kernel-frames.ts";
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

  /** As `run`, without waiting here: brings what it printed, whatever it ended with. */
  start(...words: string[]): Promise<string> {
    return new Promise((resolve) => {
      execFile("ip", ["netns", "exec", this.name, ...words], (_error, stdout) => resolve(stdout));
    });
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

/** A switch in a namespace of its own; stations get `device` with 10.NET.0.HOST/24, fdNET::HOST/64 and 02:00:00:00:NET:HOST. */
export class Lan {
  readonly #switch = new Namespace();
  readonly #net: number;
  /** Switch ports by "NAMESPACE DEVICE". */
  readonly #ports = new Map<string, string>();

  constructor(net: number) {
    this.#net = net;
    this.#switch.run("ip", "link", "add", "switch", "type", "bridge", "stp_state", "0", "mcast_snooping", "0");
    this.#switch.run("ip", "link", "set", "switch", "up");
  }

  attach(station: Namespace, device: string, host: number): Mac {
    const port = `port${this.#ports.size + 1}`;
    this.#ports.set(`${station.name} ${device}`, port);
    const mac = `02:00:00:00:${this.#net}:${String(host).padStart(2, "0")}` as Mac;
    const [inside, outside] = [station.name, this.#switch.name];
    sh("ip", "link", "add", device, "netns", inside, "address", mac, "type", "veth", "peer", port, "netns", outside);
    this.#switch.run("ip", "link", "set", port, "master", "switch", "up");
    station.run("ip", "address", "add", `10.${this.#net}.0.${host}/24`, "dev", device);
    station.run("ip", "address", "add", `fd${this.#net}::${host}/64`, "dev", device, "nodad");
    station.run("ip", "link", "set", device, "up");
    return mac;
  }

  /** The cable of a station's device: out, or in again. */
  plug(station: Namespace, device: string, state: "up" | "down"): void {
    this.#switch.run("ip", "link", "set", this.#portOf(station, device), state);
  }

  /** The switch takes no frame from the port and sends none there; the carrier stays. */
  mute(station: Namespace, device: string, muted: boolean): void {
    this.#switch.run("bridge", "link", "set", "dev", this.#portOf(station, device), "state", muted ? "0" : "3");
  }

  #portOf(station: Namespace, device: string): string {
    return this.#ports.get(`${station.name} ${device}`) ?? "";
  }

  remove(): void {
    this.#switch.remove();
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

const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;

/** A busy machine must not lose what a test counts: receive buffers of 16 MiB, whatever the system allows. */
export const largeBuffers: Native = {
  ...native,
  setsockopt: (fd, level, name, value) =>
    name === SO_RCVBUF && level === 1
      ? native.setsockopt(fd, level, SO_RCVBUFFORCE, Uint8Array.of(0, 0, 0, 1))
      : native.setsockopt(fd, level, name, value),
};

/** Answers datagrams to `address` in the namespace with themselves and the letter of `who`. */
export function answerer(namespace: Namespace, address: IpAddress, port: number, who = ""): UdpSocket {
  const letter = Buffer.from(who);
  const opened = namespace.inside(() =>
    openUdp(
      largeBuffers,
      { address, port },
      { datagram: (data, from) => void socket().send(from.address, from.port, Buffer.concat([data, letter])) },
    ),
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
    this.#question = neighbourQuestion(macFromBytes(mac), source, target);
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
