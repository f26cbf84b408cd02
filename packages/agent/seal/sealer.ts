/**
 * Authenticated datagrams: what leaves is sealed with the active key, what arrives is opened or refused with a reason.
 *
 * ChaCha20-Poly1305 (RFC 8439) under a key of its own for each boot of a daemon (HKDF, RFC 5869), so that the counters in
 * the nonce may start again with every boot. The layout is in docs/protocol.md. Nothing is kept about a sender before its
 * tag was verified: strangers can neither fill nor clear the caches.
 */
import { hkdfSync } from "node:crypto";
import { failure, success } from "@holdfast/core/units/result.ts";
import { type Aead, type AeadOfKey, nodeAead, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { clusterId, keyId } from "./keys.ts";
import { type Sender, Senders } from "./senders.ts";
import type { Key, Keys } from "./keys.ts";
import type { RejectReason } from "@holdfast/core/effects.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";

/** `encrypt` hides and authenticates; `authenticate-only` leaves the payload readable on the wire. */
export type Suite = "encrypt" | "authenticate-only";

export const SEAL_VERSION = 1;
export const HEADER_BYTES = 28;

/** Offsets in the header. */
const AT = { magic: 0, version: 2, suite: 3, cluster: 4, key: 8, boot: 12, stream: 20, sequence: 22 } as const;
/** Where a datagram says which cluster it is of, for who serves several. */
export const CLUSTER_AT = AT.cluster;
const MAGIC = 0x4846;
const SUITE_CODES = { encrypt: 1, "authenticate-only": 2 } as const satisfies Record<Suite, number>;
const MAXIMUM_SEQUENCE = 2 ** 48 - 1;

/** Longer payloads are opened too, at the price of a new buffer for each. */
const USUAL_PAYLOAD_BYTES = 2048;

export interface Opened {
  /** Valid until the next datagram is opened. */
  readonly payload: Uint8Array;
  readonly boot: BootId;
  /** The sender's number for its link and destination, unsigned 16 bits. */
  readonly stream: number;
  readonly sequence: number;
  /** The key that sealed it. */
  readonly keyName: string;
}

export interface Rejected {
  readonly reason: Extract<RejectReason, "malformed" | "version" | "cluster" | "key" | "auth" | "replay">;
}

export interface Sealer {
  /**
   * The datagram for one payload, made in `room` when one is given that is large enough. Each stream (0 to 65535) counts
   * for itself; throws RangeError outside that.
   */
  seal(stream: number, payload: Uint8Array, room?: Uint8Array): Uint8Array;
  /** The payload of an authentic datagram seen for the first time. Never throws. */
  open(datagram: Uint8Array): Result<Opened, Rejected>;
  /** After the key file changed. Counters and replay windows go on: a nonce is never used twice. */
  useKeys(keys: Keys): void;
}

export interface SealerOptions {
  readonly cluster: string;
  readonly keys: Keys;
  /** Must be new and random for each sealer: the nonces under one boot start at 1. */
  readonly boot: BootId;
  readonly suite: Suite;
  /** Without: node:crypto. */
  readonly aead?: AeadOfKey;
}

export function createSealer(options: SealerOptions): Sealer {
  return new BootSealer(options);
}

class BootSealer implements Sealer {
  readonly #cluster: string;
  readonly #clusterId: number;
  readonly #boot: BootId;
  readonly #suite: Suite;
  readonly #aeadOf: AeadOfKey;
  #active: { readonly aead: Aead; readonly header: Buffer };
  #accepted: ReadonlyMap<number, Key>;
  readonly #sequences = new Map<number, number>();
  readonly #senders = new Senders();
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #opened = new Uint8Array(USUAL_PAYLOAD_BYTES);

  constructor(options: SealerOptions) {
    this.#cluster = options.cluster;
    this.#clusterId = clusterId(options.cluster);
    this.#boot = options.boot;
    this.#suite = options.suite;
    this.#aeadOf = options.aead ?? nodeAead;
    this.#active = this.#activeOf(options.keys);
    this.#accepted = byId(options.keys);
  }

  useKeys(keys: Keys): void {
    this.#active = this.#activeOf(keys);
    this.#accepted = byId(keys);
    this.#senders.forgetKeys();
  }

  /** The cipher, and what is the same in the header of every datagram: all but stream and sequence. */
  #activeOf(keys: Keys): { readonly aead: Aead; readonly header: Buffer } {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(MAGIC, AT.magic);
    header[AT.version] = SEAL_VERSION;
    header[AT.suite] = SUITE_CODES[this.#suite];
    header.writeUInt32BE(this.#clusterId, AT.cluster);
    header.writeUInt32BE(keyId(keys.active.name), AT.key);
    header.write(this.#boot, AT.boot, "hex");
    const boot = header.subarray(AT.boot, AT.stream);
    return { aead: this.#aeadOf(subkey(keys.active.secret, boot, this.#cluster)), header };
  }

  seal(stream: number, payload: Uint8Array, room?: Uint8Array): Uint8Array {
    const sequence = (this.#sequences.get(stream) ?? 0) + 1;
    if (!Number.isInteger(stream) || stream < 0 || stream > 0xffff)
      throw new RangeError(`stream ${stream} is not 0 to 65535`);
    if (sequence > MAXIMUM_SEQUENCE) throw new RangeError(`stream ${stream} has used up its sequence numbers`);
    this.#sequences.set(stream, sequence);

    const { aead, header } = this.#active;
    header.writeUInt16BE(stream, AT.stream);
    header.writeUIntBE(sequence, AT.sequence, 6);
    const bytes = HEADER_BYTES + payload.length + TAG_BYTES;
    const datagram = room !== undefined && room.length >= bytes ? room.subarray(0, bytes) : new Uint8Array(bytes);
    datagram.set(header);
    datagram.set(payload, HEADER_BYTES);
    aead.seal(this.#nonceOf(header), datagram, this.#associated(datagram));
    return datagram;
  }

  open(datagram: Uint8Array): Result<Opened, Rejected> {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes.readUInt16BE(AT.magic) !== MAGIC) return rejected("malformed");
    if (bytes[AT.version] !== SEAL_VERSION) return rejected("version");
    if (bytes.readUInt32BE(AT.cluster) !== this.#clusterId) return rejected("cluster");
    const id = bytes.readUInt32BE(AT.key);
    const key = this.#accepted.get(id);
    if (key === undefined) return rejected("key");
    // Cheaper than finding it out by the tag, which would even fit when the payload is empty.
    if (bytes[AT.suite] !== SUITE_CODES[this.#suite]) return rejected("auth");

    const boot = bytes.toString("hex", AT.boot, AT.stream) as BootId;
    const known = this.#senders.find(boot);
    const remembered = known?.aeads.get(id);
    const aead = remembered ?? this.#aeadOf(subkey(key.secret, bytes.subarray(AT.boot, AT.stream), this.#cluster));
    const payload = this.#verified(aead, bytes);
    if (payload === undefined) return rejected("auth");
    const sender = known ?? this.#senders.remember(boot);
    if (remembered === undefined) sender.aeads.set(id, aead);

    const stream = bytes.readUInt16BE(AT.stream);
    const sequence = bytes.readUIntBE(AT.sequence, 6);
    if (this.#isReplay(sender, stream, sequence)) return rejected("replay");
    return success({ payload, boot, stream, sequence, keyName: key.name });
  }

  /** What this node sent itself comes back only when somebody sends it back. */
  #isReplay(sender: Sender, stream: number, sequence: number): boolean {
    return sender.boot === this.#boot || !this.#senders.window(sender, stream).accept(sequence);
  }

  /** The payload; undefined when the tag does not fit. */
  #verified(aead: Aead, datagram: Uint8Array): Uint8Array | undefined {
    const associated = this.#associated(datagram);
    const payloadBytes = datagram.length - HEADER_BYTES - TAG_BYTES;
    const into = payloadBytes <= this.#opened.length ? this.#opened : new Uint8Array(payloadBytes);
    if (aead.open(this.#nonceOf(datagram), datagram, associated, into) === undefined) return undefined;
    if (this.#suite === "authenticate-only") into.set(datagram.subarray(HEADER_BYTES, associated));
    return into.subarray(0, payloadBytes);
  }

  /** How much of a datagram is authenticated as it is. */
  #associated(datagram: Uint8Array): number {
    return this.#suite === "encrypt" ? HEADER_BYTES : datagram.length - TAG_BYTES;
  }

  /** Stream, four zeros, sequence: never the same twice under one boot's key. Valid until the next call. */
  #nonceOf(datagram: Uint8Array): Uint8Array {
    const nonce = this.#nonce;
    for (let i = 0; i < 2; i++) nonce[i] = datagram[AT.stream + i] ?? 0;
    for (let i = 0; i < 6; i++) nonce[6 + i] = datagram[AT.sequence + i] ?? 0;
    return nonce;
  }
}

function byId(keys: Keys): ReadonlyMap<number, Key> {
  return new Map([...keys.accepted, keys.active].map((key) => [keyId(key.name), key]));
}

function rejected(reason: Rejected["reason"]): Result<never, Rejected> {
  return failure({ reason });
}

function subkey(secret: Uint8Array, boot: Uint8Array, cluster: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, boot, `holdfast heartbeat 1 ${cluster}`, 32));
}
