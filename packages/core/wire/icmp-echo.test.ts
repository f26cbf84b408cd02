/** Echo messages: the same bytes as Debian's ping and the kernel's answers, captured; damage is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { damagedFrames } from "./frame-fuzz.ts";
import { type Echo, emitEcho, parseEchoMessage, parseEchoPacket } from "./icmp-echo.ts";

// Captured by tcpdump 4.99.3 at the far end of a veth pair: `ping -s 16` of iputils 20221126 and Linux 6.18, 2026-11-21.
const PACKETS = {
  request: "4500002c8d0840004001992c0a4d00010a4d000208004bc72ad3000107bb016b000000006d3e0b0000000000",
  reply: "4500002cf5110000400171230a4d00020a4d0001000053c72ad3000107bb016b000000006d3e0b0000000000",
};
const MESSAGES = {
  request: "8000433b2ad6000107bb016b0000000002820b0000000000",
  reply: "8100423b2ad6000107bb016b0000000002820b0000000000",
};

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function hex(of: Uint8Array): string {
  return Buffer.from(of).toString("hex");
}

test("captured echoes of IPv4 are read behind their header, and written back byte by byte without it", () => {
  for (const kind of ["request", "reply"] as const) {
    const echo: Echo = {
      version: 4,
      kind,
      identifier: 10_963,
      sequence: 1,
      payload: bytes("07bb016b000000006d3e0b0000000000"),
    };
    const parsed = parseEchoPacket(bytes(PACKETS[kind]));
    assert.deepEqual(parsed, { ok: true, value: echo });
    assert.equal(hex(emitEcho(echo)), PACKETS[kind].slice(40));
  }
});

test("captured echoes of IPv6 are read, and written back but for the checksum, which is the kernel's", () => {
  for (const kind of ["request", "reply"] as const) {
    const echo: Echo = {
      version: 6,
      kind,
      identifier: 10_966,
      sequence: 1,
      payload: bytes("07bb016b0000000002820b0000000000"),
    };
    assert.deepEqual(parseEchoMessage(bytes(MESSAGES[kind])), { ok: true, value: echo });
    assert.equal(hex(emitEcho(echo)), `${MESSAGES[kind].slice(0, 4)}0000${MESSAGES[kind].slice(8)}`);
  }
});

test("an odd payload has the checksum of RFC 1071", () => {
  const echo: Echo = { version: 4, kind: "reply", identifier: 1, sequence: 2, payload: Uint8Array.of(1, 2, 3) };
  const packet = Uint8Array.of(...bytes(PACKETS.reply).subarray(0, 20), ...emitEcho(echo));
  assert.deepEqual(parseEchoPacket(packet), { ok: true, value: echo });
});

test("what is no echo is refused by kind and field", () => {
  const changed = (of: string, at: number, value: number): Uint8Array => {
    const made = bytes(of);
    made[at] = value;
    return made;
  };
  const refusal = (result: ReturnType<typeof parseEchoPacket>): string =>
    result.ok ? "none" : `${result.error.kind} ${result.error.what}`;
  assert.equal(refusal(parseEchoPacket(bytes(PACKETS.reply).subarray(0, 19))), "short ipv4");
  assert.equal(refusal(parseEchoPacket(bytes(PACKETS.reply).subarray(0, 27))), "short icmp");
  assert.equal(refusal(parseEchoPacket(changed(PACKETS.reply, 0, 0x65))), "version ipv4.version");
  assert.equal(refusal(parseEchoPacket(changed(PACKETS.reply, 0, 0x44))), "value ipv4.headerLength");
  assert.equal(refusal(parseEchoPacket(changed(PACKETS.reply, 9, 17))), "other protocol");
  assert.equal(refusal(parseEchoPacket(changed(PACKETS.reply, 30, 0))), "checksum icmp");
  assert.equal(refusal(parseEchoMessage(bytes(MESSAGES.reply).subarray(0, 7))), "short icmp");
  assert.equal(refusal(parseEchoMessage(changed(MESSAGES.reply, 0, 136))), "other icmp.type");
  assert.equal(refusal(parseEchoMessage(changed(MESSAGES.reply, 1, 1))), "value icmp.code");
});

test("damage never throws, and what is understood lies inside the bytes: 20,000 packets and messages", () => {
  const samples = [...Object.values(PACKETS), ...Object.values(MESSAGES)].map(bytes);
  let understood = 0;
  damagedFrames(samples, 4, 20_000, (damaged) => {
    for (const parse of [parseEchoPacket, parseEchoMessage]) {
      const result = parse(damaged);
      if (!result.ok) continue;
      understood += 1;
      assert.ok(result.value.payload.length <= damaged.length - 8);
    }
  });
  assert.ok(understood > 100, `${understood} were understood`);
});
