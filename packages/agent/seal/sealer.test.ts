/** Sealed datagrams: only what a member sent here, over this link, once, under a key of the file, is opened; all else is refused by reason. */
import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { TAG_BYTES } from "./aead.ts";
import { HEADER_BYTES, streamOf, type Suite } from "./header.ts";
import { createSealer } from "./sealer.ts";
import type { Keys } from "./keys.ts";
import type { Destination, Rejected, Sealer } from "./sealer.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

const BOOT_A = "a0a1a2a3a4a5a6a7" as BootId;
const BOOT_B = "b0b1b2b3b4b5b6b7" as BootId;
const BOOT_C = "c0c1c2c3c4c5c6c7" as BootId;
const OLD = { name: "2026-05", secret: new Uint8Array(32).fill(5) };
const NEW = { name: "2026-11", secret: new Uint8Array(32).fill(11) };
const PAYLOAD = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
const VERSIONS = [1, 2] as const;
const SUITES = ["encrypt", "authenticate-only"] as const;
type Version = (typeof VERSIONS)[number];
type Reason = Rejected["reason"] | "opened";

function keys(active = NEW, ...others: Keys["accepted"]): Keys {
  return { active, accepted: [active, ...others] };
}

interface Given {
  readonly cluster?: string;
  readonly keys?: Keys;
  readonly suite?: Suite;
  readonly now?: () => number;
}

/** A node is named as the first letter of its boot. */
function sealer(boot: BootId, given: Given = {}): Sealer {
  return createSealer({ cluster: "edge", node: boot.slice(0, 1), keys: keys(), suite: "encrypt", boot, ...given });
}

function to(receiver: string, version: Version, link = "lan", stream = 3): Destination {
  return { version, link, receiver, stream };
}

/** From a to b, over lan. */
function sealed(version: Version, given: Given = {}, payload = PAYLOAD): Uint8Array {
  return sealer(BOOT_A, given).seal(to("b", version), payload);
}

function reasonOf(result: ReturnType<Sealer["open"]>): Reason {
  return result.ok ? "opened" : result.error.reason;
}

function openedBy(boot: BootId, datagram: Uint8Array, link = "lan"): Reason {
  return reasonOf(sealer(boot).open(datagram, link));
}

