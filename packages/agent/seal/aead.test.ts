/** The addon's cipher and node:crypto's are one: the same bytes sealed, the same opened, the same refused. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type Aead, nodeAead, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { nativeAead } from "@holdfast/linux/aead.ts";
import { native } from "@holdfast/linux/load.ts";

/** RFC 8439 section 2.8.2. */
const VECTOR = {
  key: Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i),
  nonce: Uint8Array.of(7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47),
  associated: Uint8Array.of(0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7),
  text: "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  tag: "1ae10b594f09e26a7e902ecbd0600691",
};

const ciphers: readonly (readonly [string, (key: Uint8Array) => Aead])[] = [
  ["node:crypto", nodeAead],
  ["the addon", (key) => nativeAead(native, key)],
];

test("the RFC's own example comes out, from both", () => {
  for (const [name, aeadOf] of ciphers) {
    const data = Buffer.concat([VECTOR.associated, Buffer.from(VECTOR.text), Buffer.alloc(TAG_BYTES)]);
    aeadOf(VECTOR.key).seal(VECTOR.nonce, data, VECTOR.associated.length);
    assert.equal(data.subarray(-TAG_BYTES).toString("hex"), VECTOR.tag, name);
  }
});

test("what one seals the other opens, at every length; a changed bit is refused and the key goes on working", () => {
  const key = randomBytes(32);
  const [one, other] = ciphers.map(([, aeadOf]) => aeadOf(key)) as [Aead, Aead];
  const into = new Uint8Array(1500);
  for (let i = 0; i < 600; i++) {
    const [sealer, opener] = i % 2 === 0 ? [one, other] : [other, one];
    const associated = i % 41;
    const textBytes = (i * 7) % 1400;
    const plain = randomBytes(associated + textBytes + TAG_BYTES);
    const nonce = randomBytes(NONCE_BYTES);
    const data = Buffer.from(plain);
    sealer.seal(nonce, data, associated);
    const again = Buffer.from(plain);
    opener.seal(nonce, again, associated);
    assert.ok(data.equals(again), `${associated} and ${textBytes} bytes`);
    const bit = (i * 31) % (data.length * 8);
    data[bit >> 3] = (data[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    for (const each of [one, other]) assert.equal(each.open(nonce, data, associated, into), undefined, `bit ${bit}`);
    for (const each of [one, other]) {
      assert.equal(each.open(nonce, again, associated, into), textBytes);
      assert.ok(plain.subarray(associated, associated + textBytes).equals(into.subarray(0, textBytes)));
    }
  }
});

test("the addon takes no key, nonce, datagram or buffer of a wrong length", () => {
  assert.throws(() => nativeAead(native, new Uint8Array(31)), /EINVAL/);
  const aead = nativeAead(native, new Uint8Array(32));
  assert.throws(() => aead.seal(new Uint8Array(11), new Uint8Array(64), 0), /EINVAL/);
  assert.throws(() => aead.seal(new Uint8Array(12), new Uint8Array(15), 0), /EINVAL/);
  assert.throws(() => aead.seal(new Uint8Array(12), new Uint8Array(64), 49), /EINVAL/);
  assert.throws(() => aead.seal(new Uint8Array(12), new Uint8Array(64), -1), /EINVAL/);
  const sealed = new Uint8Array(64);
  aead.seal(new Uint8Array(12), sealed, 8);
  assert.equal(aead.open(new Uint8Array(12), sealed, 8, new Uint8Array(39)), undefined);
  assert.equal(aead.open(new Uint8Array(12), sealed, 8, new Uint8Array(40)), 40);
});
