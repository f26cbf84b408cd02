/** Heartbeats on the wire: sealed datagrams over the UDP links, out to every peer and in from anybody. */
import { Arrivals } from "./arrivals.ts";
import type { Rejections } from "./rejections.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { Cluster, NodeConfig, UdpLink } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import { HeartbeatEmitter } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { openUdp, type UdpSocket } from "@holdfast/linux/packet/udp.ts";

/** One link of this node; without a socket it is down, for the reason given. */
interface Link {
  config: UdpLink;
  address: IpAddress;
  index: number;
  socket: UdpSocket | undefined;
  device: string | undefined;
  trouble: string | undefined;
}

/** Heartbeats are split to fit an Ethernet frame. */
const DATAGRAM_BYTES = 2048;

export class Links {
  readonly #links = new Map<LinkName, Link>();
  #peers: ReadonlyMap<NodeName, { readonly config: NodeConfig; readonly index: number }>;
  readonly #sealer: Sealer;
  readonly #adapters: Adapters;
  readonly #input: (...inputs: readonly Input[]) => void;
  readonly #arrivals: Arrivals;
  /** Heartbeats that were read and not yet told. */
  #arrived: Input[] = [];
  readonly #emitter = new HeartbeatEmitter();
  readonly #datagram = new Uint8Array(DATAGRAM_BYTES);
  #emitted: { readonly heartbeat: Heartbeat; readonly bytes: Uint8Array } | undefined;

  constructor(
    cluster: Cluster,
    self: NodeConfig,
    sealer: Sealer,
    adapters: Adapters,
    input: (...inputs: readonly Input[]) => void,
  ) {
    this.#peers = this.#configure(cluster, self);
    this.#sealer = sealer;
    this.#adapters = adapters;
    this.#input = input;
    this.#arrivals = new Arrivals(sealer, (heartbeat) => this.#arrived.push(heartbeat));
  }

  /** Another configuration: links of the same address and port keep their sockets. */
  change(cluster: Cluster, self: NodeConfig): void {
    this.#peers = this.#configure(cluster, self);
    this.open();
  }

  #configure(
    cluster: Cluster,
    self: NodeConfig,
  ): ReadonlyMap<NodeName, { readonly config: NodeConfig; readonly index: number }> {
    for (const [name, link] of this.#links) {
      if (cluster.links.some((config) => config.name === name)) continue;
      link.socket?.close();
      this.#links.delete(name);
    }
    cluster.links.forEach((config, index) => {
      if (config.kind !== "udp") return;
      const address = self.links[config.name] as IpAddress;
      const link = this.#links.get(config.name);
      if (link === undefined) {
        const closed = { socket: undefined, device: undefined, trouble: undefined };
        this.#links.set(config.name, { config, address, index, ...closed });
        return;
      }
      if (link.address !== address || link.config.port !== config.port) {
        link.socket?.close();
        link.socket = undefined;
      }
      Object.assign(link, { config, address, index });
    });
    // A stream's counter goes on whatever link and peer its number stands for: no nonce comes twice.
    return new Map(cluster.nodes.map((config, index) => [config.name, { config, index }]));
  }

  /** What was dropped of what arrived. */
  get rejections(): Rejections {
    return this.#arrivals.rejections;
  }

  /** Open what can be opened, and again after interfaces or addresses changed. */
  open(): void {
    for (const link of this.#links.values()) this.#openLink(link);
  }

  /** Take what has come already, without waiting for the loop. */
  read(): void {
    this.#readAllBut(undefined);
  }

  /** Copies come over all links within microseconds: reading a socket costs less than a wake-up of the loop for it. */
  #readAllBut(drained: Link | undefined): void {
    for (const link of this.#links.values()) if (link !== drained) link.socket?.read();
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    this.#arrived = [];
    this.#input(...arrived);
  }

  #openLink(link: Link): void {
    const adapter = this.#adapters.all().find((each) => each.addresses.some(({ address }) => address === link.address));
    if (link.socket !== undefined && adapter?.name === link.device) return;
    link.socket?.close();
    link.socket = undefined;
    if (adapter === undefined) return this.#lost(link, `no interface has the address ${link.address}`);
    const { name } = link.config;
    const options = { address: link.address, port: link.config.port, device: adapter.name };
    const opened = openUdp(native, options, {
      datagram: (bytes, from) => this.#arrivals.received(name, bytes, from),
      drained: () => this.#readAllBut(link),
    });
    if (!opened.ok) return this.#lost(link, opened.error);
    link.socket = opened.value;
    link.device = adapter.name;
    if (link.trouble === undefined) return;
    link.trouble = undefined;
    this.#input({ kind: "linkChanged", link: name, up: true, detail: `${link.address} on ${adapter.name}` });
  }

  #lost(link: Link, trouble: string): void {
    if (link.trouble === trouble) return;
    link.trouble = trouble;
    this.#input({ kind: "linkChanged", link: link.config.name, up: false, detail: trouble });
  }

  /** A datagram that cannot be sent is a lost one: loss is what the receiver sees and reports. */
  send(to: NodeName, name: LinkName, heartbeat: Heartbeat): void {
    const link = this.#links.get(name);
    const peer = this.#peers.get(to);
    const address = peer?.config.links[name];
    if (link?.socket === undefined || peer === undefined || address === undefined) return;
    // An extra heartbeat goes over all links as it is: its bytes are made once.
    if (this.#emitted?.heartbeat !== heartbeat) this.#emitted = { heartbeat, bytes: this.#emitter.emit(heartbeat) };
    const { bytes } = this.#emitted;
    const version = heartbeat.version >= 2 ? 2 : 1;
    const destination = { version, link: name, receiver: to, stream: (link.index << 8) | peer.index } as const;
    link.socket.send(address, link.config.port, this.#sealer.seal(destination, bytes, this.#datagram));
  }
}