for (const version of VERSIONS) {
  test(`version ${version}: what a member sealed is opened once, with its boot, sequence and key`, () => {
    for (const suite of SUITES) {
      const [a, b] = [sealer(BOOT_A, { suite }), sealer(BOOT_B, { suite })];
      for (const [link, stream, sequence] of [
        ["lan", 0, 1],
        ["lan", 0, 2],
        ["priv", 65_535, 1],
      ] as const) {
        const datagram = a.seal(to("b", version, link, stream), PAYLOAD);
        assert.equal(datagram.length, PAYLOAD.length + HEADER_BYTES + TAG_BYTES);
        const result = b.open(datagram, link);
        assert.ok(result.ok, reasonOf(result));
        assert.deepEqual(Uint8Array.from(result.value.payload), PAYLOAD);
        assert.deepEqual(
          { ...result.value, payload: 0 },
          {
            payload: 0,
            boot: BOOT_A,
            version,
            stream: version === 1 ? stream : streamOf(link, "b"),
            sequence,
            keyName: "2026-11",
          },
        );
        assert.equal(reasonOf(b.open(datagram, link)), "replay");
      }
      const empty = b.open(a.seal(to("b", version), new Uint8Array(0)), "lan");
      assert.ok(empty.ok && empty.value.payload.length === 0);
    }
  });

  test(`version ${version}: what is not for this cluster, version or key is refused by its reason`, async (t) => {
    const good = (): Uint8Array => sealed(version);
    const changed = (offset: number, value: number): Uint8Array => good().fill(value, offset, offset + 1);
    const otherSecret = { keys: keys({ ...OLD, name: NEW.name }) };
    const rows: [string, Uint8Array, Reason][] = [
      ["untouched", good(), "opened"],
      ["nothing", new Uint8Array(0), "malformed"],
      ["one byte short of the smallest", good().subarray(0, HEADER_BYTES + TAG_BYTES - 1), "malformed"],
      ["other magic", changed(0, 0x00), "malformed"],
      ["version 0", changed(2, 0), "version"],
      ["version 3", changed(2, 3), "version"],
      ["other cluster", sealed(version, { cluster: "edge2" }), "cluster"],
      ["other cluster that claims to be this one", good().fill(0, 4, 8), "cluster"],
      ["unknown key", sealed(version, { keys: keys(OLD) }), "key"],
      ["other secret under the same name", sealed(version, otherSecret), version === 1 ? "auth" : "key"],
      ["authenticate-only where encryption is configured", sealed(version, { suite: "authenticate-only" }), "auth"],
      ["the same, with nothing in it", sealed(version, { suite: "authenticate-only" }, new Uint8Array(0)), "auth"],
      ["suite 0", changed(3, 0), "auth"],
      ["suite 3", changed(3, 3), "auth"],
      ["other boot", changed(12, 1), version === 1 ? "auth" : "key"],
      ["other stream", changed(21, 4), version === 1 ? "auth" : "link"],
      ["other sequence", changed(27, 2), "auth"],
      ["last byte of the tag", changed(HEADER_BYTES + PAYLOAD.length + TAG_BYTES - 1, 0), "auth"],
      ["cut by one", good().subarray(0, -1), "auth"],
      ["one byte more", new Uint8Array([...good(), 0]), "auth"],
      ["only header and tag", good().subarray(0, HEADER_BYTES + TAG_BYTES), "auth"],
      ["this node's own sent back", sealer(BOOT_B).seal(to("b", version), PAYLOAD), "replay"],
      [
        "what this node sent to another",
        sealer(BOOT_B).seal(to("a", version), PAYLOAD),
        version === 1 ? "replay" : "link",
      ],
    ];
    for (const [name, datagram, reason] of rows) {
      await t.test(name, () => assert.equal(openedBy(BOOT_B, datagram), reason));
    }
    await t.test("encrypted where authenticate-only is configured", () => {
      assert.equal(reasonOf(sealer(BOOT_B, { suite: "authenticate-only" }).open(good(), "lan")), "auth");
    });
    await t.test("another cluster's datagram under the same key, with this cluster's id written in", () => {
      const datagram = sealed(version, { cluster: "edge2" });
      datagram.set(good().subarray(4, 8), 4);
      assert.equal(openedBy(BOOT_B, datagram), version === 1 ? "auth" : "key");
    });
  });

  test(`version ${version}: every single changed bit is refused, in both suites`, () => {
    for (const suite of SUITES) {
      const [sender, receiver] = [sealer(BOOT_A, { suite }), sealer(BOOT_B, { suite })];
      assert.equal(reasonOf(receiver.open(sender.seal(to("b", version), PAYLOAD), "lan")), "opened");
      const datagram = sender.seal(to("b", version), PAYLOAD.subarray(0, 40));
      for (let bit = 0; bit < datagram.length * 8; bit++) {
        const changed = datagram.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.notEqual(reasonOf(receiver.open(changed, "lan")), "opened", `bit ${bit}`);
      }
      const whole = reasonOf(receiver.open(datagram, "lan"));
      assert.equal(whole, "opened", "a refused forgery must not use up the sequence");
    }
  });

  test(`version ${version}: encryption hides the payload; authenticate-only leaves it readable`, () => {
    const secret = Buffer.from("the drain reason");
    assert.equal(Buffer.from(sealed(version, {}, secret)).includes(secret), false);
    assert.equal(Buffer.from(sealed(version, { suite: "authenticate-only" }, secret)).includes(secret), true);
  });

  test(`version ${version}: within the last 1024 numbers the order does not matter, before them all is a replay`, () => {
    const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
    const datagrams = Array.from({ length: 1030 }, () => a.seal(to("b", version), PAYLOAD));
    const open = (sequence: number): Reason => reasonOf(b.open(datagrams[sequence - 1] ?? new Uint8Array(0), "lan"));
    assert.equal(open(1030), "opened");
    assert.equal(open(7), "opened");
    assert.equal(open(6), "replay");
    assert.equal(open(7), "replay");
    assert.equal(open(500), "opened");
    assert.equal(open(500), "replay");
    // Another link, another boot of the sender and the other version have windows of their own.
    assert.equal(reasonOf(b.open(a.seal(to("b", version, "priv", 1), PAYLOAD), "priv")), "opened");
    assert.equal(reasonOf(b.open(sealer(BOOT_C).seal(to("b", version), PAYLOAD), "lan")), "opened");
    assert.equal(reasonOf(b.open(a.seal(to("b", version === 1 ? 2 : 1), PAYLOAD), "lan")), "opened");
  });

  test(`version ${version}: keys are rotated without a lost datagram: all listed are accepted, the active one seals`, () => {
    const [before, both, turned, after] = [keys(OLD), keys(OLD, NEW), keys(NEW, OLD), keys(NEW)];
    const [a, b] = [sealer(BOOT_A, { keys: before }), sealer(BOOT_B, { keys: before })];
    const exchange = (): string[] =>
      [b.open(a.seal(to("b", version), PAYLOAD), "lan"), a.open(b.seal(to("a", version), PAYLOAD), "lan")].map((each) =>
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
    const late = sealer(BOOT_C, { keys: before }).seal(to("b", version), PAYLOAD);
    assert.equal(reasonOf(b.open(late, "lan")), "key");
  });

  test(`version ${version}: a change of keys does not start the counters again, nor forget what was seen`, () => {
    const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
    const first = a.seal(to("b", version), PAYLOAD);
    assert.equal(reasonOf(b.open(first, "lan")), "opened");
    a.useKeys(keys());
    b.useKeys(keys());
    assert.equal(reasonOf(b.open(first, "lan")), "replay");
    const second = b.open(a.seal(to("b", version), PAYLOAD), "lan");
    assert.ok(second.ok && second.value.sequence === 2);
  });

  test(`version ${version}: a name given to another secret is not served from the cache`, () => {
    const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
    assert.equal(reasonOf(b.open(a.seal(to("b", version), PAYLOAD), "lan")), "opened");
    b.useKeys(keys({ ...OLD, name: NEW.name }));
    assert.equal(reasonOf(b.open(a.seal(to("b", version), PAYLOAD), "lan")), version === 1 ? "auth" : "key");
  });

  test(`version ${version}: 25000 random, cut and changed datagrams (seed 7): never an exception, never opened`, () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const [a, b] = [sealer(BOOT_A), sealer(BOOT_B)];
    const reasons = new Set<string>();
    for (let i = 0; i < 25_000; i++) {
      const real = a.seal(to("b", version), PAYLOAD.subarray(0, random(80)));
      const forged =
        random(4) === 0
          ? Uint8Array.from({ length: random(120) }, () => random(256))
          : real.slice(0, 1 + random(real.length));
      // Without a change and a cut it would be the real one.
      const at = random(forged.length);
      if (forged.length > 0) forged[at] = (forged[at] ?? 0) ^ (1 + random(255));
      const reason = reasonOf(b.open(forged, "lan"));
      reasons.add(reason);
      assert.notEqual(reason, "opened");
      if (i % 500 === 0) assert.equal(reasonOf(b.open(real, "lan")), "opened");
    }
    const wanted = ["auth", "cluster", "key", "malformed", "version", ...(version === 2 ? ["link"] : [])];
    assert.deepEqual([...reasons].toSorted(), wanted.toSorted());
  });
}

