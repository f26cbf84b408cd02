/** Heartbeats: the bytes of both versions are those of the document, and what is emitted is what is parsed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERY_LEASE_ENTRY, FULL } from "./heartbeat-samples.ts";
import { bytesOf, EMPTY, event, parsed, refuse } from "./heartbeat-testing.ts";
import { emitHeartbeat, HeartbeatEmitter } from "./heartbeat.ts";
import type { GroupName } from "../units/names.ts";
import type { GroupReport, Heartbeat, Ineligibility, LeaseEntry } from "./messages.ts";

// Written down field by field from docs/protocol.md, as what follows; the same in both versions.
const LEASE = `  04 015d
    01 001c 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 01 61 0102030405060708
    02 0012 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7
    03 0024 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 000000000011 01 61 0102030405060708 012c
    04 0018 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 000000000011
    05 0029 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 ffffffff 03 6c6232 b0b1b2b3b4b5b6b7 03 6c6232 00fb 00
    06 001c 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 01 61 0102030405060708
    07 0012 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7
    08 0019 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 01 020000000002
    09 0031 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 01 61 0102030405060708 b0b1b2b3b4b5b6b7
            02 020000000001 020000000101
    0a 0034 03 776562 00000007 01 61 a0a1a2a3a4a5a6a7 ffffffff 03 6c6232 b0b1b2b3b4b5b6b7
            01 61 0102030405060708 b0b1b2b3b4b5b6b7
`;

// Written down field by field from docs/protocol.md, not taken from the emitter's output.
const GOLDEN = `
  02 75 a0a1a2a3a4a5a6a7 0102030405060708 b0b1b2b3b4b5b6b7 00000003 00c0ffee 000000001267 0000000c 01 61
  01 000a 000000001266 000005dc
  08 0008 0006 6b65726e656c
  09 0010 0005 302e342e30 02 01020304 fffefdfc
  0a 0015 0007 73657276696365 0004 656e7333 02 00 ffff 000c
  02 0014 03 6c6232 03 6c616e 0028 017c 000000d2 0000005a
  03 0034 03 776562 02 00 01 61 01 00000007 01 61 a0a1a2a3a4a5a6a7 0118 01 00000003 0036ee80
          02 6462 00 07 00 00 0000 00 00000000 00000000
${LEASE}  05 002f 01 61 a0a1a2a3a4a5a6a7 00000005 01a1fd67ca7b 02 0b 67726f75702d6f776e6564 03 776562 0008 5a6fc3ab20e282ac
  06 00a4
    01 0017 01 61 a0a1a2a3a4a5a6a7 00000001 03 6c6232 03 776562 00
    02 001e 01 61 a0a1a2a3a4a5a6a7 00000002 03 6c6232 03 6c6232 0006 6b65726e656c
    03 0016 01 61 a0a1a2a3a4a5a6a7 00000003 03 6c6232 03 6c6232
    04 0022 01 61 a0a1a2a3a4a5a6a7 00000004 03 6c6232 03 776562 0036ee80 0006 737769746368
    05 0013 01 61 a0a1a2a3a4a5a6a7 00000005 03 6c6232 00
    06 0012 01 61 a0a1a2a3a4a5a6a7 00000006 03 6c6232
  07 0013 01 61 a0a1a2a3a4a5a6a7 00000009 02 0002 6e6f
`;

// Version 1: no 09 and 0a, no jitter, no adapter and pause of a group.
const GOLDEN_1 = `
  01 75 a0a1a2a3a4a5a6a7 0102030405060708 b0b1b2b3b4b5b6b7 00000003 00c0ffee 000000001267 0000000c 01 61
  01 000a 000000001266 000005dc
  08 0008 0006 6b65726e656c
  02 0010 03 6c6232 03 6c616e 0028 017c 000000d2
  03 0022 03 776562 02 00 01 61 01 00000007 01 61 a0a1a2a3a4a5a6a7 0118
          02 6462 00 07 00 00 0000
${LEASE}  05 002f 01 61 a0a1a2a3a4a5a6a7 00000005 01a1fd67ca7b 02 0b 67726f75702d6f776e6564 03 776562 0008 5a6fc3ab20e282ac
  06 00a4
    01 0017 01 61 a0a1a2a3a4a5a6a7 00000001 03 6c6232 03 776562 00
    02 001e 01 61 a0a1a2a3a4a5a6a7 00000002 03 6c6232 03 6c6232 0006 6b65726e656c
    03 0016 01 61 a0a1a2a3a4a5a6a7 00000003 03 6c6232 03 6c6232
    04 0022 01 61 a0a1a2a3a4a5a6a7 00000004 03 6c6232 03 776562 0036ee80 0006 737769746368
    05 0013 01 61 a0a1a2a3a4a5a6a7 00000005 03 6c6232 00
    06 0012 01 61 a0a1a2a3a4a5a6a7 00000006 03 6c6232
  07 0013 01 61 a0a1a2a3a4a5a6a7 00000009 02 0002 6e6f
`;

test("one message with every kind of entry has exactly the bytes of the document", () => {
  assert.equal(Buffer.from(emitHeartbeat(FULL)).toString("hex"), GOLDEN.replaceAll(/\s/g, ""));
  assert.deepEqual(parsed(bytesOf(GOLDEN)), FULL);
});

/** What is left of FULL in version 1. */
const FULL_1: Heartbeat = {
  ...FULL,
  version: 1,
  about: undefined,
  adapters: [],
  heard: FULL.heard.map((each) => ({ ...each, jitter_us: 0 })),
  groups: FULL.groups.map((each) => ({ ...each, adapter: 0, pause: { stamp: 0, remaining_ms: 0 } })),
};

