/** Links that are serial lines: each direction carries one octet after the other at its speed, as linux/serial does it. */
import type { Cluster } from "@holdfast/core/cluster.ts";
import { canWait } from "@holdfast/core/node/narrow-links.ts";
import { emitHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { SEAL_BYTES } from "@holdfast/core/wire/heartbeat-split.ts";
import { framedBytes } from "@holdfast/core/wire/serial-frame.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { VirtualTime } from "./virtual-time.ts";

const BITS_A_BYTE = 10;
const IDLE = 0.25;
const LATER_TRIES = 10;

interface Direction {
  freeAt: number;
  sentAt: number;
  bytes: number;
  dropped: number;
}

export class SerialLines {
  readonly #cluster: Cluster;
  readonly #time: VirtualTime;
  readonly #directions = new Map<string, Direction>();

  constructor(cluster: Cluster, time: VirtualTime) {
    this.#cluster = cluster;
    this.#time = time;
  }

  direction(from: NodeName, link: LinkName): Direction {
    const key = `${from} ${link}`;
    const known = this.#directions.get(key);
    if (known !== undefined) return known;
    const made = { freeAt: 0, sentAt: 0, bytes: 0, dropped: 0 };
    this.#directions.set(key, made);
    return made;
  }

  /** `arrive` when the last octet is through; at once on every other kind of link. */
  pass(from: NodeName, link: LinkName, heartbeat: Heartbeat, arrive: () => void): void {
    const config = this.#cluster.links.find(({ name }) => name === link);
    if (config?.kind !== "serial") return arrive();
    const way = this.direction(from, link);
    const bytes = framedBytes(SEAL_BYTES + emitHeartbeat(heartbeat).length);
    const took = (bytes * BITS_A_BYTE * 1000) / config.baud;
    if (!canWait(heartbeat)) {
      way.sentAt = this.#time.now;
      return this.#write(way, bytes, took, arrive);
    }
    this.#whenIdle(way, LATER_TRIES, () => this.#write(way, bytes, took, arrive));
  }

  #whenIdle(way: Direction, tries: number, write: () => void): void {
    const idle = this.#cluster.timing.heartbeat * IDLE;
    const until = way.sentAt + idle - this.#time.now;
    this.#time.at(until > 0 ? until : idle, () => {
      if (this.#time.now >= way.sentAt + idle) write();
      else if (tries > 0) this.#whenIdle(way, tries - 1, write);
      else way.dropped += 1;
    });
  }

  #write(way: Direction, bytes: number, took: number, arrive: () => void): void {
    const { now } = this.#time;
    const freeAt = Math.max(now, way.freeAt) + took;
    if (freeAt - now > this.#cluster.timing.heartbeat) {
      way.dropped += 1;
      return;
    }
    way.freeAt = freeAt;
    way.bytes += bytes;
    this.#time.at(freeAt - now, arrive);
  }
}
