/** What every kind of link is to `links.ts`: one end, which is somewhere or not, can be opened, and carries datagrams. */
import type { NodeConfig } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { TAG_BYTES } from "@holdfast/core/wire/receiver-tag.ts";
import type { Adapter, Adapters } from "@holdfast/linux/adapters.ts";

/** Where this node's end of a link is at the moment. */
export interface Place {
  /** Another one: what is open must be opened anew. */
  readonly key: string;
  /** The kernel's interface, or the path of the tty. */
  readonly device: string;
  /** Why nothing passes there now; undefined: nothing is known to be in the way. */
  readonly down: string | undefined;
}

export interface LinkEnd {
  /** Or why it is nowhere. */
  readonly locate: () => Result<Place, string>;
  readonly open: (place: Place) => Result<Transport, string>;
}

export interface Transport {
  /**
   * A datagram that cannot be sent is a lost one: loss is what the receiver sees and reports. Keeps no part of it.
   * `canWait`: on a slow medium, until nothing else needs it.
   */
  readonly send: (to: NodeConfig, datagram: Uint8Array, canWait: boolean) => void;
  /** Take what has come already, without waiting for the loop. */
  readonly read: () => void;
  readonly close: () => void;
}

/** Who sent something, as text; made when it is asked for, which for most datagrams nobody does. */
export type Source = () => string;

export interface TransportEvents {
  /** A sealed datagram, valid until this returns. The node that sent it, when it was authentic. */
  readonly datagram: (bytes: Uint8Array, source: Source) => NodeName | undefined;
  /** Octets on a serial line that are no frame. */
  readonly garbled: (source: Source) => void;
  /** The loop found the link readable, and all that had come was given. */
  readonly drained: () => void;
  /** It closed by itself. */
  readonly gone: (detail: string) => void;
}

/** What the ends of all kinds are made with. */
export interface EndContext {
  readonly self: NodeName;
  readonly adapters: Adapters;
  readonly interval_ms: number;
  readonly events: TransportEvents;
}

/** An interface as a place. */
export function placeOn(adapter: Adapter): Place {
  const { index, name, up } = adapter;
  return { key: `${index} ${name}`, device: name, down: up ? undefined : `no carrier on ${name}` };
}

/** A datagram without the tag behind it. */
export function untagged(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, Math.max(0, bytes.length - TAG_BYTES));
}

/** Puts the receiver's tag behind a datagram, always in the same memory. */
export class Tagged {
  readonly #room = new Uint8Array(2048);
  readonly #view = new DataView(this.#room.buffer);

  /** Valid until the next call; undefined when it is too long for any medium. */
  of(tag: number, datagram: Uint8Array): Uint8Array | undefined {
    const length = TAG_BYTES + datagram.length;
    if (length > this.#room.length) return undefined;
    this.#room.set(datagram);
    this.#view.setUint32(datagram.length, tag);
    return this.#room.subarray(0, length);
  }
}
