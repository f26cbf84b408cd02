/** The cluster's keys as values, and the names they go by inside a datagram. */
import { createHash } from "node:crypto";

export const SECRET_BYTES = 32;

export interface Key {
  /** As in the key file, for people: "2026-11". */
  readonly name: string;
  /** 32 random bytes, the same on every node. */
  readonly secret: Uint8Array;
}

export interface Keys {
  /** Seals what this node sends. */
  readonly active: Key;
  /** Open what it receives; the active one is among them. */
  readonly accepted: readonly Key[];
}

/** How a datagram names its key: unsigned 32 bits made of the key's name, never of the secret. */
export function keyId(name: string): number {
  return createHash("sha256").update("holdfast key id").update(name).digest().readUInt32BE(0);
}

/** How a datagram names its cluster: unsigned 32 bits. */
export function clusterId(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE(0);
}
