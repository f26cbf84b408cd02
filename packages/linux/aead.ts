/** ChaCha20-Poly1305 in the addon: one kept context a key, about 1 us a datagram where node:crypto takes about 12. */
import { errnoName } from "./load.ts";
import type { Native } from "./native.ts";

/** Undefined from `open`: the tag does not fit. Throws what can only be a wrong argument or the lack of memory. */
export interface NativeAead {
  seal(nonce: Uint8Array, data: Uint8Array, associated: number): void;
  open(nonce: Uint8Array, data: Uint8Array, associated: number, into: Uint8Array): number | undefined;
}

export function nativeAead(native: Native, secret: Uint8Array): NativeAead {
  const key = native.aeadKey(secret);
  if (typeof key === "number") throw new Error(`cipher: ${errnoName(key)}`);
  return {
    seal(nonce, data, associated) {
      const sealed = native.aeadSeal(key, nonce, data, associated);
      if (sealed < 0) throw new Error(`sealing: ${errnoName(sealed)}`);
    },
    open(nonce, data, associated, into) {
      const length = native.aeadOpen(key, nonce, data, associated, into);
      return length < 0 ? undefined : length;
    },
  };
}
