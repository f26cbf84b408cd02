/** Neighbour discovery frames: the same bytes as the Linux kernel's, captured; damage is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { damagedFrames } from "./frame-fuzz.ts";
import { emitNdp, neighbourSolicitation, parseNdpFrame, unsolicitedAdvertisement } from "./ndp.ts";
import type { Ipv6 } from "../units/ip.ts";
import type { Mac } from "../units/mac.ts";
import type { ParseErrorKind } from "./parse-error.ts";

const A = "02:00:00:00:00:0a" as Mac;
const B = "02:00:00:00:00:0b" as Mac;
const ADDRESS_A = "2001:db8::1" as Ipv6;
const ADDRESS_B = "2001:db8::2" as Ipv6;
const LOCAL_A = "fe80::ff:fe00:a" as Ipv6;
const LOCAL_B = "fe80::ff:fe00:b" as Ipv6;

// Captured by tcpdump 4.99.3 at the far end of a veth pair, Debian 12, Linux 6.18, 2026-11-21.
const CAPTURES = {
  /** The kernel, by ndisc_notify=1, as the interface came up. */
  unsolicited:
    "33330000000102000000000a86dd6000000000203aff20010db8000000000000000000000001ff020000000000000000000000000001" +
    "8800f9212000000020010db8000000000000000000000001020102000000000a",
  /** The kernel, before a ping. */
  solicitation:
    "3333ff00000202000000000a86dd6000000000203aff20010db8000000000000000000000001ff0200000000000000000001ff000002" +
    "87001c1e0000000020010db8000000000000000000000002010102000000000a",
  /** The kernel's answer to it. */
  solicited:
    "02000000000a02000000000b86dd6000000000203aff20010db800000000000000000000000220010db8000000000000000000000001" +
    "88008a686000000020010db8000000000000000000000002020102000000000b",
  /** The kernel, confirming an entry of its table: to one station alone. */
  unicast:
    "02000000000a02000000000b86dd6000000000203afffe80000000000000000000fffe00000b20010db8000000000000000000000001" +
    "87001c990000000020010db8000000000000000000000001010102000000000b",
  /** Its answer, without the option. */
  bare:
    "02000000000b02000000000a86dd6000000000183aff20010db8000000000000000000000001fe80000000000000000000fffe00000b" +
    "8800deac4000000020010db8000000000000000000000001",
  /** Duplicate address detection: no source, and an option (nonce, RFC 3971) that is skipped. */
  duplicateDetection:
    "3333ff00000b02000000000b86dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff00000b" +
    "8700361000000000fe80000000000000000000fffe00000b0e01468e1c12d657",
  /** ndisc6 1.0.5: with a flow label. */
  ndisc6:
    "3333ff00000202000000000a86dd600cd1e200203afffe80000000000000000000fffe00000aff0200000000000000000001ff000002" +
    "87004c4d0000000020010db8000000000000000000000002010102000000000a",
};

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString("hex");
}

test("announcements and solicitations have the bytes of captured ones", () => {
  assert.equal(hex(unsolicitedAdvertisement(A, ADDRESS_A)), CAPTURES.unsolicited);
  assert.equal(hex(neighbourSolicitation(B, LOCAL_B, LOCAL_A, A)).slice(0, 24), "02000000000a02000000000b");
  // The captured one is to the target itself, as this project's are.
  assert.equal(hex(neighbourSolicitation(B, LOCAL_B, ADDRESS_A, A)), CAPTURES.unicast);
});