/** HKDF of RFC 5869 for 32 octets, from its primitives. */
function hkdf(secret: Uint8Array, salt: Uint8Array, info: string): Buffer {
  const extracted = createHmac("sha256", salt).update(secret).digest();
  return createHmac("sha256", extracted).update(`${info}\x01`).digest();
}

test("the datagram has the layout and keys of docs/protocol.md, computed here from its primitives", () => {
  const sha = (text: string, bytes: number): Buffer => createHash("sha256").update(text).digest().subarray(0, bytes);
  const boot = Buffer.from(BOOT_A, "hex");
  const mark = createCipheriv(
    "chacha20-poly1305",
    hkdf(NEW.secret, new Uint8Array(0), "holdfast boot 2 edge"),
    Buffer.concat([boot, new Uint8Array(4)]),
    { authTagLength: 16 },
  );
  mark.final();
  const byVersion = {
    1: {
      key: sha("holdfast key id2026-11", 4),
      stream: Buffer.of(0, 7),
      secret: hkdf(NEW.secret, boot, "holdfast heartbeat 1 edge"),
    },
    2: {
      key: mark.getAuthTag().subarray(0, 4),
      stream: sha("holdfast stream b lan", 2),
      secret: hkdf(NEW.secret, boot, "holdfast heartbeat 2 b lan edge"),
    },
  };
  for (const version of VERSIONS) {
    const { key, stream, secret } = byVersion[version];
    for (const [suite, code] of [
      ["encrypt", 1],
      ["authenticate-only", 2],
    ] as const) {
      const sequence = Buffer.from("000000000001", "hex");
      const start = Buffer.of(0x48, 0x46, version, code);
      const header = Buffer.concat([start, sha("edge", 4), key, boot, stream, sequence]);
      const nonce = Buffer.concat([stream, new Uint8Array(4), sequence]);
      const cipher = createCipheriv("chacha20-poly1305", secret, nonce, { authTagLength: 16 });
      const body = suite === "encrypt" ? cipher.setAAD(header).update(PAYLOAD) : Buffer.from(PAYLOAD);
      if (suite === "authenticate-only") cipher.setAAD(Buffer.concat([header, PAYLOAD]));
      cipher.final();
      const expected = Buffer.concat([header, body, cipher.getAuthTag()]);
      const made = sealer(BOOT_A, { suite }).seal(to("b", version, "lan", 7), PAYLOAD);
      assert.equal(Buffer.from(made).toString("hex"), expected.toString("hex"), `version ${version}, ${suite}`);
    }
  }
});

