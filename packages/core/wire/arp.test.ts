/** ARP frames: the same bytes as Debian's own senders, captured; damage is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { arpRequest, emitArp, gratuitousReply, gratuitousRequest, gratuitousRequestTo, parseArpFrame } from "./arp.ts";
import { damagedFrames } from "./frame-fuzz.ts";
import type { ArpFrame } from "./arp.ts";
import type { Ipv4 } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { ParseErrorKind } from "./parse-error.ts";

const A = "02:00:00:00:00:0a" as Mac;
const B = "02:00:00:00:00:0b" as Mac;
const BROADCAST = "ff:ff:ff:ff:ff:ff" as Mac;
const ZERO = "00:00:00:00:00:00" as Mac;
const ADDRESS_A = "10.77.0.1" as Ipv4;
const ADDRESS_B = "10.77.0.2" as Ipv4;

// Captured by tcpdump 4.99.3 at the far end of a veth pair, Debian 12, Linux 6.18, 2026-11-21.
const CAPTURES = {
  /** The kernel, by arp_notify=1, as the interface came up. */
  kernelAnnouncement: "ffffffffffff02000000000a0806000108000604000102000000000a0a4d00010000000000000a4d0001",
  /** `arping -A` of iputils 20221126. */
  arpingReply: "ffffffffffff02000000000a0806000108000604000202000000000a0a4d000102000000000a0a4d0001",
  /** `arping -U` of iputils: target MAC all ones, which this project does not send. */
  arpingRequest: "ffffffffffff02000000000a0806000108000604000102000000000a0a4d0001ffffffffffff0a4d0001",
  /** The kernel, before a ping. */
  kernelRequest: "ffffffffffff02000000000a0806000108000604000102000000000a0a4d00010000000000000a4d0002",
  /** The kernel's answer to it. */
  kernelReply: "02000000000a02000000000b0806000108000604000202000000000b0a4d000202000000000a0a4d0001",
  /** The kernel, confirming an entry of its table. */
  kernelUnicastRequest: "02000000000a02000000000b0806000108000604000102000000000b0a4d00020000000000000a4d0001",
  /** arping 2.23 (Habets), which pads its request. */
  paddedRequest:
    "ffffffffffff02000000000a0806000108000604000102000000000a0a4d00010000000000000a4d000200000000000000000000000000000000",
};

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString("hex");
}

test("announcements and requests have the bytes of captured ones", () => {
  assert.equal(hex(gratuitousRequest(A, ADDRESS_A)), CAPTURES.kernelAnnouncement);
  assert.equal(hex(gratuitousReply(A, ADDRESS_A)), CAPTURES.arpingReply);
  assert.equal(hex(arpRequest(A, ADDRESS_A, ADDRESS_B)), CAPTURES.kernelRequest);
  assert.equal(hex(arpRequest(B, ADDRESS_B, ADDRESS_A, A)), CAPTURES.kernelUnicastRequest);
  // To one neighbour: the announcement but for where the frame goes.
  assert.equal(
    hex(gratuitousRequestTo(B, A, ADDRESS_A)),
    CAPTURES.kernelAnnouncement.replace("ffffffffffff", "02000000000b"),
  );
});

test("captured frames are read, and written back byte by byte", async (t) => {
  const request = {
    operation: "request",
    destinationMac: BROADCAST,
    sourceMac: A,
    senderMac: A,
    senderAddress: ADDRESS_A,
  } as const;
  const rows: [keyof typeof CAPTURES, ArpFrame][] = [
    ["kernelAnnouncement", { ...request, targetMac: ZERO, targetAddress: ADDRESS_A }],
    ["arpingRequest", { ...request, targetMac: BROADCAST, targetAddress: ADDRESS_A }],
    ["kernelRequest", { ...request, targetMac: ZERO, targetAddress: ADDRESS_B }],
    ["paddedRequest", { ...request, targetMac: ZERO, targetAddress: ADDRESS_B }],
    ["arpingReply", { ...request, operation: "reply", targetMac: A, targetAddress: ADDRESS_A }],
    [
      "kernelReply",
      {
        destinationMac: A,
        sourceMac: B,
        operation: "reply",
        senderMac: B,
        senderAddress: ADDRESS_B,
        targetMac: A,
        targetAddress: ADDRESS_A,
      },
    ],
  ];
  for (const [name, expected] of rows) {
    await t.test(name, () => {
      assert.deepEqual(parseArpFrame(bytes(CAPTURES[name])), { ok: true, value: expected });
      assert.equal(hex(emitArp(expected)), CAPTURES[name].slice(0, 84));
    });
  }
});

test("what is no ARP for IPv4 over Ethernet is refused", async (t) => {
  const changed = (at: number, value: number): Uint8Array => bytes(CAPTURES.kernelReply).fill(value, at, at + 1);
  const rows: [string, Uint8Array, ParseErrorKind, string][] = [
    ["nothing", new Uint8Array(0), "short", "ethernet"],
    ["13 bytes", bytes(CAPTURES.kernelReply).subarray(0, 13), "short", "ethernet"],
    ["one byte short", bytes(CAPTURES.kernelReply).subarray(0, 41), "short", "arp"],
    ["IPv4", changed(13, 0), "other", "etherType"],
    ["hardware type", changed(15, 6), "other", "hardwareType"],
    ["protocol type", changed(17, 1), "other", "protocolType"],
    ["hardware length", changed(18, 8), "value", "hardwareLength"],
    ["protocol length", changed(19, 16), "value", "protocolLength"],
    ["operation 0", changed(21, 0), "other", "operation"],
    ["reverse ARP", changed(21, 3), "other", "operation"],
  ];
  for (const [name, frame, kind, what] of rows) {
    await t.test(name, () => {
      const result = parseArpFrame(frame);
      assert.ok(!result.ok);
      assert.deepEqual([result.error.kind, result.error.what], [kind, what]);
    });
  }
});

test("100000 damaged frames (seed 11): never an exception, and what is accepted is written back as it was", () => {
  let accepted = 0;
  damagedFrames(Object.values(CAPTURES).map(bytes), 11, 100_000, (frame) => {
    const result = parseArpFrame(frame);
    if (!result.ok) return;
    accepted++;
    assert.equal(hex(emitArp(result.value)), hex(frame.subarray(0, 42)));
  });
  assert.ok(accepted > 10_000 && accepted < 90_000, `accepted ${accepted}`);
});