test("to a peer that reads version 1 the same message has exactly the bytes of that version", () => {
  const bytes = emitHeartbeat({ ...FULL, version: 1 });
  assert.equal(Buffer.from(bytes).toString("hex"), GOLDEN_1.replaceAll(/\s/g, ""));
  assert.deepEqual(parsed(bytes), FULL_1);
});

test("a message of a node that knows version 1 alone says so", () => {
  const bytes = bytesOf(GOLDEN_1);
  bytes[1] = 0x35;
  assert.deepEqual(parsed(bytes), { ...FULL_1, speaks: 1 });
});

test("a reason not to own that version 1 does not know is interface-down there", () => {
  const [group] = FULL.groups;
  assert.ok(group);
  const heardOf = (version: number, ineligible: Ineligibility): Ineligibility | undefined =>
    parsed(emitHeartbeat({ ...EMPTY, version, groups: [{ ...group, ineligible }] })).groups[0]?.ineligible;
  for (const ineligible of ["adapters-failed", "unfit", "yielded"] as const) {
    assert.equal(heardOf(1, ineligible), "interface-down");
    assert.equal(heardOf(2, ineligible), ineligible);
  }
});

test("an emitter that writes both versions in turn keeps what it shares of each apart", () => {
  const emitter = new HeartbeatEmitter();
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(parsed(emitter.emit(FULL)), FULL);
    assert.deepEqual(parsed(emitter.emit({ ...FULL, version: 1 })), FULL_1);
  }
});

test("every kind of lease entry comes back as it was", async (t) => {
  const more: LeaseEntry[] = [
    { ...refuse(), owner: undefined, remaining_ms: 0, reason: "abstaining" },
    ...(["held", "promised", "closed", "generation"] as const).map((reason) => ({ ...refuse(), reason })),
    ...EVERY_LEASE_ENTRY.filter((entry) => entry.kind === "ready").map((entry) => ({ ...entry, macs: [] })),
  ];
  for (const entry of [...EVERY_LEASE_ENTRY, ...more]) {
    await t.test(entry.kind, () => {
      assert.deepEqual(parsed(emitHeartbeat({ ...EMPTY, lease: [entry] })).lease, [entry]);
    });
  }
});

