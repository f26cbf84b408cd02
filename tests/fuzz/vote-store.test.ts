/** The voter's file: what is saved comes back, whatever stands in it is read as a valid record or not at all. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import { Chance } from "./chance.ts";
import { mutate } from "./mutate.ts";
import { ANY_WORLD, RandomHeartbeats } from "./random-heartbeat.ts";
import { VoteStore } from "@holdfast/agent/engine/vote-store.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import type { BootId, GroupName, KernelId, NodeName } from "@holdfast/core/units/names.ts";

const SEED = 9;
const NOW = 50_000;
const SLOT_BYTES = 4096;
const KERNEL = "00000000000000c1" as KernelId;
const directory = mkdtempSync(join(tmpdir(), "holdfast-fuzz-votes-"));
after(() => rmSync(directory, { recursive: true }));

function open(path: string): VoteStore {
  return VoteStore.open(path, KERNEL);
}

function load(path: string): ReadonlyMap<GroupName, VoterRecord> | undefined {
  const store = open(path);
  try {
    return store.load(NOW, NOW + 5100).records;
  } finally {
    store.close();
  }
}

function begin(name: string): { readonly path: string; readonly store: VoteStore } {
  const path = join(directory, name);
  rmSync(path, { force: true });
  const store = open(path);
  store.load(0, 5100);
  return { path, store };
}

function randomRecord(chance: Chance): VoterRecord {
  const made = new RandomHeartbeats(chance, ANY_WORLD);
  const holder = { node: chance.pick(ANY_WORLD.nodes), kernel: chance.pick(ANY_WORLD.kernels) };
  const accepted = {
    ballot: made.ballot(),
    holder,
    number: chance.number(48),
    expires: NOW + chance.below(5000) + 0.123,
  };
  return {
    promised: chance.once(4) ? undefined : made.ballot(),
    accepted: chance.once(4) ? undefined : accepted,
    closed: chance.list(32, () => made.ballot()),
  };
}

test(`50 files of random records (seed ${SEED}) come back as the last of each group`, () => {
  const chance = new Chance(SEED);
  for (let round = 0; round < 50; round++) {
    const { path, store } = begin("whole");
    const last = new Map<GroupName, VoterRecord>();
    for (let saves = chance.below(12); saves > 0; saves--) {
      const number = 1 + chance.below(4);
      const group = `g${number}` as GroupName;
      const record = randomRecord(chance);
      store.save(number, group, record);
      last.set(group, record);
    }
    store.close();
    const found = load(path);
    assert.ok(found !== undefined);
    // JSON leaves out what is undefined.
    assert.equal(found.size, last.size, `round ${round}`);
    for (const [group, record] of found) assert.equal(JSON.stringify(record), JSON.stringify(last.get(group)));
  }
});

test("the largest record there can be fits its slot", () => {
  const ballot = (): VoterRecord["closed"][number] => {
    return { round: 2 ** 32 - 1, node: "n".repeat(32) as NodeName, boot: "f".repeat(16) as BootId };
  };
  const record: VoterRecord = {
    promised: ballot(),
    accepted: {
      ballot: ballot(),
      holder: { node: "n".repeat(32) as NodeName, kernel: KERNEL },
      number: 2 ** 48 - 1,
      expires: NOW + 1000 / 3,
    },
    closed: Array.from({ length: 32 }, ballot),
  };
  const { path, store } = begin("largest");
  store.save(1, "g".repeat(32) as GroupName, record);
  store.close();
  assert.deepEqual(load(path)?.get("g".repeat(32) as GroupName), record);
});

test(`1000 damaged files (seed ${SEED}): records that were saved, or none and abstaining`, () => {
  const chance = new Chance(SEED);
  const { path, store } = begin("damaged");
  const saved = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const record = randomRecord(chance);
    store.save(1 + (i % 2), `g${i % 2}` as GroupName, record);
    saved.add(JSON.stringify(record));
  }
  store.close();
  const whole = readFileSync(path);
  const counts = { records: 0, none: 0 };
  for (let i = 0; i < 1000; i++) {
    // The first half of a slot is where its bytes are.
    const at = SLOT_BYTES * chance.below(6);
    const slot = mutate(chance, whole.subarray(at, at + 1000), whole.subarray(0, 200), 1000);
    const damaged = Buffer.from(whole);
    damaged.set(slot, at);
    writeFileSync(path, chance.once(4) ? damaged.subarray(0, chance.below(damaged.length)) : damaged);
    const found = load(path);
    counts[found === undefined ? "none" : "records"] += 1;
    for (const record of found?.values() ?? []) assert.ok(saved.has(JSON.stringify(record)), `file ${i}`);
  }
  assert.ok(counts.records > 500 && counts.none > 30, JSON.stringify(counts));
});

/** A slot with the checksum it should have, whatever its text. */
function slotOf(text: string, sequence: number): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  const length = bytes.write(text, 16);
  bytes.writeUInt32BE(0x48465630, 0);
  bytes.writeUInt32BE(sequence, 4);
  bytes.writeUInt32BE(length, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(16, 16 + length), crc32(bytes.subarray(0, 12))), 12);
  return bytes;
}

test("a whole slot of another form, of another version say, means abstaining and not a crash", () => {
  const { path, store } = begin("form");
  store.save(1, "web" as GroupName, randomRecord(new Chance(SEED)));
  store.close();
  const whole = readFileSync(path);
  const ballot = { round: 1, node: "a", boot: "00000000000000b1" };
  const holder = { node: "a", kernel: KERNEL };
  const texts = [
    "null",
    "[]",
    "7",
    "{}",
    JSON.stringify({ kernel: KERNEL }),
    JSON.stringify({ kernel: KERNEL, group: "web", record: null }),
    JSON.stringify({ kernel: KERNEL, group: "web", record: {} }),
    JSON.stringify({ kernel: KERNEL, group: "web", record: { promised: { round: -1 }, closed: [] } }),
    JSON.stringify({ kernel: KERNEL, group: "web", record: { promised: { ...ballot, round: 2 ** 32 }, closed: [] } }),
    JSON.stringify({ kernel: KERNEL, group: "web", record: { closed: [null] } }),
    // A lease without end would keep the group from everybody.
    JSON.stringify({
      kernel: KERNEL,
      group: "web",
      record: { accepted: { ballot, holder, number: 1, expires: NOW + 3_600_000 }, closed: [] },
    }),
  ];
  for (const text of texts) {
    for (const slot of [0, 2]) {
      const changed = Buffer.concat([whole, Buffer.alloc(4 * SLOT_BYTES)]);
      slotOf(text, 99).copy(changed, slot * SLOT_BYTES);
      writeFileSync(path, changed);
      assert.equal(load(path), undefined, `slot ${slot}: ${text}`);
      // It was begun anew, and works.
      const again = open(path);
      again.save(1, "web" as GroupName, randomRecord(new Chance(1)));
      again.close();
    }
  }
});
