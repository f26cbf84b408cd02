/** For tests of adapters: a node with two of them in one network, a client beside it, and one behind a router. */
import { fileURLToPath } from "node:url";
import { GroupAddresses } from "@holdfast/agent/engine/group-addresses.ts";
import { placedOn } from "@holdfast/agent/engine/group-places.ts";
import type { Cluster, GroupAddress, NodeConfig } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { type Mac, macFromBytes } from "@holdfast/core/units/mac.ts";
import type { GroupName, InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { instant, type Instant, milliseconds } from "@holdfast/core/units/time.ts";
import { Adapters, type AdapterEvents } from "@holdfast/linux/adapters.ts";
import { join, Lan, Namespace } from "@holdfast/linux/kernel-testing.ts";
import { LineProgram } from "@holdfast/linux/line-program.ts";
import { check, native } from "@holdfast/linux/load.ts";

export const WEB = "web" as GroupName;
export const SERVICE = "eth0" as InterfaceName;
export const STANDBY = "eth2" as InterfaceName;
const NET = 88;
/** The far client's network. */
const FAR = 89;
export const V4 = `10.${NET}.0.100` as IpAddress;
export const V6 = `fd${NET}::100` as IpAddress;
export const BOTH: readonly IpAddress[] = [V4, V6];
const PORT = 8080;
const CONNECTIONS = fileURLToPath(import.meta.resolve("@holdfast/linux/connection-process.ts"));

export function now(): Instant {
  return instant(native.monotonic() / 1e6);
}

export interface NodeOptions {
  /** The standby adapter's addresses, and so its routes, were there first. */
  readonly standbyFirst?: boolean;
  readonly interfaces?: readonly string[];
}

/** The network, and the daemon's addresses on the node without the daemon. */
export class TwoAdapters {
  readonly node = new Namespace();
  readonly client = new Namespace();
  readonly router = new Namespace();
  readonly far = new Namespace();
  readonly lan = new Lan(NET);
  readonly macs: Readonly<Record<string, Mac>>;
  readonly inputs: Input[] = [];
  #interfaces: readonly string[];
  readonly #closers: (() => void)[] = [];
  readonly #clients = new Map<string, LineProgram>();
  #adapters: Adapters | undefined;
  #addresses: GroupAddresses | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ standbyFirst = false, interfaces = ["service", "standby"] }: NodeOptions = {}) {
    this.#interfaces = interfaces;
    const order = standbyFirst ? [STANDBY, SERVICE] : [SERVICE, STANDBY];
    this.macs = Object.fromEntries(
      order.map((name) => [name, this.lan.attach(this.node, name, name === SERVICE ? 11 : 21)]),
    );
    this.lan.attach(this.client, "eth0", 50);
    this.lan.attach(this.router, "eth0", 1);
    join(this.router, this.far, "far", FAR);
    for (const family of ["ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"])
      this.router.run("sh", "-c", `echo 1 > /proc/sys/net/${family}`);
    this.giveGateway(SERVICE);
    this.far.run("ip", "route", "add", "default", "via", `10.${FAR}.0.1`);
    this.far.run("ip", "-6", "route", "add", "default", "via", `fd${FAR}::1`);
  }

  giveGateway(device: string): void {
    this.node.run("ip", "route", "add", "default", "via", `10.${NET}.0.1`, "dev", device);
    this.node.run("ip", "-6", "route", "add", "default", "via", `fd${NET}::1`, "dev", device);
  }

  /** As a daemon that starts; `open`: its fence was open already. */
  start(open: readonly GroupName[] = []): GroupAddresses {
    return this.node.inside(() => {
      const events: { -readonly [Name in keyof AdapterEvents]: AdapterEvents[Name] } = {};
      const adapters = new Adapters(native, events);
      const { cluster, self } = this.configuration();
      const addresses = new GroupAddresses(cluster, self, adapters, (input) => void this.inputs.push(input));
      events.changed = (adapter) => addresses.adapterChanged(adapter.name);
      events.removed = (adapter) => addresses.adapterChanged(adapter.name);
      events.addressAdded = (adapter, { address }) => {
        if (!addresses.isOfGroup(address)) addresses.adapterChanged(adapter.name);
      };
      events.addressRemoved = (adapter, address) => addresses.removed(adapter.name, address, now());
      addresses.removeLeftovers(placedOn(cluster, self, new Set(open), adapters), now());
      // Its sockets are open: what they do is done in their own namespace.
      this.#timer = setInterval(() => {
        if (addresses.nextDeadline() <= now()) addresses.run(now());
      }, 5);
      this.#adapters = adapters;
      this.#addresses = addresses;
      return addresses;
    });
  }

  /** As a reload that names these adapters. */
  reload(interfaces: readonly string[]): void {
    this.#interfaces = interfaces;
    const { cluster, self } = this.configuration();
    this.node.inside(() => this.addresses.change(cluster, self));
  }

  get addresses(): GroupAddresses {
    return this.#addresses ?? this.start();
  }

  get adapters(): Adapters {
    if (this.#adapters === undefined) throw new Error("not started");
    return this.#adapters;
  }

  /** As a daemon that was killed: everything in the kernel stays. */
  crash(): void {
    clearInterval(this.#timer);
    this.#addresses?.close();
    this.#adapters?.close();
    this.#addresses = undefined;
    this.#adapters = undefined;
  }

  /** Puts the group on this adapter and announces it, as the engine does. */
  use(name: InterfaceName): void {
    this.node.inside(() => {
      const placed = this.addresses.place(WEB, true, [name], now());
      if (!placed.ok) throw new Error(placed.error);
      this.addresses.announce({ kind: "announce", group: WEB, term: 1 }, now());
    });
  }

  readonly now = now;

  withdraw(): void {
    this.node.inside(() => {
      this.addresses.stopAnnouncing(WEB, now());
      this.addresses.place(WEB, false, [], now());
    });
  }

  configuration(): { cluster: Cluster; self: NodeConfig } {
    const self: NodeConfig = {
      name: "n1" as NodeName,
      role: "member",
      links: {},
      interfaces: { service: SERVICE, standby: STANDBY },
    };
    const addresses: GroupAddress[] = [
      { address: V4, prefixLength: 24, interfaces: this.#interfaces },
      { address: V6, prefixLength: 64, interfaces: this.#interfaces },
    ];
    const cluster: Cluster = {
      name: "test",
      generation: 1,
      digest: "00000000",
      timing: {
        heartbeat: milliseconds(100),
        dead: milliseconds(300),
        window: milliseconds(48),
        keep: milliseconds(236),
        jiffy: milliseconds(4),
      },
      links: [],
      nodes: [self],
      groups: [
        {
          name: WEB,
          addresses,
          prefer: [self.name],
          failback: { kind: "manual" },
          settle: milliseconds(0),
          drain: milliseconds(0),
        },
      ],
      reference: [`10.${NET}.0.1` as IpAddress, `fd${NET}::1` as IpAddress],
      keys: "",
      seal: "encrypt",
    };
    return { cluster, self };
  }

  async serve(): Promise<void> {
    const server = this.#program(this.node, "serve", "::", String(PORT), "node");
    await server.line();
  }

  /** Opens a connection to the address; what it returns asks all that were opened from there: "node" when all is well. */
  async connect(from: Namespace, to: IpAddress): Promise<() => Promise<string>> {
    const key = `${from.name} ${to}`;
    const program = this.#clients.get(key) ?? this.#program(from, "connect", to, String(PORT), "");
    this.#clients.set(key, program);
    const { opened } = JSON.parse(await program.ask("open 1")) as { opened: number };
    return async () => {
      if (opened !== 1) return "not opened";
      return [...new Set(JSON.parse(await program.ask("ask")) as string[])].join();
    };
  }

  /** A new connection, one question on each: "node" when all is well. */
  async talk(from: Namespace, to: IpAddress): Promise<string> {
    const ask = await this.connect(from, to);
    return ask();
  }

  #program(namespace: Namespace, ...words: string[]): LineProgram {
    const args = ["netns", "exec", namespace.name, process.execPath, CONNECTIONS, ...words];
    const program = new LineProgram("ip", args);
    this.#closers.push(() => void program.end());
    return program;
  }

  /** The stations from which frames with the source `address` came to the device, since the capture was opened. */
  capture(at: Namespace, device: string, address: IpAddress): Capture {
    const capture = new Capture(at, device, address);
    this.#closers.push(() => capture.close());
    return capture;
  }

  remove(): void {
    this.crash();
    for (const close of this.#closers) close();
    for (const each of [this.far, this.router, this.client, this.node]) each.remove();
    this.lan.remove();
  }
}

const ETH_P_ALL = 3;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const OUTGOING = 23;
const SOL_PACKET = 263;

export class Capture {
  readonly #fd: number;
  readonly #address: string;
  #open = true;

  constructor(at: Namespace, device: string, address: IpAddress) {
    this.#address = address;
    this.#fd = at.inside(() => {
      const fd = check("packet socket", native.socket(AF_PACKET, SOCK_RAW, 0));
      native.setsockopt(fd, SOL_PACKET, OUTGOING, Uint8Array.of(1, 0, 0, 0));
      const to = new DataView(new ArrayBuffer(20));
      to.setUint16(0, AF_PACKET, true);
      to.setUint16(2, ETH_P_ALL);
      to.setInt32(4, native.interfaceIndex(device), true);
      check("bind", native.bind(fd, new Uint8Array(to.buffer)));
      return fd;
    });
  }

  /** Source stations of the frames of this address so far: IP packets, ARP that claims it, advertisements of it. */
  stations(): readonly Mac[] {
    const found = new Set<Mac>();
    const buffer = new Uint8Array(2048);
    for (;;) {
      const length = native.receive(this.#fd, buffer, null);
      if (length < 0) return [...found];
      if (isFrom(buffer.subarray(0, length), this.#address)) found.add(macFromBytes(buffer, 6));
    }
  }

  close(): void {
    if (this.#open) native.close(this.#fd);
    this.#open = false;
  }
}

function isFrom(frame: Uint8Array, address: string): boolean {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  const at = type === 0x0800 ? 26 : type === 0x0806 ? 28 : 22;
  const wanted = address.includes(":") ? ipv6(address) : Buffer.from(address.split(".").map(Number));
  const isAdvertisement = type === 0x86dd && frame[20] === 58 && frame[54] === 136;
  return [at, ...(isAdvertisement ? [62] : [])].some(
    (offset) => Buffer.compare(frame.subarray(offset, offset + wanted.length), wanted) === 0,
  );
}

function ipv6(address: string): Buffer {
  const [head = "", tail = ""] = address.split("::");
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(Number.parseInt(head, 16), 0);
  bytes.writeUInt16BE(Number.parseInt(tail, 16), 14);
  return bytes;
}
