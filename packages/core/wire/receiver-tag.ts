/** On a medium where everybody hears everything, the last octets say whom a datagram is for: the kernel drops the rest. */
import { crc32 } from "./crc32.ts";
import type { NodeName } from "../units/names.ts";

export const TAG_BYTES = 4;

/** CRC-32 of the receiver's name: not a secret and no proof, only an address. */
export function receiverTag(node: NodeName): number {
  return crc32(Uint8Array.from(node, (letter) => letter.charCodeAt(0)));
}
