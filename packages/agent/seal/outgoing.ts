/** What leaves: each link and receiver has its own counter and, in version 2 of the seal, its own key. */
import { type Aead, type AeadOfKey, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { BootMark, bootKey, directionKey } from "./derived-keys.ts";
import {
  AT,
  HEADER_BYTES,
  MAXIMUM_SEQUENCE,
  MAXIMUM_STREAM,
  newHeader,
  streamOf,
  type Suite,
  writeNonce,
} from "./header.ts";
import { clusterId, keyId } from "./keys.ts";
import type { Keys } from "./keys.ts";
import type { Destination } from "./sealer.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

interface Options {
  readonly cluster: string;
  readonly keys: Keys;
  readonly boot: BootId;
  readonly suite: Suite;
  readonly aeadOf: AeadOfKey;
}

/** The cipher, and what is the same in each header: all but the sequence, and in version 1 the stream. */
interface Cipher {
  readonly aead: Aead;
  readonly header: Buffer;
}

/** Version 2: one link and receiver. */
interface Direction {
  readonly link: string;
  readonly receiver: string;
  readonly stream: number;
  sequence: number;
  cipher: Cipher;
}

export class Outgoing {
  readonly #options: Options;
  #keys: Keys;
  /** Of each version the same in every datagram; the receiver of version 2 knows the key by the mark. */
  #mark: number;
  #first: Cipher | undefined;
  readonly #sequences = new Map<number, number>();
  /** By link, then by receiver. */
  readonly #directions = new Map<string, Map<string, Direction>>();
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  constructor(options: Options) {
    this.#options = options;
    this.#keys = options.keys;
    this.#mark = this.#markOf();
  }

  useKeys(keys: Keys): void {
    this.#keys = keys;
    this.#mark = this.#markOf();
    this.#first = undefined;
    for (const receivers of this.#directions.values())
      for (const direction of receivers.values()) direction.cipher = this.#secondCipher(direction);
  }

  seal(to: Destination, payload: Uint8Array, room?: Uint8Array): Uint8Array {
    const { aead, header } = to.version === 1 ? this.#nextOfFirst(to.stream) : this.#nextOfSecond(to);
    const bytes = HEADER_BYTES + payload.length + TAG_BYTES;
    const datagram = room !== undefined && room.length >= bytes ? room.subarray(0, bytes) : new Uint8Array(bytes);
    datagram.set(header);
    datagram.set(payload, HEADER_BYTES);
    writeNonce(this.#nonce, header);
    aead.seal(this.#nonce, datagram, this.#options.suite === "encrypt" ? HEADER_BYTES : bytes - TAG_BYTES);
    return datagram;
  }

  #nextOfFirst(stream: number): Cipher {
    if (!Number.isInteger(stream) || stream < 0 || stream > MAXIMUM_STREAM)
      throw new RangeError(`stream ${stream} is not 0 to ${MAXIMUM_STREAM}`);
    const sequence = checked((this.#sequences.get(stream) ?? 0) + 1);
    this.#sequences.set(stream, sequence);
    const cipher = (this.#first ??= this.#firstCipher());
    cipher.header.writeUInt16BE(stream, AT.stream);
    cipher.header.writeUIntBE(sequence, AT.sequence, 6);
    return cipher;
  }

  #nextOfSecond({ link, receiver }: Destination): Cipher {
    const direction = this.#directions.get(link)?.get(receiver) ?? this.#newDirection(link, receiver);
    direction.sequence = checked(direction.sequence + 1);
    direction.cipher.header.writeUIntBE(direction.sequence, AT.sequence, 6);
    return direction.cipher;
  }

  #newDirection(link: string, receiver: string): Direction {
    const named = { link, receiver, stream: streamOf(link, receiver) };
    const direction = { ...named, sequence: 0, cipher: this.#secondCipher(named) };
    const receivers = this.#directions.get(link) ?? new Map<string, Direction>();
    this.#directions.set(link, receivers.set(receiver, direction));
    return direction;
  }

  #firstCipher(): Cipher {
    const { cluster, suite, boot, aeadOf } = this.#options;
    const { name, secret } = this.#keys.active;
    const header = newHeader(1, suite, clusterId(cluster), keyId(name), boot);
    return { aead: aeadOf(bootKey(secret, header.subarray(AT.boot, AT.bootEnd), cluster)), header };
  }

  #secondCipher({ link, receiver, stream }: Pick<Direction, "link" | "receiver" | "stream">): Cipher {
    const { cluster, suite, boot, aeadOf } = this.#options;
    const header = newHeader(2, suite, clusterId(cluster), this.#mark, boot);
    header.writeUInt16BE(stream, AT.stream);
    const secret = directionKey(
      this.#keys.active.secret,
      header.subarray(AT.boot, AT.bootEnd),
      cluster,
      receiver,
      link,
    );
    return { aead: aeadOf(secret), header };
  }

  #markOf(): number {
    const { cluster, boot, aeadOf } = this.#options;
    return new BootMark(this.#keys.active, cluster, aeadOf).of(Buffer.from(boot, "hex"));
  }
}

function checked(sequence: number): number {
  if (sequence > MAXIMUM_SEQUENCE) throw new RangeError("the sequence numbers of a stream are used up");
  return sequence;
}
