/** The cipher under a seal: ChaCha20-Poly1305 (RFC 8439) for one key, as `node:crypto` has it. */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";

export const TAG_BYTES = 16;
export const NONCE_BYTES = 12;

const ALGORITHM = "chacha20-poly1305";

/** One key. Of the bytes given the first `associated` are only authenticated, the last 16 are the tag. */
export interface Aead {
  /** In place. A nonce must never come twice under one key. */
  seal(nonce: Uint8Array, data: Uint8Array, associated: number): void;
  /** The text's length in `into`, which has room for it; undefined when the tag does not fit. */
  open(nonce: Uint8Array, data: Uint8Array, associated: number, into: Uint8Array): number | undefined;
}

/** Makes the cipher of a 32-byte key. */
export type AeadOfKey = (key: Uint8Array) => Aead;

/** Everywhere the same bytes come out; where the addon is at hand, its own is ten times as fast (packages/linux/aead.ts). */
export const nodeAead: AeadOfKey = (secret) => {
  const key = createSecretKey(secret);
  return {
    seal(nonce, data, associated) {
      const tagAt = data.length - TAG_BYTES;
      const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(data.subarray(0, associated), { plaintextLength: tagAt - associated });
      data.set(cipher.update(data.subarray(associated, tagAt)), associated);
      cipher.final();
      data.set(cipher.getAuthTag(), tagAt);
    },
    open(nonce, data, associated, into) {
      const tagAt = data.length - TAG_BYTES;
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(data.subarray(tagAt));
      decipher.setAAD(data.subarray(0, associated), { plaintextLength: tagAt - associated });
      const text = decipher.update(data.subarray(associated, tagAt));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      into.set(text);
      return text.length;
    },
  };
};
