/** The witness's part in one cluster: the daemon's own core as a voter that owns nothing, over a socket that many share. */
import { randomBytes, randomInt } from "node:crypto";
import { Copies } from "../engine/copies.ts";
import { Engine } from "../engine/engine.ts";
import { Rejections } from "../engine/rejections.ts";
import { type Keys, keyId } from "../seal/keys.ts";
import { createSealer, type Sealer } from "../seal/sealer.ts";
import { monotonic } from "./clock.ts";
import type { Entry } from "./entries.ts";
import type { Votes } from "./votes.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { LocalEvent } from "@holdfast/core/effects.ts";
import { newNode } from "@holdfast/core/node.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import { HeartbeatEmitter, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { Lease } from "@holdfast/core/ownership/lease/state.ts";
import type { BootId, GroupName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { success } from "@holdfast/core/units/result.ts";
import { after, type Instant, NEVER } from "@holdfast/core/units/time.ts";

export interface VoterOptions {
  readonly entry: Entry;
  readonly votes: Votes;
  readonly kernel: KernelId;
  readonly software: string;
  readonly send: (address: IpAddress, port: number, datagram: Uint8Array) => void;
  readonly tell: (event: LocalEvent) => void;
  /** The voter has something to do at this time. */
  readonly wakeAt: (deadline: Instant) => void;
}

interface Peer {
  readonly index: number;
  readonly links: ReadonlyMap<LinkName, { readonly address: IpAddress; readonly port: number; readonly index: number }>;
}

/** Of an interval; a voter's own timer only matters when no holder asks. */
const TOGETHER = 16;

const nothing = (): void => undefined;

export class Voter {
  /** When time alone has something for it to do, and when that is to be done at the latest: many are woken together. */
  deadline: Instant = NEVER;
  latest: Instant = NEVER;
  #entry: Entry;
  #peers: ReadonlyMap<NodeName, Peer> = new Map();
  /** A sender's link, by its address on it. */
  #linkOf: ReadonlyMap<string, LinkName> = new Map();
  #firstLink: LinkName;
  readonly #options: VoterOptions;
  readonly #sealer: Sealer;
  readonly #engine: Engine;
  readonly #copies = new Copies();
  readonly #rejections = new Rejections();
  readonly #emitter = new HeartbeatEmitter();
  #emitted: { readonly heartbeat: Heartbeat; readonly bytes: Uint8Array } | undefined;

  constructor(options: VoterOptions) {
    const { entry, votes, kernel, software } = options;
    const { cluster, keys } = entry;
    const boot = randomBytes(8).toString("hex") as BootId;
    const now = monotonic();
    this.#options = options;
    this.#entry = entry;
    this.#firstLink = this.#know(entry);
    this.#sealer = createSealer({ cluster: cluster.name, node: entry.node, keys, boot, suite: cluster.seal });
    const state = newNode(
      {
        cluster,
        node: entry.node,
        boot,
        kernel,
        seed: randomInt(1, 2 ** 31),
        about: { software, keys: keyIds(keys) },
        records: votes.records,
        open: new Set(),
        drained: undefined,
        interfacesDown: [],
        wallOffset_ms: Date.now() - now,
      },
      now,
    );
    this.#engine = this.#newEngine(state);
  }

  /** Of the fence only `close` is ever asked for, and there is none. */
  #newEngine(state: Engine["state"]): Engine {
    const { votes, tell, wakeAt } = this.#options;
    const done = () => success(undefined);
    return new Engine(state, {
      now: monotonic,
      send: (to, link, heartbeat) => this.#send(to, link, heartbeat),
      arm: done,
      commit: done,
      close: done,
      forward: done,
      relay: done,
      passConnections: nothing,
      resetConnections: nothing,
      saveVotes: ({ group, record }) => votes.save(group, record),
      placeAddresses: () => success([]),
      announce: nothing,
      stopAnnouncing: nothing,
      record: ({ event }) => tell(event),
      reply: nothing,
      saveDrained: nothing,
      savePauses: nothing,
      probe: nothing,
      countFrames: nothing,
      forgetGroup: nothing,
      exit: nothing,
      wakeAt: (deadline) => {
        this.deadline = deadline;
        this.latest = after(deadline, this.cluster.timing.heartbeat / TOGETHER);
        wakeAt(this.latest);
      },
    });
  }

  get entry(): Entry {
    return this.#entry;
  }

  /** Where the others are; the link of those whose address is none of theirs. */
  #know({ cluster, node }: Entry): LinkName {
    const own = cluster.nodes.find((each) => each.name === node);
    const links = cluster.links.flatMap((link, index) =>
      link.kind === "udp" && own?.links[link.name] !== undefined ? [{ ...link, index }] : [],
    );
    const linkOf = new Map<string, LinkName>();
    const peers = cluster.nodes.map((peer, index): [NodeName, Peer] => {
      const ends = links.flatMap(({ name, port, index: number }) => {
        const address = peer.links[name];
        if (address === undefined) return [];
        if (peer.name !== node) linkOf.set(address, name);
        return [[name, { address, port, index: number }] as const];
      });
      return [peer.name, { index, links: new Map(ends) }];
    });
    this.#peers = new Map(peers);
    this.#linkOf = linkOf;
    return links[0]?.name ?? ("" as LinkName);
  }

  start(): void {
    this.#engine.input({ kind: "tick" });
  }

  tick(): void {
    this.#engine.input({ kind: "tick" });
  }

  /** False when it is of another cluster, though one of the same name. Never throws for what the bytes hold. */
  received(datagram: Uint8Array, from: string, port: number): boolean {
    const link = this.#linkOf.get(from) ?? this.#firstLink;
    const opened = this.#sealer.open(datagram, link);
    if (!opened.ok) {
      const { reason } = opened.error;
      this.#rejections.count(link, reason, `${from}:${port}`);
      return reason !== "key" && reason !== "auth" && reason !== "link";
    }
    const parsed = parseHeartbeat(opened.value.payload, this.#copies.has);
    if (!parsed.ok || parsed.value.boot !== opened.value.boot) {
      this.#rejections.count(link, parsed.ok ? "sender" : "parse", `${from}:${port}`);
      return true;
    }
    const heartbeat = parsed.value;
    this.#copies.add(heartbeat.boot, heartbeat.message);
    this.#engine.input({ kind: "heartbeat", link, heartbeat });
    return true;
  }

  /** What was dropped; of several clusters of one name it is nobody's for certain. */
  tellRejections(): void {
    for (const rejected of this.#rejections.take()) this.#engine.input(rejected);
  }

  forgetRejections(): void {
    this.#rejections.take();
  }

  #send(to: NodeName, link: LinkName, heartbeat: Heartbeat): void {
    const peer = this.#peers.get(to);
    const end = peer?.links.get(link);
    if (peer === undefined || end === undefined) return;
    if (this.#emitted?.heartbeat !== heartbeat) this.#emitted = { heartbeat, bytes: this.#emitter.emit(heartbeat) };
    const version = heartbeat.version >= 2 ? 2 : 1;
    const destination = { version, link, receiver: to, stream: (end.index << 8) | peer.index } as const;
    this.#options.send(end.address, end.port, this.#sealer.seal(destination, this.#emitted.bytes));
  }

  /** Another configuration or other keys; why not, when it may not be. */
  change(entry: Entry): readonly string[] {
    const { cluster, keys } = entry;
    const { obstacles, changes } = reloadPlan(this.#engine.state, cluster, monotonic());
    if (obstacles.length > 0) return obstacles;
    if (entry.node !== this.#entry.node)
      return [`the witness was ${this.#entry.node} and is ${entry.node}: restart it`];
    try {
      this.#options.votes.makeRoom(cluster.groups.map((group) => group.name));
    } catch (error) {
      return [`votes cannot be kept: ${error instanceof Error ? error.message : String(error)}`];
    }
    this.#sealer.useKeys(keys);
    this.#entry = entry;
    this.#firstLink = this.#know(entry);
    if (changes.length > 0) this.#engine.input({ kind: "reconfigured", cluster, interfacesDown: [] });
    return [];
  }

  /** The cluster it works from. */
  get cluster(): Cluster {
    return this.#engine.state.cluster;
  }

  /** How it stands with a group, for tests: a witness owns none. */
  lease(group: string): Lease["state"] {
    const found = this.#engine.state.groups.get(group as GroupName);
    if (found === undefined) throw new Error(`no group ${group}`);
    return found.lease.state;
  }

  get abstaining(): boolean {
    return this.#engine.state.abstaining;
  }
}

function keyIds(keys: Keys): readonly number[] {
  const others = keys.accepted.filter((key) => key !== keys.active);
  return [keys.active, ...others].slice(0, 16).map((key) => keyId(key.name));
}
