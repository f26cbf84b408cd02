/** Sealed datagrams: only what a member sent, once, under a key of the file, is opened; everything else is refused by reason. */
import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { TAG_BYTES } from "./aead.ts";
import { createSealer, HEADER_BYTES } from "./sealer.ts";
import type { Keys } from "./keys.ts";
import type { Rejected, Sealer, Suite } from "./sealer.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

const BOOT_A = "a0a1a2a3a4a5a6a7" as BootId;
const BOOT_B = "b0b1b2b3b4b5b6b7" as BootId;
const OLD = { name: "2026-05", secret: new Uint8Array(32).fill(5) };
const NEW = { name: "2026-11", secret: new Uint8Array(32).fill(11) };
const PAYLOAD = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);

function keys(active = NEW, ...others: Keys["accepted"]): Keys {
  return { active, accepted: [active, ...others] };
}

function sealer(boot: BootId, options: { cluster?: string; keys?: Keys; suite?: Suite } = {}): Sealer {
  return createSealer({ cluster: "edge", keys: keys(), suite: "encrypt", boot, ...options });
}

function reasonOf(result: ReturnType<Sealer["open"]>): Rejected["reason"] | "opened" {
  return result.ok ? "opened" : result.error.reason;
}

test("what a member sealed is opened once, with its boot, stream, sequence and key", () => {
  for (const suite of ["encrypt", "authenticate-only"] as const) {
    const [a, b] = [sealer(BOOT_A, { suite }), sealer(BOOT_B, { suite })];
    for (const [stream, sequence] of [
      [0, 1],
      [0, 2],
      [65_535, 1],
    ] as const) {
      const datagram = a.seal(stream, PAYLOAD);
      assert.equal(datagram.length, PAYLOAD.length + HEADER_BYTES + TAG_BYTES);
      const result = b.open(datagram);
      assert.ok(result.ok);
      assert.deepEqual(Uint8Array.from(result.value.payload), PAYLOAD);
      assert.deepEqual(
        { ...result.value, payload: 0 },
        { payload: 0, boot: BOOT_A, stream, sequence, keyName: "2026-11" },
      );
      assert.equal(reasonOf(b.open(datagram)), "replay");
    }
    const empty = b.open(a.seal(1, new Uint8Array(0)));
    assert.ok(empty.ok && empty.value.payload.length === 0);
  }
});

test("the datagram has the layout and keys of docs/protocol.md, computed here from its primitives", () => {
  const sha = (text: string): Buffer => createHash("sha256").update(text).digest().subarray(0, 4);
  const boot = Buffer.from(BOOT_A, "hex");
  const extracted = createHmac("sha256", boot).update(NEW.secret).digest();
  const subkey = createHmac("sha256", extracted).update("holdfast heartbeat 1 edge\x01").digest();
  const nonce = Buffer.from("000700000000000000000001", "hex");
  for (const [suite, code] of [
    ["encrypt", "01"],
    ["authenticate-only", "02"],
  ] as const) {
    const header = Buffer.concat([
      Buffer.from(`484601${code}`, "hex"),
      sha("edge"),
      sha("holdfast key id2026-11"),
      boot,
      Buffer.from("0007000000000001", "hex"),
    ]);
    const cipher = createCipheriv("chacha20-poly1305", subkey, nonce, { authTagLength: 16 });
    const body = suite === "encrypt" ? cipher.setAAD(header).update(PAYLOAD) : Buffer.from(PAYLOAD);
    if (suite === "authenticate-only") cipher.setAAD(Buffer.concat([header, PAYLOAD]));
    cipher.final();
    const expected = Buffer.concat([header, body, cipher.getAuthTag()]);
    assert.equal(Buffer.from(sealer(BOOT_A, { suite }).seal(7, PAYLOAD)).toString("hex"), expected.toString("hex"));
  }
});

