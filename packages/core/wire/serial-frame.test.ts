/** Frames of a serial line: what goes in comes out, whatever the line adds, loses or changes between frames. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRandom, seededRandom } from "../random.ts";
import { crc32 } from "./crc32.ts";
import { frameOf, framedBytes, FrameReader, MAXIMUM_FRAMED_BYTES } from "./serial-frame.ts";

/** What a reader makes of these pieces. */
function read(...pieces: readonly Uint8Array[]): { readonly frames: string[]; readonly garbled: number[] } {
  const frames: string[] = [];
  const garbled: number[] = [];
  const reader = new FrameReader({
    frame: (datagram) => void frames.push(Buffer.from(datagram).toString("hex")),
    garbled: (octets) => void garbled.push(octets),
  });
  reader.push(Uint8Array.of(0));
  for (const piece of pieces) reader.push(piece);
  return { frames, garbled };
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

function framed(datagram: Uint8Array): Uint8Array {
  const frame = frameOf(datagram);
  assert.ok(frame !== undefined);
  return frame;
}

const state = seededRandom(2026);
const random = (): number => nextRandom(state);

function randomBytes(length: number, zeros: number): Uint8Array {
  return Uint8Array.from({ length }, () => (random() < zeros ? 0 : Math.floor(256 * random())));
}

test("CRC-32 has the check value of its catalogue", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("the frame of the document, octet by octet", () => {
  // The datagram 48 46 00 01 with its CRC-32, 7c f4 6e 2a.
  assert.equal(Buffer.from(framed(hex("48460001"))).toString("hex"), "0003484606017cf46e2a00");
});

test("every datagram comes out as it went in, with no zero inside and within the octets announced", () => {
  const lengths = [0, 1, 4, 249, 250, 251, 253, 254, 255, 256, 503, 504, 505, 508, 1000, MAXIMUM_FRAMED_BYTES];
  for (const length of lengths) {
    for (const zeros of [0, 0.01, 0.5, 1]) {
      const datagram = randomBytes(length, zeros);
      const frame = framed(datagram);
      assert.ok(frame.length <= framedBytes(length), `${frame.length} of ${framedBytes(length)}`);
      assert.equal(frame.subarray(1, -1).includes(0), false);
      const { frames, garbled } = read(frame);
      assert.deepEqual(frames, [Buffer.from(datagram).toString("hex")]);
      assert.deepEqual(garbled, []);
    }
  }
});

test("a frame without a zero in it is as long as announced", () => {
  assert.equal(framed(new Uint8Array(600).fill(7)).length, framedBytes(600));
});

test("pieces of any size make the same frames", () => {
  const datagrams = [randomBytes(150, 0.1), randomBytes(300, 0), randomBytes(44, 1)];
  const line = Buffer.concat(datagrams.map(framed));
  for (const size of [1, 2, 7, 64, 255, line.length]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < line.length; at += size) pieces.push(line.subarray(at, at + size));
    assert.equal(read(...pieces).frames.length, 3, `pieces of ${size}`);
  }
});

test("garbage, half a frame or a changed octet costs that frame and no other", () => {
  const [a, b] = [framed(randomBytes(150, 0.05)), framed(randomBytes(150, 0.05))];
  const noise = randomBytes(5000, 0).map((octet) => octet || 1);
  const cases: readonly [what: string, line: readonly Uint8Array[], frames: number, garbled: number][] = [
    ["noise before a frame", [noise.subarray(0, 40), a], 1, 1],
    ["noise longer than any frame", [noise, a, b], 2, 1],
    ["zeros by the hundred", [new Uint8Array(300), a, new Uint8Array(300)], 1, 0],
    ["half a frame, then a whole one", [a.subarray(0, 80), b], 1, 1],
    ["a frame without its beginning", [a.subarray(80), b], 1, 1],
    ["one octet lost", [a.subarray(0, 50), a.subarray(51), b], 1, 1],
    ["one octet more", [a.subarray(0, 50), Uint8Array.of(9), a.subarray(50), b], 1, 1],
  ];
  for (const [what, line, frames, garbled] of cases) {
    const got = read(...line);
    assert.equal(got.frames.length, frames, what);
    assert.equal(got.garbled.length, garbled, what);
  }
});

test("no change of any one octet goes unnoticed", () => {
  const datagram = randomBytes(60, 0.1);
  const frame = framed(datagram);
  const right = Buffer.from(datagram).toString("hex");
  for (let at = 1; at < frame.length - 1; at++) {
    for (const bits of [1, 0x80, 0xff, frame[at] ?? 0]) {
      const changed = frame.slice();
      changed[at] = (changed[at] ?? 0) ^ bits;
      const { frames, garbled } = read(changed);
      assert.deepEqual([frames.length, garbled.length > 0], [0, true], `octet ${at}`);
      assert.deepEqual(read(changed, frame).frames, [right]);
    }
  }
});

test("a megabyte of noise is read in fixed memory, and the frame after it", () => {
  const frame = framed(randomBytes(100, 0.1));
  const reader: { frames: number; garbled: number } = { frames: 0, garbled: 0 };
  const found = new FrameReader({ frame: () => void reader.frames++, garbled: () => void reader.garbled++ });
  for (let i = 0; i < 250; i++) found.push(randomBytes(4096, 0.004));
  assert.ok(reader.garbled > 100);
  found.push(frame);
  assert.equal(reader.frames, 1);
});

test("what began before the line was opened is not held against it", () => {
  const frame = framed(randomBytes(100, 0.1));
  const got = { frames: 0, garbled: 0 };
  const found = new FrameReader({ frame: () => void got.frames++, garbled: () => void got.garbled++ });
  found.push(frame.subarray(30));
  found.push(frame);
  assert.deepEqual(got, { frames: 1, garbled: 0 });
  found.push(frame.subarray(30));
  assert.deepEqual(got, { frames: 1, garbled: 1 });
});

test("a datagram longer than a frame carries is refused, and so is its frame", () => {
  assert.equal(frameOf(new Uint8Array(MAXIMUM_FRAMED_BYTES + 1)), undefined);
});