test("captured frames are read, and written back byte by byte", async (t) => {
  const solicitation = {
    kind: "solicitation",
    sourceMac: A,
    source: ADDRESS_A,
    target: ADDRESS_B,
    linkLayer: A,
  } as const;
  const advertisement = { kind: "advertisement", router: false, solicited: true, override: true } as const;
  const multicast = { destinationMac: "33:33:ff:00:00:02" as Mac, destination: "ff02::1:ff00:2" as Ipv6 };
  const toB = { destinationMac: B, sourceMac: A, source: ADDRESS_A, destination: LOCAL_B, target: ADDRESS_A };
  const toA = { destinationMac: A, sourceMac: B, destination: ADDRESS_A };
  const rows = [
    ["solicitation", { ...solicitation, ...multicast }],
    ["ndisc6", { ...solicitation, ...multicast, source: LOCAL_A }],
    ["unicast", { ...solicitation, ...toA, source: LOCAL_B, target: ADDRESS_A, linkLayer: B }],
    ["solicited", { ...advertisement, ...toA, source: ADDRESS_B, target: ADDRESS_B, linkLayer: B }],
    ["bare", { ...advertisement, ...toB, override: false, linkLayer: undefined }],
    [
      "duplicateDetection",
      {
        kind: "solicitation",
        destinationMac: "33:33:ff:00:00:0b" as Mac,
        sourceMac: B,
        source: "::" as Ipv6,
        destination: "ff02::1:ff00:b" as Ipv6,
        target: LOCAL_B,
        linkLayer: undefined,
      },
    ],
  ] as const;
  for (const [name, expected] of rows) {
    await t.test(name, () => {
      assert.deepEqual(parseNdpFrame(bytes(CAPTURES[name])), { ok: true, value: expected });
      // Flow labels and foreign options are not kept.
      if (name !== "ndisc6" && name !== "duplicateDetection") assert.equal(hex(emitNdp(expected)), CAPTURES[name]);
    });
  }
});

test("what RFC 4861 section 7.1 refuses is refused", async (t) => {
  const good = (): Uint8Array => bytes(CAPTURES.unsolicited);
  const changed = (at: number, value: number): Uint8Array => good().fill(value, at, at + 1);
  const rows: [string, Uint8Array, ParseErrorKind, string][] = [
    ["nothing", new Uint8Array(0), "short", "ethernet"],
    ["cut in the IPv6 header", good().subarray(0, 53), "short", "ipv6"],
    ["cut in the message", good().subarray(0, 85), "short", "ipv6"],
    ["ARP", changed(13, 6), "other", "etherType"],
    ["version 4 in an IPv6 frame", changed(14, 0x40), "version", "ipv6.version"],
    ["UDP", changed(20, 17), "other", "protocol"],
    ["through a router", changed(21, 254), "value", "ndp.hops"],
    ["router solicitation", changed(54, 133), "other", "icmpv6.type"],
    ["code 1", changed(55, 1), "value", "ndp.code"],
    ["checksum", changed(56, 0), "checksum", "ndp"],
    ["changed option", changed(85, 0x0b), "checksum", "ndp"],
    ["no message", changed(19, 3), "short", "icmpv6"],
    ["message of 23 bytes", changed(19, 23), "short", "ndp"],
  ];
  for (const [name, frame, kind, what] of rows) {
    await t.test(name, () => assert.deepEqual(refusal(frame), [kind, what]));
  }
  // These two keep the checksum right, so that only the field itself is wrong.
  await t.test("multicast target", () => {
    assert.deepEqual(refusal(unsolicitedAdvertisement(A, "ff02::5" as Ipv6)), ["value", "ndp.target"]);
  });
  await t.test("option of length 0", () => {
    const frame = good();
    frame.set([0], 79);
    // Length 1 became 0 in the low byte of its word: the checksum grows by one.
    frame.set([0xf9, 0x22], 56);
    assert.deepEqual(refusal(frame), ["value", "ndp.option"]);
  });
});

function refusal(frame: Uint8Array): [string, string] | "accepted" {
  const result = parseNdpFrame(frame);
  return result.ok ? "accepted" : [result.error.kind, result.error.what];
}

test("100000 damaged frames (seed 12): never an exception, and what is accepted is read again as it was", () => {
  let accepted = 0;
  damagedFrames(Object.values(CAPTURES).map(bytes), 12, 100_000, (frame) => {
    const result = parseNdpFrame(frame);
    if (!result.ok) return;
    accepted++;
    assert.deepEqual(parseNdpFrame(emitNdp(result.value)), result);
  });
  assert.ok(accepted > 10_000 && accepted < 90_000, `accepted ${accepted}`);
});
