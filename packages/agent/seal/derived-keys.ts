/** What is derived from a key of the file (HKDF-SHA256, RFC 5869): the secret itself never seals anything. */
import { hkdfSync } from "node:crypto";
import { type Aead, type AeadOfKey, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { AT } from "./header.ts";
import type { Key } from "./keys.ts";

/** Version 1: one for each boot of a sender. */
export function bootKey(secret: Uint8Array, boot: Uint8Array, cluster: string): Uint8Array {
  return derive(secret, boot, `holdfast heartbeat 1 ${cluster}`);
}

/** Version 2: one for each boot of a sender, receiver and link: one direction of one link. */
export function directionKey(
  secret: Uint8Array,
  boot: Uint8Array,
  cluster: string,
  receiver: string,
  link: string,
): Uint8Array {
  // The cluster's name comes last: it alone may have spaces.
  return derive(secret, boot, `holdfast heartbeat 2 ${receiver} ${link} ${cluster}`);
}

function derive(secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, info, 32));
}

const BOOT_BYTES = AT.bootEnd - AT.boot;

/**
 * Version 2 names its key by a number that only who has the key can make for a boot: a stranger's boot is found out at the
 * price of one short block of the cipher, before anything is derived or kept for it.
 */
export class BootMark {
  readonly key: Key;
  readonly #aead: Aead;
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  readonly #tag = Buffer.alloc(TAG_BYTES);

  constructor(key: Key, cluster: string, aeadOf: AeadOfKey) {
    this.key = key;
    this.#aead = aeadOf(derive(key.secret, new Uint8Array(0), `holdfast boot 2 ${cluster}`));
  }

  /** Unsigned 32 bits: the head of the tag over nothing, with the boot as nonce. */
  of(boot: Uint8Array): number {
    for (let i = 0; i < BOOT_BYTES; i++) this.#nonce[i] = boot[i] ?? 0;
    this.#aead.seal(this.#nonce, this.#tag, 0);
    return this.#tag.readUInt32BE(0);
  }
}
