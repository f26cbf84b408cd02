/**
 * Authenticated datagrams: what leaves is sealed with the active key, what arrives is opened or refused with a reason.
 *
 * ChaCha20-Poly1305 (RFC 8439) under a key of its own for each boot of a daemon (HKDF, RFC 5869), so that the counters in
 * the nonce may start again with every boot. The layout is in docs/protocol.md. Nothing is kept about a sender before its
 * tag was verified: strangers can neither fill nor clear the caches.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from "node:crypto";
import { failure, success } from "@holdfast/core/units/result.ts";
import { clusterId, keyId } from "./keys.ts";
import { Recent } from "./recent.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { KeyObject } from "node:crypto";
import type { Key, Keys } from "./keys.ts";
import type { RejectReason } from "@holdfast/core/effects.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";

/** `encrypt` hides and authenticates; `authenticate-only` leaves the payload readable on the wire. */
export type Suite = "encrypt" | "authenticate-only";

export const SEAL_VERSION = 1;
export const HEADER_BYTES = 28;
export const TAG_BYTES = 16;

/** Offsets in the header. */
const AT = { magic: 0, version: 2, suite: 3, cluster: 4, key: 8, boot: 12, stream: 20, sequence: 22 } as const;
const MAGIC = 0x4846;
const SUITE_CODES = { encrypt: 1, "authenticate-only": 2 } as const satisfies Record<Suite, number>;
const ALGORITHM = "chacha20-poly1305";
const NONCE_BYTES = 12;
const MAXIMUM_SEQUENCE = 2 ** 48 - 1;

/** Bounds of what is remembered of authentic senders. A forgotten window would accept a replay once. */
const REMEMBERED_BOOTS = 1024;
const REMEMBERED_WINDOWS = 4096;

export interface Opened {
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
  /** The datagram for one payload. Each stream (0 to 65535) counts for itself; throws RangeError outside that. */
  seal(stream: number, payload: Uint8Array): Uint8Array;
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
}

export function createSealer(options: SealerOptions): Sealer {
  return new BootSealer(options);
}

class BootSealer implements Sealer {
  readonly #cluster: string;
  readonly #clusterId: number;
  readonly #boot: BootId;
  readonly #suite: Suite;
  #active: { readonly id: number; readonly subkey: KeyObject };
  #accepted: ReadonlyMap<number, Key>;
  readonly #sequences = new Map<number, number>();
  /** By key name and boot. */
  readonly #subkeys = new Recent<KeyObject>(REMEMBERED_BOOTS);
  /** By boot and stream. */
  readonly #windows = new Recent<ReplayWindow>(REMEMBERED_WINDOWS);

  constructor(options: SealerOptions) {
    this.#cluster = options.cluster;
    this.#clusterId = clusterId(options.cluster);
    this.#boot = options.boot;
    this.#suite = options.suite;
    this.#active = this.#activeOf(options.keys);
    this.#accepted = byId(options.keys);
  }

  useKeys(keys: Keys): void {
    this.#active = this.#activeOf(keys);
    this.#accepted = byId(keys);
    // A name may have been given to another secret.
    this.#subkeys.clear();
  }