test("what is not for this cluster, version or key is refused by its reason", async (t) => {
  const good = (): Uint8Array => sealer(BOOT_A).seal(3, PAYLOAD);
  const changed = (offset: number, value: number): Uint8Array => good().fill(value, offset, offset + 1);
  const sealedBy = (options: Parameters<typeof sealer>[1]): Uint8Array => sealer(BOOT_A, options).seal(3, PAYLOAD);
  const rows: [string, Uint8Array, Rejected["reason"] | "opened"][] = [
    ["untouched", good(), "opened"],
    ["nothing", new Uint8Array(0), "malformed"],
    ["one byte short of the smallest", good().subarray(0, HEADER_BYTES + TAG_BYTES - 1), "malformed"],
    ["other magic", changed(0, 0x00), "malformed"],
    ["version 0", changed(2, 0), "version"],
    ["version 2", changed(2, 2), "version"],
    ["other cluster", sealedBy({ cluster: "edge2" }), "cluster"],
    ["other cluster that claims to be this one", good().fill(0, 4, 8), "cluster"],
    ["unknown key", sealedBy({ keys: keys(OLD) }), "key"],
    ["other secret under the same name", sealedBy({ keys: keys({ ...OLD, name: NEW.name }) }), "auth"],
    ["authenticate-only where encryption is configured", sealedBy({ suite: "authenticate-only" }), "auth"],
    ["the same, with nothing in it", sealer(BOOT_A, { suite: "authenticate-only" }).seal(3, new Uint8Array(0)), "auth"],
    ["suite 0", changed(3, 0), "auth"],
    ["suite 3", changed(3, 3), "auth"],
    ["other boot", changed(12, 1), "auth"],
    ["other stream", changed(21, 4), "auth"],
    ["other sequence", changed(27, 2), "auth"],
    ["last byte of the tag", changed(HEADER_BYTES + PAYLOAD.length + TAG_BYTES - 1, 0), "auth"],
    ["cut by one", good().subarray(0, -1), "auth"],
    ["one byte more", new Uint8Array([...good(), 0]), "auth"],
    ["only header and tag", good().subarray(0, HEADER_BYTES + TAG_BYTES), "auth"],
    ["this node's own datagram sent back", sealer(BOOT_B).seal(3, PAYLOAD), "replay"],
  ];
  for (const [name, datagram, reason] of rows) {
    await t.test(name, () => assert.equal(reasonOf(sealer(BOOT_B).open(datagram)), reason));
  }
  await t.test("encrypted where authenticate-only is configured", () => {
    assert.equal(reasonOf(sealer(BOOT_B, { suite: "authenticate-only" }).open(good())), "auth");
  });
  await t.test("another cluster's datagram under the same key, with this cluster's id written in", () => {
    const datagram = sealedBy({ cluster: "edge2" });
    datagram.set(good().subarray(4, 8), 4);
    assert.equal(reasonOf(sealer(BOOT_B).open(datagram)), "auth");
  });
});

test("every single changed bit is refused, in both suites", () => {
  for (const suite of ["encrypt", "authenticate-only"] as const) {
    const datagram = sealer(BOOT_A, { suite }).seal(3, PAYLOAD.subarray(0, 40));
    const receiver = sealer(BOOT_B, { suite });
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const changed = datagram.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.notEqual(reasonOf(receiver.open(changed)), "opened", `bit ${bit}`);
    }
    assert.equal(reasonOf(receiver.open(datagram)), "opened", "a refused forgery must not use up the sequence");
  }
});

test("encryption hides the payload; authenticate-only leaves it readable", () => {
  const secret = Buffer.from("the drain reason");
  assert.equal(Buffer.from(sealer(BOOT_A).seal(0, secret)).includes(secret), false);
  assert.equal(Buffer.from(sealer(BOOT_A, { suite: "authenticate-only" }).seal(0, secret)).includes(secret), true);
});

