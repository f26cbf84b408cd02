/** The 28 octets in front of every sealed datagram (docs/protocol.md section 2), in both versions of the seal. */
import { createHash } from "node:crypto";

/** The highest version of the seal that is made and opened here; the lowest is 1, as software before this one speaks it. */
export const SEAL_VERSION = 2;
export const HEADER_BYTES = 28;
export const MAGIC = 0x4846;

/** `encrypt` hides and authenticates; `authenticate-only` leaves the payload readable on the wire. */
export type Suite = "encrypt" | "authenticate-only";
export const SUITE_CODES = { encrypt: 1, "authenticate-only": 2 } as const satisfies Record<Suite, number>;

/** Offsets. */
export const AT = {
  magic: 0,
  version: 2,
  suite: 3,
  cluster: 4,
  key: 8,
  boot: 12,
  bootEnd: 20,
  stream: 20,
  sequence: 22,
} as const;

export const MAXIMUM_SEQUENCE = 2 ** 48 - 1;
export const MAXIMUM_STREAM = 0xffff;

/** Version 2: the number of one link and receiver, the same at every sender and under every configuration. */
export function streamOf(link: string, receiver: string): number {
  return createHash("sha256").update(`holdfast stream ${receiver} ${link}`).digest().readUInt16BE(0);
}

/** What is the same in every datagram of a sender. */
export function newHeader(version: number, suite: Suite, cluster: number, key: number, boot: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(MAGIC, AT.magic);
  header[AT.version] = version;
  header[AT.suite] = SUITE_CODES[suite];
  header.writeUInt32BE(cluster, AT.cluster);
  header.writeUInt32BE(key, AT.key);
  header.write(boot, AT.boot, "hex");
  return header;
}

/** Stream, four zeros, sequence: never the same twice under one key. */
export function writeNonce(nonce: Uint8Array, header: Uint8Array): void {
  for (let i = 0; i < 2; i++) nonce[i] = header[AT.stream + i] ?? 0;
  for (let i = 0; i < 6; i++) nonce[6 + i] = header[AT.sequence + i] ?? 0;
}
