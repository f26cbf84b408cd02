/** Addresses: one canonical text for each, strict about what an operator may write, the same in bytes. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import { inNetwork, ipBytes, ipFromBytes, isIpv4, isIpv6, parseIp } from "./ip.ts";
import type { IpAddress } from "./ip.ts";

test("an address is read into the canonical text of RFC 5952, anything else is refused", async (t) => {
  const rows: [string, string | undefined][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:db8::64", "2001:db8::64"],
    ["2001:DB8:0:0:0:0:0:64", "2001:db8::64"],
    ["2001:0db8::0064", "2001:db8::64"],
    ["::", "::"],
    ["::1", "::1"],
    ["fe80::", "fe80::"],
    // RFC 5952 section 4.2.2: one group of zeros is not shortened. 4.2.3: of two equal runs the first is.
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["", undefined],
    ["10.0.0", undefined],
    ["10.0.0.1.2", undefined],
    ["10.0.0.256", undefined],
    ["10.0.0.01", undefined],
    ["10.0.0.-1", undefined],
    [" 10.0.0.1", undefined],
    ["10.0.0.1/24", undefined],
    ["0x0a.0.0.1", undefined],
    ["2001:db8::64/64", undefined],
    ["fe80::1%eth0", undefined],
    ["::ffff:10.0.0.1", undefined],
    ["1::2::3", undefined],
    [":::", undefined],
    [":1", undefined],
    ["1:", undefined],
    ["1:2:3:4:5:6:7", undefined],
    ["1:2:3:4:5:6:7:8:9", undefined],
    ["1:2:3:4:5:6:7:8::", undefined],
    ["12345::", undefined],
    ["g::", undefined],
  ];
  for (const [text, expected] of rows) {
    await t.test(text === "" ? "(empty)" : text, () => assert.equal(parseIp(text), expected));
  }
});

test("20000 random addresses (seed 5) go through bytes and text unchanged, and Node agrees that they are addresses", () => {
  let state = 5;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: i % 4 === 0 ? 4 : 16 }, () => (random(2) === 0 ? 0 : random(256)));
    const address = ipFromBytes(bytes);
    assert.deepEqual(ipBytes(address), bytes);
    assert.equal(parseIp(address), address);
    assert.equal(isIP(address), bytes.length === 4 ? 4 : 6);
    assert.equal(isIpv4(address), bytes.length === 4);
    assert.equal(isIpv6(address), bytes.length === 16);
  }
});

test("20000 texts of likely characters (seed 6): what is accepted, Node accepts too", () => {
  let state = 6;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const pieces = ["1", "0", "25", "256", "ab", "ffff", ":", ":", "::", ".", ".", "%", "/", ""];
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)] ?? "").join("");
    if (parseIp(text) === undefined) continue;
    accepted++;
    assert.notEqual(isIP(text), 0, text);
  }
  assert.ok(accepted > 20, `accepted ${accepted}`);
});

test("an address of another length is a programming error", () => {
  for (const length of [0, 5, 15, 17]) assert.throws(() => ipFromBytes(new Uint8Array(length)), /4 or 16 bytes/);
});

test("a network holds the addresses with its prefix, of its own family only", () => {
  const rows: [string, string, number, boolean][] = [
    ["10.0.0.100", "10.0.0.0", 24, true],
    ["10.0.1.100", "10.0.0.0", 24, false],
    ["10.0.0.127", "10.0.0.0", 25, true],
    ["10.0.0.128", "10.0.0.0", 25, false],
    ["10.0.0.1", "10.0.0.1", 32, true],
    ["10.0.0.1", "10.0.0.2", 32, false],
    ["192.168.1.1", "10.0.0.0", 0, true],
    ["2001:db8::64", "2001:db8::", 64, true],
    ["2001:db8:0:1::64", "2001:db8::", 64, false],
    ["2001:db8:0:1::64", "2001:db8::", 63, true],
    ["10.0.0.1", "::", 0, false],
    ["::1", "0.0.0.0", 0, false],
  ];
  for (const [address, network, length, expected] of rows) {
    assert.equal(
      inNetwork(address as IpAddress, network as IpAddress, length),
      expected,
      `${address} in ${network}/${length}`,
    );
  }
});