test("every word of a group and an adapter report, a level and an outcome comes back as it was", () => {
  const report: GroupReport = {
    group: "g" as GroupName,
    fence: "open",
    ineligible: "",
    owner: undefined,
    ballot: undefined,
    remaining_ms: 1,
    adapter: 2,
    pause: { stamp: 7, remaining_ms: 1000 },
  };
  const groups: GroupReport[] = [
    ...(["closed", "relay", "open", "forward"] as const).map((fence) => ({ ...report, fence })),
    ...(
      [
        "",
        "witness",
        "not-preferred",
        "drained",
        "stopping",
        "interface-down",
        "address-failed",
        "generation",
        "crashing",
        "adapters-failed",
        "unfit",
        "yielded",
      ] as const
    ).map((ineligible) => ({ ...report, ineligible })),
  ];
  const events = (["info", "warning", "alarm"] as const).map((level) => ({ ...event("x"), level, group: undefined }));
  const outcomes = (["done", "failed", "refused", "timeout"] as const).flatMap((code) =>
    FULL.outcomes.map((each) => ({ ...each, code })),
  );
  const [adapter] = FULL.adapters;
  assert.ok(adapter);
  const adapters = (["ok", "down", "no-carrier", "silent", "network-down", "undecided"] as const).flatMap((state) => [
    { ...adapter, state },
    { ...adapter, state, used: true },
  ]);
  const h = { ...EMPTY, groups, adapters, events, outcomes };
  assert.deepEqual(parsed(emitHeartbeat(h)), h);
});

test("each flag is a bit of its own", () => {
  for (const flag of ["extra", "drained", "stopping", "stalled", "abstaining", "reluctant"] as const) {
    const h = { ...EMPTY, [flag]: true };
    assert.deepEqual(parsed(emitHeartbeat(h)), h, flag);
  }
});

test("numbers beyond their field are saturated when emitted", () => {
  const h: Heartbeat = {
    ...EMPTY,
    echo: { message: 1, held_us: 1e12 },
    heard: FULL.heard.map((heard) => ({
      ...heard,
      age_ms: Infinity,
      loss_permille: 5000,
      roundTrip_us: -1,
      jitter_us: 1e10,
    })),
    groups: FULL.groups.map((group) => ({
      ...group,
      remaining_ms: 0.2,
      adapter: 300,
      pause: { stamp: 1, remaining_ms: 1e13 },
    })),
    adapters: FULL.adapters.map((adapter) => ({ ...adapter, heardAge_ms: Infinity, referenceAge_ms: 70_000 })),
    about: { software: "v".repeat(40), keys: Array.from({ length: 17 }, (_, i) => i) },
    lease: [{ ...refuse(), remaining_ms: 70_000 }],
    events: [{ ...event("x"), wall_ms: Number.NaN }],
  };
  const back = parsed(emitHeartbeat(h));
  assert.equal(back.echo?.held_us, 4_294_967_295);
  assert.deepEqual(
    back.heard.map((heard) => [heard.age_ms, heard.loss_permille, heard.roundTrip_us, heard.jitter_us]),
    [[65_535, 1000, 0, 4_294_967_295]],
  );
  // What is left of a lease is rounded up: a voter must never seem free too early.
  assert.deepEqual(
    back.groups.map((group) => group.remaining_ms),
    [1, 1],
  );
  assert.deepEqual(
    back.groups.map((group) => [group.adapter, group.pause.remaining_ms]),
    [
      [255, 4_294_967_295],
      [255, 4_294_967_295],
    ],
  );
  assert.deepEqual(
    back.adapters.map((adapter) => [adapter.heardAge_ms, adapter.referenceAge_ms]),
    [[65_535, 65_535]],
  );
  assert.deepEqual(back.about, { software: "v".repeat(32), keys: Array.from({ length: 16 }, (_, i) => i) });
  assert.deepEqual(back.lease, [{ ...refuse(), remaining_ms: 65_535 }]);
  assert.equal(back.events[0]?.wall_ms, 0);
});

test("texts are cut at a character, and a code that is no name does not spoil the message", () => {
  const back = parsed(
    emitHeartbeat({
      ...EMPTY,
      events: [
        { ...event("€".repeat(100)), code: "Odd Code!" },
        { ...event(""), code: "" },
      ],
    }),
  );
  assert.deepEqual(
    back.events.map((each) => [each.text, each.code]),
    [
      ["€".repeat(66), "odd-code-"],
      ["", "unnamed"],
    ],
  );
});