test("within the last 1024 numbers the order does not matter, before them everything is a replay", () => {
  const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
  const datagrams = Array.from({ length: 1030 }, () => a.seal(0, PAYLOAD));
  const open = (sequence: number): string => reasonOf(b.open(datagrams[sequence - 1] ?? new Uint8Array(0)));
  assert.equal(open(1030), "opened");
  assert.equal(open(7), "opened");
  assert.equal(open(6), "replay");
  assert.equal(open(7), "replay");
  assert.equal(open(500), "opened");
  assert.equal(open(500), "replay");
  // Another stream, and another boot of the sender, have windows of their own.
  assert.equal(reasonOf(b.open(a.seal(1, PAYLOAD))), "opened");
  assert.equal(reasonOf(b.open(sealer("c0c1c2c3c4c5c6c7" as BootId).seal(0, PAYLOAD))), "opened");
});

test("keys are rotated without a lost datagram: old and new are accepted, the active one seals", () => {
  const before = keys(OLD);
  const both = keys(OLD, NEW);
  const turned = keys(NEW, OLD);
  const after = keys(NEW);
  const [a, b] = [sealer(BOOT_A, { keys: before }), sealer(BOOT_B, { keys: before })];
  const exchange = (): string[] =>
    [b.open(a.seal(0, PAYLOAD)), a.open(b.seal(0, PAYLOAD))].map((each) =>
      each.ok ? each.value.keyName : each.error.reason,
    );
  const seen = [exchange()];
  for (const [node, next] of [
    [a, both],
    [b, both],
    [a, turned],
    [b, turned],
    [a, after],
    [b, after],
  ] as const) {
    node.useKeys(next);
    seen.push(exchange());
  }
  const [o, n] = [OLD.name, NEW.name];
  assert.deepEqual(seen, [
    [o, o],
    [o, o],
    [o, o],
    [n, o],
    [n, n],
    [n, n],
    [n, n],
  ]);
  assert.equal(reasonOf(b.open(sealer("c0c1c2c3c4c5c6c7" as BootId, { keys: before }).seal(0, PAYLOAD))), "key");
});

test("a change of keys does not start the counters again, nor forget what was seen", () => {
  const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
  const first = a.seal(0, PAYLOAD);
  assert.equal(reasonOf(b.open(first)), "opened");
  a.useKeys(keys());
  b.useKeys(keys());
  assert.equal(reasonOf(b.open(first)), "replay");
  const second = b.open(a.seal(0, PAYLOAD));
  assert.ok(second.ok && second.value.sequence === 2);
});

test("a name given to another secret is not served from the cache", () => {
  const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
  assert.equal(reasonOf(b.open(a.seal(0, PAYLOAD))), "opened");
  b.useKeys(keys({ ...OLD, name: NEW.name }));
  assert.equal(reasonOf(b.open(a.seal(0, PAYLOAD))), "auth");
});

test("a stream outside 16 bits is a programming error", () => {
  for (const stream of [-1, 65_536, 0.5, Number.NaN])
    assert.throws(() => sealer(BOOT_A).seal(stream, PAYLOAD), RangeError);
});

test("50000 random, cut and changed datagrams (seed 7): never an exception, never opened, and the real one still is", () => {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
  const reasons = new Set<string>();
  for (let i = 0; i < 50_000; i++) {
    const real = a.seal(i & 3, PAYLOAD.subarray(0, random(80)));
    const forged =
      random(4) === 0
        ? Uint8Array.from({ length: random(120) }, () => random(256))
        : real.slice(0, 1 + random(real.length));
    // Without a change and a cut it would be the real one.
    const at = random(forged.length);
    if (forged.length > 0) forged[at] = (forged[at] ?? 0) ^ (1 + random(255));
    const reason = reasonOf(b.open(forged));
    reasons.add(reason);
    assert.notEqual(reason, "opened");
    if (i % 500 === 0) assert.equal(reasonOf(b.open(real)), "opened");
  }
  assert.deepEqual([...reasons].toSorted(), ["auth", "cluster", "key", "malformed", "version"]);
});
