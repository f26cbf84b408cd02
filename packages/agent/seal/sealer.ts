/**
 * Authenticated datagrams: what leaves is sealed with the active key, what arrives is opened or refused with a reason.
 *
 * ChaCha20-Poly1305 (RFC 8439) under a key of its own for each boot of a sender, each receiver and each link (HKDF, RFC
 * 5869): counters may start again with every boot, and what is taken from one link or direction opens on no other. The
 * layout is in docs/protocol.md. Nothing is kept about a sender, and nothing is derived for it, before its boot was shown to
 * come from a holder of the key: strangers can neither fill nor clear what is remembered, nor keep the processor busy.
 */
import { failure, success } from "@holdfast/core/units/result.ts";
import { type Aead, type AeadOfKey, nodeAead, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { BootMark, bootKey, directionKey } from "./derived-keys.ts";
import { AT, HEADER_BYTES, MAGIC, SEAL_VERSION, streamOf, type Suite, SUITE_CODES, writeNonce } from "./header.ts";
import { clusterId, keyId } from "./keys.ts";
import { Outgoing } from "./outgoing.ts";
import { type MarkedKey, type Sender, Senders } from "./senders.ts";
import type { Key, Keys } from "./keys.ts";
import type { RejectReason } from "@holdfast/core/effects.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import type { Result } from "@holdfast/core/units/result.ts";

/** Longer payloads are opened too, at the price of a new buffer for each. */
const USUAL_PAYLOAD_BYTES = 2048;
/** Boots of version 1 prove nothing before a key was derived for them: so many a second, whatever arrives. */
const DERIVED_A_SECOND = 200;

export interface Opened {
  /** Valid until the next datagram is opened. */
  readonly payload: Uint8Array;
  readonly boot: BootId;
  readonly version: 1 | 2;
  /** The number of its link and receiver, unsigned 16 bits. */
  readonly stream: number;
  readonly sequence: number;
  /** The key that sealed it. */
  readonly keyName: string;
}

export interface Rejected {
  readonly reason: Extract<RejectReason, "malformed" | "version" | "cluster" | "link" | "key" | "auth" | "replay">;
}

/** Where a datagram goes. */
export interface Destination {
  /** The version of the seal that the receiver opens. */
  readonly version: 1 | 2;
  readonly link: string;
  /** A node's name. */
  readonly receiver: string;
  /** Version 1: the sender's own number for link and receiver, 0 to 65535. */
  readonly stream: number;
}

export interface Sealer {
  /**
   * The datagram for one payload, made in `room` when one is given that is large enough. Each link and receiver counts for
   * itself; throws RangeError for a stream outside 16 bits.
   */
  seal(to: Destination, payload: Uint8Array, room?: Uint8Array): Uint8Array;
  /** The payload of an authentic datagram seen for the first time, which came over `link`. Never throws. */
  open(datagram: Uint8Array, link: string): Result<Opened, Rejected>;
  /** After the key file changed. Counters and replay windows go on: a nonce is never used twice. */
  useKeys(keys: Keys): void;
}

export interface SealerOptions {
  readonly cluster: string;
  /** The node that opens. */
  readonly node: string;
  readonly keys: Keys;
  /** Must be new and random for each sealer: the nonces under one boot start at 1. */
  readonly boot: BootId;
  readonly suite: Suite;
  /** Without: node:crypto. */
  readonly aead?: AeadOfKey;
  /** Any clock that does not go back, in milliseconds. Without: the process's own. */
  readonly now?: () => number;
}

export function createSealer(options: SealerOptions): Sealer {
  return new BootSealer(options);
}

/** One link as the receiver knows it. */
interface Listening {
  readonly name: string;
  readonly number: number;
  readonly stream: number;
}

class BootSealer implements Sealer {
  readonly #cluster: string;
  readonly #clusterId: number;
  readonly #node: string;
  readonly #boot: BootId;
  readonly #suite: Suite;
  readonly #aeadOf: AeadOfKey;
  readonly #now: () => number;
  readonly #outgoing: Outgoing;
  #accepted: ReadonlyMap<number, Key>;
  #marks: readonly BootMark[];
  readonly #links = new Map<string, Listening>();
  readonly #senders = new Senders();
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #opened = new Uint8Array(USUAL_PAYLOAD_BYTES);
  #second = 0;
  #derived = 0;

  constructor(options: SealerOptions) {
    this.#cluster = options.cluster;
    this.#clusterId = clusterId(options.cluster);
    this.#node = options.node;
    this.#boot = options.boot;
    this.#suite = options.suite;
    this.#aeadOf = options.aead ?? nodeAead;
    this.#now = options.now ?? (() => performance.now());
    this.#accepted = byId(options.keys);
    this.#marks = this.#marksOf(options.keys);
    this.#outgoing = new Outgoing({ ...options, aeadOf: this.#aeadOf });
  }

  useKeys(keys: Keys): void {
    this.#accepted = byId(keys);
    this.#marks = this.#marksOf(keys);
    this.#outgoing.useKeys(keys);
    this.#senders.forgetKeys();
  }

  seal(to: Destination, payload: Uint8Array, room?: Uint8Array): Uint8Array {
    return this.#outgoing.seal(to, payload, room);
  }

  open(datagram: Uint8Array, link: string): Result<Opened, Rejected> {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes.readUInt16BE(AT.magic) !== MAGIC) return rejected("malformed");
    const version = bytes[AT.version];
    if (version !== 1 && version !== SEAL_VERSION) return rejected("version");
    if (bytes.readUInt32BE(AT.cluster) !== this.#clusterId) return rejected("cluster");
    return version === 1 ? this.#openFirst(bytes) : this.#openSecond(bytes, this.#listening(link));
  }

  #openSecond(bytes: Buffer, link: Listening): Result<Opened, Rejected> {
    const stream = bytes.readUInt16BE(AT.stream);
    if (stream !== link.stream) return rejected("link");
    if (bytes[AT.suite] !== SUITE_CODES[this.#suite]) return rejected("auth");
    const mark = bytes.readUInt32BE(AT.key);
    const known = this.#senders.find(bytes);
    const remembered = known?.marks.get(mark);
    const marked = remembered ?? this.#markedKey(bytes, mark);
    if (marked === undefined) return rejected("key");
    const sender = known ?? this.#senders.remember(bytes);
    if (remembered === undefined) sender.marks.set(mark, marked);
    if (sender.boot === this.#boot) return rejected("replay");

    let aead = marked.aeads[link.number];
    if (aead === undefined) {
      const boot = bytes.subarray(AT.boot, AT.bootEnd);
      aead = this.#aeadOf(directionKey(marked.key.secret, boot, this.#cluster, this.#node, link.name));
      marked.aeads[link.number] = aead;
    }
    const payload = this.#verified(aead, bytes);
    if (payload === undefined) return rejected("auth");
    const sequence = bytes.readUIntBE(AT.sequence, 6);
    // Two links may have the same stream by chance.
    const window = this.#senders.window(sender, 2, link.number);
    if (!window.accept(sequence)) return rejected("replay");
    return success({ payload, boot: sender.boot, version: 2, stream, sequence, keyName: marked.key.name });
  }

  /** The key whose holder made this boot; undefined: none of ours. */
  #markedKey(bytes: Buffer, mark: number): MarkedKey | undefined {
    const boot = bytes.subarray(AT.boot, AT.bootEnd);
    const found = this.#marks.find((each) => each.of(boot) === mark);
    return found === undefined ? undefined : { key: found.key, aeads: [] };
  }

  #openFirst(bytes: Buffer): Result<Opened, Rejected> {
    const id = bytes.readUInt32BE(AT.key);
    const key = this.#accepted.get(id);
    if (key === undefined) return rejected("key");
    // Cheaper than finding it out by the tag, which would even fit when the payload is empty.
    if (bytes[AT.suite] !== SUITE_CODES[this.#suite]) return rejected("auth");
    const known = this.#senders.find(bytes);
    const remembered = known?.aeads.get(id);
    if (remembered === undefined && !this.#mayDerive()) return rejected("auth");
    const aead = remembered ?? this.#aeadOf(bootKey(key.secret, bytes.subarray(AT.boot, AT.bootEnd), this.#cluster));
    const payload = this.#verified(aead, bytes);
    if (payload === undefined) return rejected("auth");
    const sender = known ?? this.#senders.remember(bytes);
    if (remembered === undefined) sender.aeads.set(id, aead);

    const stream = bytes.readUInt16BE(AT.stream);
    const sequence = bytes.readUIntBE(AT.sequence, 6);
    if (this.#isReplay(sender, stream, sequence)) return rejected("replay");
    return success({ payload, boot: sender.boot, version: 1, stream, sequence, keyName: key.name });
  }

  /** What this node sent itself comes back only when somebody sends it back. */
  #isReplay(sender: Sender, stream: number, sequence: number): boolean {
    return sender.boot === this.#boot || !this.#senders.window(sender, 1, stream).accept(sequence);
  }

  #mayDerive(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#derived = 0;
    }
    this.#derived += 1;
    return this.#derived <= DERIVED_A_SECOND;
  }

  #listening(name: string): Listening {
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link: Listening = { name, number: this.#links.size, stream: streamOf(name, this.#node) };
    this.#links.set(name, link);
    return link;
  }

  #marksOf(keys: Keys): readonly BootMark[] {
    return [...byId(keys).values()].map((key) => new BootMark(key, this.#cluster, this.#aeadOf));
  }

  /** The payload; undefined when the tag does not fit. */
  #verified(aead: Aead, datagram: Uint8Array): Uint8Array | undefined {
    const associated = this.#suite === "encrypt" ? HEADER_BYTES : datagram.length - TAG_BYTES;
    const payloadBytes = datagram.length - HEADER_BYTES - TAG_BYTES;
    const into = payloadBytes <= this.#opened.length ? this.#opened : new Uint8Array(payloadBytes);
    writeNonce(this.#nonce, datagram);
    if (aead.open(this.#nonce, datagram, associated, into) === undefined) return undefined;
    if (this.#suite === "authenticate-only") into.set(datagram.subarray(HEADER_BYTES, associated));
    return into.subarray(0, payloadBytes);
  }
}

function byId(keys: Keys): ReadonlyMap<number, Key> {
  return new Map([keys.active, ...keys.accepted].map((key) => [keyId(key.name), key]));
}

function rejected(reason: Rejected["reason"]): Result<never, Rejected> {
  return failure({ reason });
}
