/** Probe frames byte by byte, and that no garbage passes for an answer. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { ipBytes } from "@holdfast/core/units/ip.ts";
import { macBytes } from "@holdfast/core/units/mac.ts";
import { planTopology, probeSource, probeSource6 } from "../topology.ts";
import {
  arpProbe,
  ndpProbe,
  parseAnswer,
  payload,
  payloadOffset,
  readNumber,
  udp4Probe,
  udp6Probe,
  writeNumber,
} from "./frames.ts";

const { nodes, watch, service } = planTopology(1, false);
const node = nodes[0];
assert.ok(node);
const ENDS = { from: watch.mac, to: node.mac };
const SERVICE = ipBytes(service.address);
const SERVICE6 = ipBytes(service.address6);

/** Captured with a packet socket at the port of a Linux 6.18 node that held the address. */
const CAPTURED_ARP = "0268660000c9026866000002080600010800060400020268660000020a6300640268660000c90a63009d";

test("frames: an ARP request as in RFC 826", () => {
  assert.equal(
    Buffer.from(arpProbe(ENDS, probeSource(0), service.address)).toString("hex"),
    "0268660000010268660000c9080600010800060400010268660000c90a6300800000000000000a630064",
  );
});

test("frames: a reply captured from the kernel tells which source was asked", () => {
  assert.deepEqual(parseAnswer(Buffer.from(CAPTURED_ARP, "hex"), SERVICE, SERVICE6), { kind: "arp", source: 0x9d });
});

test("frames: checksums verify, and a new number does not change them", () => {
  const frames = [
    { kind: "udp4" as const, bytes: udp4Probe(ENDS, watch.address, service.address) },
    { kind: "udp6" as const, bytes: udp6Probe(ENDS, watch.address6, service.address6) },
    { kind: "ndp" as const, bytes: ndpProbe(ENDS, probeSource6(3), service.address6) },
  ];
  for (const { kind, bytes } of frames) {
    const at = payloadOffset(kind);
    for (const number of [0, 1, 0xffff, 0x12345678, 0xffffffff]) {
      if (at !== undefined) writeNumber(new DataView(bytes.buffer), at, number);
      // A sum over everything the checksum covers, itself included, is all ones (RFC 1071).
      if (kind === "udp4") assert.equal(sum(bytes.subarray(14, 34)), 0xffff);
      else {
        const upper = bytes.subarray(54);
        assert.equal(
          fold(sum(bytes.subarray(22, 54)) + upper.length + (bytes[20] as number) + sum(upper)),
          0xffff,
          kind,
        );
      }
    }
  }
});

/** What a node's kernel would make of a probe: ends swapped, the type of the answer. */
function answer(probe: Uint8Array): Uint8Array {
  const bytes = probe.slice();
  const swap = (a: number, b: number, length: number) => {
    bytes.set(probe.subarray(a, a + length), b);
    bytes.set(probe.subarray(b, b + length), a);
  };
  swap(0, 6, 6);
  const type = (bytes[12] as number) * 256 + (bytes[13] as number);
  if (type === 0x0800) swap(26, 30, 4);
  else swap(22, 38, 16);
  if (bytes[54] === 135 && type === 0x86dd) bytes[54] = 136;
  else swap(type === 0x0800 ? 34 : 54, type === 0x0800 ? 36 : 56, 2);
  return bytes;
}

test("frames: answers of every kind are read", () => {
  const four = udp4Probe(ENDS, watch.address, service.address);
  writeNumber(new DataView(four.buffer), 42, 77);
  assert.deepEqual(parseAnswer(answer(four), SERVICE, SERVICE6), { kind: "udp4", number: 77, answerer: 255 });
  const six = udp6Probe(ENDS, watch.address6, service.address6);
  writeNumber(new DataView(six.buffer), 62, 78);
  assert.deepEqual(parseAnswer(answer(six), SERVICE, SERVICE6), { kind: "udp6", number: 78, answerer: 255 });
  const solicitation = ndpProbe(ENDS, probeSource6(9), service.address6);
  assert.deepEqual(parseAnswer(answer(solicitation), SERVICE, SERVICE6), { kind: "ndp", source: 128 + 9 });
});

test("frames: a probe is no answer, nor is an answer for another address", () => {
  for (const bytes of [
    arpProbe(ENDS, probeSource(0), service.address),
    udp4Probe(ENDS, watch.address, service.address),
    udp6Probe(ENDS, watch.address6, service.address6),
    ndpProbe(ENDS, probeSource6(0), service.address6),
  ]) {
    assert.equal(parseAnswer(bytes, SERVICE, SERVICE6), undefined);
  }
  const other = answer(udp4Probe(ENDS, watch.address, node.lan));
  assert.equal(parseAnswer(other, SERVICE, SERVICE6), undefined);
});

test("frames: answers cut short and random bytes are never read beyond their end (seed 7)", () => {
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8;
  const good = [
    Buffer.from(CAPTURED_ARP, "hex"),
    answer(udp4Probe(ENDS, watch.address, service.address)),
    answer(udp6Probe(ENDS, watch.address6, service.address6)),
    answer(ndpProbe(ENDS, probeSource6(1), service.address6)),
  ];
  for (const bytes of good) {
    assert.ok(parseAnswer(bytes, SERVICE, SERVICE6));
    for (let length = 0; length < bytes.length - 8; length++) {
      const cut = bytes.slice(0, length);
      // An advertisement is complete without its options.
      if (length < 78) assert.equal(parseAnswer(cut, SERVICE, SERVICE6), undefined, `${length} of ${bytes.length}`);
    }
    for (let i = 0; i < 2000; i++) {
      const changed = Uint8Array.from(bytes);
      changed[random() % changed.length] = random();
      const kind = parseAnswer(changed.subarray(0, random() % (changed.length + 1)), SERVICE, SERVICE6)?.kind;
      assert.ok(kind === undefined || ["udp4", "udp6", "arp", "ndp"].includes(kind));
    }
  }
});

test("frames: a payload is known by its magic and length", () => {
  const bytes = payload();
  const view = new DataView(bytes.buffer);
  writeNumber(view, 0, 9);
  assert.equal(readNumber(view, 0, bytes.length), 9);
  assert.equal(readNumber(view, 0, bytes.length - 1), undefined);
  assert.equal(readNumber(view, 1, bytes.length), undefined);
  assert.deepEqual([...macBytes(watch.mac)], [2, 0x68, 0x66, 0, 0, 0xc9]);
});

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
  return fold(total);
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
