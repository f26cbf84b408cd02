/** V2: what a voter gave is known to the daemon that comes after it, and to nobody else. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VoteStore } from "./vote-store.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import type { BootId, GroupName, KernelId, NodeName } from "@holdfast/core/units/names.ts";

const kernel = "00000000000000c1" as KernelId;
const web = "web" as GroupName;

function record(number: number): VoterRecord {
  const ballot = { round: 3, node: "n1" as NodeName, boot: "00000000000000b1" as BootId };
  return {
    promised: ballot,
    accepted: { ballot, holder: { node: "n1" as NodeName, kernel }, number, expires: 1000 + number },
    closed: [],
  };
}

function withFile(run: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-votes-"));
  try {
    run(join(directory, "votes"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function reopen(path: string, of: KernelId = kernel, now = 10_000): ReadonlyMap<GroupName, VoterRecord> | undefined {
  const store = VoteStore.open(path, of);
  try {
    return store.load(now, now + 5100).records;
  } finally {
    store.close();
  }
}

function filled(path: string): void {
  const store = VoteStore.open(path, kernel);
  assert.equal(store.load(0, 5100).records, undefined);
  for (let number = 1; number <= 5; number++) store.save(1, web, record(number));
  store.close();
}

test("V2: the last record saved is the one a restarted daemon finds", () => {
  withFile((path) => {
    filled(path);
    assert.deepEqual(reopen(path)?.get(web), record(5));
  });
});

test("V2: a new file means abstaining, also for a daemon that restarts before the time is over", () => {
  withFile((path) => {
    filled(path);
    assert.equal(reopen(path, kernel, 5000), undefined);
    assert.notEqual(reopen(path, kernel, 20_000), undefined);
  });
});

test("V2: the record of another kernel counts for nothing", () => {
  withFile((path) => {
    filled(path);
    assert.equal(reopen(path, "00000000000000c2" as KernelId), undefined);
  });
});

test("V2: a slot that was cut short or changed leaves the record before it", () => {
  withFile((path) => {
    filled(path);
    const whole = readFileSync(path);
    const last = whole.lastIndexOf('"number":5');
    const torn = Buffer.from(whole);
    torn[last + 9] = 0x39;
    writeFileSync(path, torn);
    assert.deepEqual(reopen(path)?.get(web), record(4));
  });
});

test("a file of garbage, or an empty one, is begun anew", () => {
  withFile((path) => {
    for (const content of [Buffer.alloc(0), Buffer.alloc(100_000, 0xa5), Buffer.from("HFV0")]) {
      writeFileSync(path, content);
      assert.equal(reopen(path), undefined);
    }
    filled(path);
    truncateSync(path, 17);
    assert.equal(reopen(path), undefined);
  });
});
