/** UTF-8: the same answers as the platform's own TextEncoder and TextDecoder, which the core may not use. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readUtf8, writeUtf8 } from "./utf8.ts";

function write(text: string, maximumBytes: number): Uint8Array {
  const into = new Uint8Array(maximumBytes + 1).fill(0xee);
  const end = writeUtf8(text, into, 0, maximumBytes);
  assert.equal(into[maximumBytes], 0xee, "wrote past its end");
  return into.slice(0, end);
}

test("every character is written and read as the platform does", () => {
  const encoder = new TextEncoder();
  for (let code = 0; code <= 0x10ffff; code += code < 0x3000 || (code >= 0xd700 && code < 0xe100) ? 1 : 251) {
    const text = String.fromCodePoint(code);
    const expected = encoder.encode(text);
    assert.deepEqual(write(text, 4), expected, code.toString(16));
    assert.equal(
      readUtf8(expected, 0, expected.length),
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(expected),
    );
  }
});

test("half a surrogate pair becomes U+FFFD", () => {
  for (const text of ["\ud800", "\udc00", "a\ud83d", "\udc00\ud800", "\ud83d\ude00"]) {
    assert.deepEqual(write(text, 30), new TextEncoder().encode(text));
  }
});

test("text is cut at a character", () => {
  const text = "aé€😀";
  const lengths = Array.from({ length: 11 }, (_, maximum) => write(text, maximum).length);
  assert.deepEqual(lengths, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
});

test("every sequence of two bytes, and 100000 of up to six likely ones (seed 1), is read as the platform does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const check = (bytes: Uint8Array): void =>
    assert.equal(readUtf8(bytes, 0, bytes.length), decoder.decode(bytes), Buffer.from(bytes).toString("hex"));
  for (let pair = 0; pair < 0x10000; pair++) check(Uint8Array.of(pair >> 8, pair & 0xff));
  const likely = [
    0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
  ];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < 100_000; i++)
    check(Uint8Array.from({ length: 1 + random(6) }, () => likely[random(likely.length)] ?? 0));
});
