/** The inputs kept in corpus/ (see corpus.ts): each still ends as it did, and none of them stops a node in any role. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { collect, readCorpus, TARGETS } from "./corpus.ts";
import { LINKS, SealedCluster, type SealedNode } from "./sealed-cluster.ts";

const SEED = 20_261_121;
/** Where a plaintext has these (docs/protocol.md). */
const AT = { boot: 2, kernel: 10, toBoot: 18, message: 34 } as const;

for (const target of TARGETS) {
  test(`${target.name}: every kept input ends as it did`, () => {
    const entries = readCorpus(target);
    assert.ok(entries.length > 4, `${entries.length}`);
    for (const { outcome, origin, bytes } of entries) assert.equal(target.outcomeOf(bytes), outcome, origin);
  });

  test(`${target.name}: 20000 further mutations end in no way that is not kept`, () => {
    const kept = readCorpus(target);
    const known = new Set(kept.map((entry) => entry.outcome));
    const found = collect(target, kept, SEED, 20_000).filter((entry) => !known.has(entry.outcome));
    const inputs = found.map(({ outcome, bytes }) => `${outcome}: ${Buffer.from(bytes).toString("hex")}`);
    assert.deepEqual(inputs, [], "look at them, then keep them: node tests/fuzz/corpus.ts");
  });
}

test("every field that the heartbeat's parser names has an input that is refused for it", () => {
  const sources = ["heartbeat.ts", "heartbeat-lease.ts", "heartbeat-node.ts", "heartbeat-reports.ts"].map((name) =>
    readFileSync(join(import.meta.dirname, "../../packages/core/wire", name), "utf8"),
  );
  const named = sources.flatMap((text) => [
    ...text.matchAll(/\.(?:u8|u16|u32|u48|hex|name|optionalName|word|text|flag)\([^()]*"([\w.]+)"\)/g),
  ]);
  const fields = new Set(named.map((match) => match[1] ?? ""));
  const [heartbeat] = TARGETS;
  assert.ok(heartbeat !== undefined && fields.size > 40, `${fields.size}`);
  const refused = new Set(readCorpus(heartbeat).map(({ outcome }) => outcome.split(" ")[1] ?? ""));
  // A type is read only where there is a byte, and an unknown one is skipped.
  const missing = [...fields].filter((field) => !field.endsWith(".type") && !refused.has(field));
  assert.deepEqual(missing, []);
});

test("sealed with a member's key, each kept heartbeat leaves a node that holds, stands or waits as good as it was", () => {
  const [heartbeat] = TARGETS;
  assert.ok(heartbeat !== undefined);
  const entries = readCorpus(heartbeat);
  const met = new Set<string>();
  for (const cut of [false, true]) {
    const cluster = new SealedCluster(SEED);
    assert.notEqual(
      cluster.until(() => cluster.settled, 2000),
      undefined,
    );
    const [n1, n2] = [cluster.node("n1"), cluster.node("n2")];
    if (cut) cluster.cut.add("n2 n1").add("n3 n1");
    for (const { bytes, outcome } of entries) {
      if (cut) cluster.run(7);
      for (const { lease } of n1.engine.state.groups.values()) met.add(lease.state.role);
      for (const link of LINKS) {
        assert.doesNotThrow(() => cluster.deliver(n1, link, cluster.seal(n2, n1, link, bytes)), outcome);
        const plaintext = addressed(bytes, n2, n1);
        assert.doesNotThrow(() => cluster.deliver(n1, link, cluster.seal(n2, n1, link, plaintext)), outcome);
      }
      if (!cut) cluster.run(15);
    }
    cluster.cut.clear();
    assert.notEqual(
      cluster.until(() => cluster.settled, 12_000),
      undefined,
      "a group has no owner",
    );
  }
  for (const role of ["idle", "preparing", "holding"]) assert.ok(met.has(role), [...met].join(" "));
});

/** As if `from` had said it to `to`, as its next message: else it would be read no further than its head. */
function addressed(bytes: Uint8Array, from: SealedNode, to: SealedNode): Uint8Array {
  const changed = Buffer.from(bytes);
  if (changed.length < 46) return changed;
  const peer = from.engine.state.peers.get(to.name);
  assert.ok(peer !== undefined);
  peer.messagesSent += 1;
  changed.write(from.boot, AT.boot, "hex");
  changed.write(from.kernel, AT.kernel, "hex");
  changed.write(to.boot, AT.toBoot, "hex");
  changed.writeUIntBE(peer.messagesSent, AT.message, 6);
  // The name is of one character in most of them; a member's has two.
  const end = 45 + (changed[44] ?? 0);
  return Buffer.concat([
    changed.subarray(0, 44),
    Buffer.from([from.name.length]),
    Buffer.from(from.name),
    changed.subarray(end),
  ]);
}
