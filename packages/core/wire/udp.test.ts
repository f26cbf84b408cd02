/** UDP in Ethernet frames: as the Linux kernel sends it, captured; damage is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addWords, checksum } from "./checksum.ts";
import { damagedFrames } from "./frame-fuzz.ts";
import { emitUdp, parseUdpFrame } from "./udp.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { ParseErrorKind } from "./parse-error.ts";

// Captured by tcpdump 4.99.3 at the far end of a veth pair with `ethtool -K eth0 tx off`, Debian 12, Linux 6.18,
// 2026-11-21; sent by bash's /dev/udp.
const CAPTURES = {
  ipv4: "02000000000b02000000000a08004500002106c8400040111f680a4d00010a4d0002dc4b1ce8000d589d3132333435",
  ipv4Even: "02000000000b02000000000a0800450000208998400040119c980a4d00010a4d0002d0891ce8000c996131323334",
  ipv6:
    "02000000000b02000000000a86dd6009e991000d114020010db800000000000000000000000120010db8000000000000000000000002" +
    "c5061ce8000d290a3132333435",
};

const FRAME = {
  destinationMac: "02:00:00:00:00:0b" as Mac,
  sourceMac: "02:00:00:00:00:0a" as Mac,
  destinationPort: 7400,
};
const IPV4 = { ...FRAME, source: "10.77.0.1" as IpAddress, destination: "10.77.0.2" as IpAddress };
const IPV6 = { ...FRAME, source: "2001:db8::1" as IpAddress, destination: "2001:db8::2" as IpAddress };

const EXPECTED = {
  ipv4: { ...IPV4, sourcePort: 56_395, payload: Uint8Array.from(Buffer.from("12345")) },
  ipv4Even: { ...IPV4, sourcePort: 53_385, payload: Uint8Array.from(Buffer.from("1234")) },
  ipv6: { ...IPV6, sourcePort: 50_438, payload: Uint8Array.from(Buffer.from("12345")) },
};

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

test("captured datagrams are read, padding or not", () => {
  for (const name of ["ipv4", "ipv4Even", "ipv6"] as const) {
    const frame = bytes(CAPTURES[name]);
    for (const padded of [frame, new Uint8Array([...frame, 0xaa, 0xbb, 0xcc])]) {
      assert.deepEqual(parseUdpFrame(padded), { ok: true, value: { ...EXPECTED[name], checksum: "right" } });
    }
  }
});

test("emitted datagrams are the captured ones, but for the kernel's identification and flow label", () => {
  for (const name of ["ipv4", "ipv4Even"] as const) {
    const captured = bytes(CAPTURES[name]);
    captured.set([0, 0], 18);
    captured.set([0, 0], 24);
    const sum = checksum(addWords(0, captured, 14, 34));
    captured.set([sum >> 8, sum & 0xff], 24);
    assert.deepEqual(emitUdp(EXPECTED[name]), captured);
  }
  assert.deepEqual(emitUdp(EXPECTED.ipv6), bytes(CAPTURES.ipv6).fill(0, 15, 18));
});

test("the example of RFC 1071 section 3", () => {
  const words = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  assert.equal(addWords(0, words), 0xddf2);
  assert.equal(addWords(addWords(0, words, 0, 4), words, 4), 0xddf2);
  assert.equal(checksum(0xddf2), 0x220d);
  assert.equal(addWords(0, Uint8Array.of(0x12)), 0x1200);
});

test("a wrong or missing UDP checksum is told, not refused; a computed zero is sent as ones", () => {
  const told = (frame: Uint8Array): string => {
    const result = parseUdpFrame(frame);
    return result.ok ? result.value.checksum : result.error.what;
  };
  assert.equal(told(bytes(CAPTURES.ipv4).fill(0x99, 42, 43)), "wrong");
  assert.equal(told(bytes(CAPTURES.ipv4).fill(0, 40, 42)), "none");
  // The captured sum is right; adding it to the payload makes the new sum zero.
  const zero = emitUdp({ ...EXPECTED.ipv4Even, payload: Uint8Array.of(0, 0) });
  const sum = ((zero[40] ?? 0) << 8) | (zero[41] ?? 0);
  const frame = emitUdp({ ...EXPECTED.ipv4Even, payload: Uint8Array.of(sum >> 8, sum & 0xff) });
  assert.deepEqual([...frame.subarray(40, 42)], [0xff, 0xff]);
  assert.equal(told(frame), "right");
});

test("what is no whole datagram is refused", async (t) => {
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const frame = bytes(CAPTURES.ipv4);
    frame.set(values, at);
    const sum = checksum(addWords(0, frame.slice().fill(0, 24, 26), 14, 34));
    if (at !== 24) frame.set([sum >> 8, sum & 0xff], 24);
    return frame;
  };
  const rows: [string, Uint8Array, ParseErrorKind, string][] = [
    ["nothing", new Uint8Array(0), "short", "ethernet"],
    ["ARP", changed(13, 6), "other", "etherType"],
    ["cut in the header", bytes(CAPTURES.ipv4).subarray(0, 33), "short", "ipv4"],
    ["cut in the payload", bytes(CAPTURES.ipv4).subarray(0, 46), "short", "ipv4"],
    ["version 6", changed(14, 0x65), "version", "ipv4.version"],
    ["header of 16 bytes", changed(14, 0x44), "value", "ipv4.headerLength"],
    ["length under the header", changed(16, 0, 19), "value", "ipv4.length"],
    ["header checksum", changed(24, 0, 0), "checksum", "ipv4"],
    ["first fragment", changed(20, 0x20, 0), "other", "ipv4.fragment"],
    ["later fragment", changed(20, 0, 1), "other", "ipv4.fragment"],
    ["TCP", changed(23, 6), "other", "protocol"],
    ["7 bytes of UDP", changed(16, 0, 27), "short", "udp"],
    ["UDP length 7", changed(38, 0, 7), "value", "udp.length"],
    ["UDP length beyond the packet", changed(38, 0, 14), "short", "udp"],
  ];
  for (const [name, frame, kind, what] of rows) {
    await t.test(name, () => {
      const result = parseUdpFrame(frame);
      assert.ok(!result.ok);
      assert.deepEqual([result.error.kind, result.error.what], [kind, what]);
    });
  }
});

test("100000 damaged frames (seed 13): never an exception, never more than was there", () => {
  let accepted = 0;
  damagedFrames(Object.values(CAPTURES).map(bytes), 13, 100_000, (frame) => {
    const result = parseUdpFrame(frame);
    if (!result.ok) return;
    accepted++;
    assert.ok(result.value.payload.length <= frame.length - 42);
    const again = parseUdpFrame(emitUdp(result.value));
    assert.deepEqual(again, { ok: true, value: { ...result.value, checksum: "right" } });
  });
  assert.ok(accepted > 10_000 && accepted < 90_000, `accepted ${accepted}`);
});
