/** Ethernet addresses. */
import type { Brand } from "./brand.ts";

/** Six lower-case hex pairs joined by colons: "02:00:00:00:00:01". */
export type Mac = Brand<string, "Mac">;

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Undefined when the text is not an Ethernet address. */
export function parseMac(text: string): Mac | undefined {
  const lower = text.toLowerCase();
  return MAC.test(lower) ? (lower as Mac) : undefined;
}

export function macFromBytes(bytes: Uint8Array, offset = 0): Mac {
  let text = "";
  for (let i = 0; i < 6; i++) text += (i === 0 ? "" : ":") + (bytes[offset + i] ?? 0).toString(16).padStart(2, "0");
  return text as Mac;
}

export function macBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":"), (pair) => Number.parseInt(pair, 16));
}
