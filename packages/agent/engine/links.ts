/** Heartbeats on the wire: sealed datagrams over links of every kind, out to every peer and in from anybody. */
import { Arrivals } from "./arrivals.ts";
import { ethernetEnd } from "./ethernet-end.ts";
import type { EndContext, LinkEnd, Transport } from "./link-end.ts";
import { HeartbeatGuard } from "./heartbeat-guard.ts";
import { serialEnd } from "./serial-end.ts";
import { udpEnd } from "./udp-end.ts";
import type { LinkView } from "../channel.ts";
import type { Sealer } from "../seal/sealer.ts";
import { type Cluster, isOn, type LinkConfig, type NodeConfig } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import { canWait } from "@holdfast/core/node/narrow-links.ts";
import { HeartbeatEmitter } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { unreachable } from "@holdfast/core/units/unreachable.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";

/** One link that this node has an end of. */
interface Link {
  readonly name: LinkName;
  /** Everything that it was made from: another one, and it is made anew. */
  readonly signature: string;
  readonly end: LinkEnd;
  index: number;
  transport: Transport | undefined;
  /** Of the place where the transport was opened. */
  key: string | undefined;
  device: string | undefined;
  /** Why it does not work; undefined: nothing is known against it. */
  trouble: string | undefined;
}

/** Heartbeats are split to fit an Ethernet frame. */
const DATAGRAM_BYTES = 2048;