test("a datagram taken from one link or one direction opens on no other, whatever number is written into it", () => {
  const [a, b, c] = [sealer(BOOT_A), sealer(BOOT_B), sealer(BOOT_C)];
  const take = (): Uint8Array => a.seal(to("b", 2), PAYLOAD);
  assert.equal(reasonOf(b.open(take(), "priv")), "link");
  assert.equal(reasonOf(c.open(take(), "lan")), "link");
  assert.equal(reasonOf(a.open(take(), "lan")), "link");
  const renumbered = (link: string, receiver: string): Uint8Array => {
    const datagram = take();
    Buffer.from(datagram.buffer).writeUInt16BE(streamOf(link, receiver), 20);
    return datagram;
  };
  assert.equal(reasonOf(b.open(renumbered("priv", "b"), "priv")), "auth");
  assert.equal(reasonOf(c.open(renumbered("lan", "c"), "lan")), "auth");
  assert.equal(reasonOf(b.open(take(), "lan")), "opened");
});

test("version 1 from unknown boots is tried 200 times a second at most; known boots and version 2 always", () => {
  let now = 0;
  const b = sealer(BOOT_B, { now: () => now });
  const known = sealer(BOOT_C);
  assert.equal(reasonOf(b.open(known.seal(to("b", 1), PAYLOAD), "lan")), "opened");
  const forged = sealed(1);
  for (let i = 0; i < 1000; i++) {
    Buffer.from(forged.buffer).writeUInt32BE(i, 12);
    assert.equal(reasonOf(b.open(forged, "lan")), "auth");
  }
  assert.equal(reasonOf(b.open(sealed(1), "lan")), "auth", "no more in this second");
  assert.equal(reasonOf(b.open(known.seal(to("b", 1), PAYLOAD), "lan")), "opened");
  assert.equal(reasonOf(b.open(sealed(2), "lan")), "opened");
  now = 1000;
  assert.equal(reasonOf(b.open(sealer("d0d1d2d3d4d5d6d7" as BootId).seal(to("b", 1), PAYLOAD), "lan")), "opened");
});

test("version 2: nothing is derived for a boot that no holder of a key has made", () => {
  let made = 0;
  const aead = (): { seal(): void; open(): undefined } => {
    made += 1;
    return { seal: () => undefined, open: () => undefined };
  };
  const b = createSealer({ cluster: "edge", node: "b", keys: keys(), suite: "encrypt", boot: BOOT_B, aead });
  const before = made;
  const forged = Buffer.from(sealed(2));
  for (let i = 0; i < 1000; i++) {
    forged.writeUInt32BE(i, 12);
    assert.equal(reasonOf(b.open(forged, "lan")), "key");
  }
  assert.equal(made, before);
});

test("a stream outside 16 bits is a programming error", () => {
  for (const stream of [-1, 65_536, 0.5, Number.NaN])
    assert.throws(() => sealer(BOOT_A).seal(to("b", 1, "lan", stream), PAYLOAD), RangeError);
});
