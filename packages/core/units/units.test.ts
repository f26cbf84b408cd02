/** Names, identities, Ethernet addresses, instants: what is accepted and what is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { macBytes, macFromBytes, parseMac } from "./mac.ts";
import { isIdentity, isInterfaceName, isName } from "./names.ts";
import { failure, success } from "./result.ts";
import { after, between, earliest, instant, NEVER } from "./time.ts";

test("a name has 1 to 32 lower-case letters, digits and inner dashes", () => {
  for (const name of ["a", "0", "lb-1", "a-", "x".repeat(32)]) assert.equal(isName(name), true, name);
  for (const name of ["", "-a", "A", "a_b", "a.b", "a b", "é", "a\n", "x".repeat(33)])
    assert.equal(isName(name), false, name);
});

test("an interface name is what the kernel takes", () => {
  for (const name of ["eth0", "e", "br-1.5@x", "x".repeat(15)]) assert.equal(isInterfaceName(name), true, name);
  for (const name of ["", ".", "..", "a/b", "a b", "a\t", "x".repeat(16)])
    assert.equal(isInterfaceName(name), false, name);
});

test("an identity is 16 lower-case hex digits", () => {
  assert.equal(isIdentity("00f1e2d3c4b5a697"), true);
  for (const text of [
    "",
    "00f1e2d3c4b5a69",
    "00f1e2d3c4b5a6970",
    "00F1E2D3C4B5A697",
    "g0f1e2d3c4b5a697",
    "00f1e2d3c4b5a697\n",
  ]) {
    assert.equal(isIdentity(text), false, text);
  }
});

test("an Ethernet address is six hex pairs, kept in lower case", () => {
  assert.equal(parseMac("02:00:5E:00:01:fF"), "02:00:5e:00:01:ff");
  for (const text of [
    "",
    "02:00:5e:00:01",
    "02:00:5e:00:01:ff:00",
    "2:0:5e:0:1:ff",
    "02-00-5e-00-01-ff",
    "02:00:5e:00:01:fg",
  ]) {
    assert.equal(parseMac(text), undefined, text);
  }
  const bytes = Uint8Array.of(9, 2, 0, 0x5e, 0, 1, 0xff, 9);
  const mac = macFromBytes(bytes, 1);
  assert.equal(mac, "02:00:5e:00:01:ff");
  assert.deepEqual(macBytes(mac), bytes.subarray(1, 7));
});

test("instants are added to, compared, and NEVER is after all of them", () => {
  const start = instant(1000);
  assert.equal(after(start, 250.5), 1250.5);
  assert.equal(between(start, after(start, -3)), -3);
  assert.equal(earliest(), NEVER);
  assert.equal(earliest(NEVER, start, after(start, 1)), start);
  assert.equal(after(NEVER, -1e9), NEVER);
});

test("a result is a value or a failure", () => {
  assert.deepEqual(
    [success(1), failure("no")],
    [
      { ok: true, value: 1 },
      { ok: false, error: "no" },
    ],
  );
});