export class Links {
  readonly #links = new Map<LinkName, Link>();
  #cluster: Cluster;
  #self: NodeConfig;
  #peers: ReadonlyMap<NodeName, { readonly config: NodeConfig; readonly index: number }> = new Map();
  readonly #sealer: Sealer;
  readonly #adapters: Adapters;
  readonly #input: (...inputs: readonly Input[]) => void;
  readonly #arrivals: Arrivals;
  readonly #guard: HeartbeatGuard;
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
    this.#cluster = cluster;
    this.#sealer = sealer;
    this.#adapters = adapters;
    this.#input = input;
    this.#self = self;
    this.#guard = new HeartbeatGuard(adapters, input);
    const describe = (source: string): string => this.#guard.describe(source);
    this.#arrivals = new Arrivals(sealer, (heartbeat) => this.#arrived.push(heartbeat), describe);
    this.#configure(cluster, self);
  }

  /** Another configuration: links that lie where they lay stay open. */
  change(cluster: Cluster, self: NodeConfig): void {
    this.#configure(cluster, self);
    this.open();
  }

  #configure(cluster: Cluster, self: NodeConfig): void {
    this.#cluster = cluster;
    this.#self = self;
    for (const [name, link] of this.#links) {
      const config = cluster.links.find((each) => each.name === name);
      if (config !== undefined && isOn(self, name)) continue;
      link.transport?.close();
      this.#links.delete(name);
    }
    cluster.links.forEach((config, index) => {
      if (isOn(self, config.name)) this.#configureLink(config, index, self, cluster.timing.heartbeat);
    });
    // A stream's counter goes on whatever link and peer its number stands for: no nonce comes twice.
    this.#peers = new Map(cluster.nodes.map((node, index) => [node.name, { config: node, index }]));
  }

  #configureLink(config: LinkConfig, index: number, self: NodeConfig, interval_ms: number): void {
    const { name } = config;
    const signature = JSON.stringify([config, self.name, self.links[name], self.devices?.[name], interval_ms]);
    const before = this.#links.get(name);
    if (before?.signature === signature) {
      before.index = index;
      return;
    }
    before?.transport?.close();
    const link: Link = {
      name,
      signature,
      end: endOf(config, self, {
        self: self.name,
        adapters: this.#adapters,
        interval_ms,
        events: {
          datagram: (bytes, source) => this.#arrivals.received(name, bytes, source),
          garbled: (source) => this.#arrivals.rejections.count(name, "garbled", source()),
          drained: () => this.#readAllBut(link),
          gone: (detail) => {
            link.transport = undefined;
            this.#lost(link, detail);
          },
        },
      }),
      index,
      transport: undefined,
      key: undefined,
      device: undefined,
      trouble: before?.trouble,
    };
    this.#links.set(name, link);
  }

  /** What was dropped since the last call of what arrived, here or in the kernel. */
  takeRejected(): readonly Input[] {
    const { rejections } = this.#arrivals;
    const here = rejections.take().map((each) => ({ ...each, source: this.#guard.describe(each.source) }));
    this.#guard.take(rejections);
    return [...here, ...rejections.take()];
  }

  /** Every link of the cluster, for people. */
  view(): readonly LinkView[] {
    return this.#cluster.links.map((config) => {
      const link = this.#links.get(config.name);
      const ends: Record<string, string> = {};
      for (const node of this.#cluster.nodes) {
        const end = node.links[config.name] ?? node.devices?.[config.name];
        if (end !== undefined) ends[node.name] = end;
      }
      return { name: config.name, kind: config.kind, ends, device: link?.device, trouble: link?.trouble };
    });
  }

  /** Open what can be opened, and again after interfaces or addresses changed. */
  open(): void {
    this.#guard.apply(this.#cluster, this.#self);
    for (const link of this.#links.values()) this.#openLink(link);
  }

  /** Take what has come already, without waiting for the loop. */
  read(): void {
    this.#readAllBut(undefined);
  }

  /** Copies come over all links within microseconds: reading a socket costs less than a wake-up of the loop for it. */
  #readAllBut(drained: Link | undefined): void {
    for (const link of this.#links.values()) if (link !== drained) link.transport?.read();
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    this.#arrived = [];
    this.#input(...arrived);
  }

  #openLink(link: Link): void {
    const place = link.end.locate();
    if (!place.ok) {
      this.#close(link);
      return this.#lost(link, place.error);
    }
    link.device = place.value.device;
    if (link.transport === undefined || link.key !== place.value.key) {
      this.#close(link);
      const opened = link.end.open(place.value);
      if (!opened.ok) return this.#lost(link, opened.error);
      link.transport = opened.value;
      link.key = place.value.key;
      this.#bound(link, place.value.device);
    }
    if (place.value.down !== undefined) return this.#lost(link, place.value.down);
    if (link.trouble === undefined) return;
    link.trouble = undefined;
    this.#input({ kind: "linkChanged", link: link.name, up: true, detail: `open on ${link.device}` });
  }

  #close(link: Link): void {
    if (link.transport === undefined) return;
    link.transport.close();
    link.transport = undefined;
    this.#bound(link, undefined);
  }

  /** Told once: of a link that does not work the reason may change every second. */
  #lost(link: Link, trouble: string): void {
    const worked = link.trouble === undefined;
    link.trouble = trouble;
    if (worked) this.#input({ kind: "linkChanged", link: link.name, up: false, detail: trouble });
  }

  /** A serial line is on no interface. */
  #bound({ name }: Link, device: string | undefined): void {
    const bound = device !== undefined && this.#adapters.byName(device) !== undefined;
    this.#input({ kind: "linkBound", link: name, interface: bound ? (device as InterfaceName) : undefined });
  }

  /** What cannot be sent is lost, as on the wire. */
  send(to: NodeName, name: LinkName, heartbeat: Heartbeat): void {
    const link = this.#links.get(name);
    const peer = this.#peers.get(to);
    if (link?.transport === undefined || peer === undefined) return;
    // An extra heartbeat goes over all links as it is: its bytes are made once.
    if (this.#emitted?.heartbeat !== heartbeat) this.#emitted = { heartbeat, bytes: this.#emitter.emit(heartbeat) };
    const { bytes } = this.#emitted;
    const version = heartbeat.version >= 2 ? 2 : 1;
    const destination = { version, link: name, receiver: to, stream: (link.index << 8) | peer.index } as const;
    link.transport.send(peer.config, this.#sealer.seal(destination, bytes, this.#datagram), canWait(heartbeat));
  }
}

function endOf(config: LinkConfig, self: NodeConfig, context: EndContext): LinkEnd {
  switch (config.kind) {
    case "udp":
      return udpEnd(config, self.links[config.name] as IpAddress, context);
    case "ethernet":
      return ethernetEnd(self.devices?.[config.name] as InterfaceName, context);
    case "serial":
      return serialEnd(config, self.devices?.[config.name] ?? "", context);
    default:
      return unreachable(config);
  }
}