  #activeOf(keys: Keys): { readonly id: number; readonly subkey: KeyObject } {
    const boot = Buffer.from(this.#boot, "hex");
    return { id: keyId(keys.active.name), subkey: deriveSubkey(keys.active.secret, boot, this.#cluster) };
  }

  seal(stream: number, payload: Uint8Array): Uint8Array {
    const sequence = (this.#sequences.get(stream) ?? 0) + 1;
    if (!Number.isInteger(stream) || stream < 0 || stream > 0xffff)
      throw new RangeError(`stream ${stream} is not 0 to 65535`);
    if (sequence > MAXIMUM_SEQUENCE) throw new RangeError(`stream ${stream} has used up its sequence numbers`);
    this.#sequences.set(stream, sequence);

    const datagram = Buffer.allocUnsafe(HEADER_BYTES + payload.length + TAG_BYTES);
    datagram.writeUInt16BE(MAGIC, AT.magic);
    datagram[AT.version] = SEAL_VERSION;
    datagram[AT.suite] = SUITE_CODES[this.#suite];
    datagram.writeUInt32BE(this.#clusterId, AT.cluster);
    datagram.writeUInt32BE(this.#active.id, AT.key);
    datagram.write(this.#boot, AT.boot, "hex");
    datagram.writeUInt16BE(stream, AT.stream);
    datagram.writeUIntBE(sequence, AT.sequence, 6);

    const cipher = createCipheriv(ALGORITHM, this.#active.subkey, nonceOf(datagram), { authTagLength: TAG_BYTES });
    const tagAt = HEADER_BYTES + payload.length;
    datagram.set(payload, HEADER_BYTES);
    if (this.#suite === "encrypt") {
      cipher.setAAD(datagram.subarray(0, HEADER_BYTES), { plaintextLength: payload.length });
      datagram.set(cipher.update(payload), HEADER_BYTES);
    } else {
      cipher.setAAD(datagram.subarray(0, tagAt), { plaintextLength: 0 });
    }
    cipher.final();
    datagram.set(cipher.getAuthTag(), tagAt);
    return plainArray(datagram);
  }

  open(datagram: Uint8Array): Result<Opened, Rejected> {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes.readUInt16BE(AT.magic) !== MAGIC) return rejected("malformed");
    if (bytes[AT.version] !== SEAL_VERSION) return rejected("version");
    if (bytes.readUInt32BE(AT.cluster) !== this.#clusterId) return rejected("cluster");
    const key = this.#accepted.get(bytes.readUInt32BE(AT.key));
    if (key === undefined) return rejected("key");
    // Cheaper than finding it out by the tag, which would even fit when the payload is empty.
    if (bytes[AT.suite] !== SUITE_CODES[this.#suite]) return rejected("auth");

    const boot = bytes.toString("hex", AT.boot, AT.boot + 8) as BootId;
    const subkeyName = `${boot} ${key.name}`;
    const known = this.#subkeys.find(subkeyName);
    const subkey = known ?? deriveSubkey(key.secret, bytes.subarray(AT.boot, AT.boot + 8), this.#cluster);
    const payload = verify(this.#suite, subkey, bytes);
    if (payload === undefined) return rejected("auth");
    if (known === undefined) this.#subkeys.put(subkeyName, subkey);

    const stream = bytes.readUInt16BE(AT.stream);
    const sequence = bytes.readUIntBE(AT.sequence, 6);
    // What this node sent itself comes back only when somebody sends it back.
    if (boot === this.#boot || !this.#window(boot, stream).accept(sequence)) return rejected("replay");
    return success({ payload, boot, stream, sequence, keyName: key.name });
  }

  #window(boot: BootId, stream: number): ReplayWindow {
    const name = `${boot} ${stream}`;
    const known = this.#windows.find(name);
    if (known !== undefined) return known;
    const window = new ReplayWindow();
    this.#windows.put(name, window);
    return window;
  }
}

function byId(keys: Keys): ReadonlyMap<number, Key> {
  return new Map([...keys.accepted, keys.active].map((key) => [keyId(key.name), key]));
}

function rejected(reason: Rejected["reason"]): Result<never, Rejected> {
  return failure({ reason });
}

function deriveSubkey(secret: Uint8Array, boot: Uint8Array, cluster: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", secret, boot, `holdfast heartbeat 1 ${cluster}`, 32)));
}

/** Stream, four zeros, sequence: never the same twice under one boot's key. */
function nonceOf(datagram: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  datagram.copy(nonce, 0, AT.stream, AT.stream + 2);
  datagram.copy(nonce, 6, AT.sequence, AT.sequence + 6);
  return nonce;
}

/** Undefined when the tag does not fit. */
function verify(suite: Suite, subkey: KeyObject, datagram: Buffer): Uint8Array | undefined {
  const tagAt = datagram.length - TAG_BYTES;
  const body = datagram.subarray(HEADER_BYTES, tagAt);
  const decipher = createDecipheriv(ALGORITHM, subkey, nonceOf(datagram), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(datagram.subarray(tagAt));
  const encrypted = suite === "encrypt";
  decipher.setAAD(datagram.subarray(0, encrypted ? HEADER_BYTES : tagAt), {
    plaintextLength: encrypted ? body.length : 0,
  });
  const plaintext = encrypted ? decipher.update(body) : Uint8Array.from(body);
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return encrypted ? plainArray(plaintext) : plaintext;
}

/** Without Buffer's own methods: its `slice` shares memory where a Uint8Array's copies. */
function plainArray(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
