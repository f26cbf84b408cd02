/** What follows from the evidence of an adapter, which one of a segment is used, and how frames are counted (A6, A7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseAdapter,
  type Choice,
  type Evidence,
  excuseAdapter,
  failed,
  framesCounted,
  heardFrame,
  newAdapter,
  SETTLE_MS,
  settleOf,
  silence,
  verdict,
} from "./adapter.ts";
import type { AdapterState } from "../wire/messages.ts";
import type { InterfaceName } from "../units/names.ts";
import { instant, milliseconds } from "../units/time.ts";

const LIMIT = 300;

/** Silent for longer than any report of others takes, looked at, and nobody says anything of it. */
const SILENT: Evidence = {
  down: undefined,
  silent_ms: 3 * LIMIT,
  limit_ms: LIMIT,
  looked: true,
  others: [],
  referenceBefore: false,
  neighbourHears: false,
  contradicted_ms: LIMIT,
  sure_ms: 50,
};

const VERDICTS: readonly (readonly [rule: string, change: Partial<Evidence>, state: AdapterState | undefined])[] = [
  ["administratively down", { down: "administratively", silent_ms: 0 }, "down"],
  ["missing", { down: "missing", silent_ms: 0 }, "down"],
  ["no carrier, whatever others hear", { down: "no-carrier", silent_ms: 0, others: ["hears"] }, "no-carrier"],
  ["anything received within the limit", { silent_ms: LIMIT - 1, others: ["hears", "hears"] }, "ok"],
  ["references answer here, a peer is silent: the peer's side", { silent_ms: 20, others: ["deaf"] }, "ok"],
  ["nothing received, another node hears: mine", { silent_ms: LIMIT, others: ["hears"] }, "silent"],
  ["one of the others hears, one does not: still mine", { others: ["deaf", "hears"] }, "silent"],
  ["a remote witness has no say", { others: ["cannot-tell", "hears"] }, "silent"],
  ["not looked at: no swap, whoever hears", { looked: false, others: ["hears"] }, "undecided"],
  ["not looked at yet", { looked: false, silent_ms: LIMIT, others: ["hears"] }, undefined],
  [
    "another heard it this very moment: a network heals here and there",
    { others: ["hears"], contradicted_ms: 0 },
    undefined,
  ],
  ["nobody hears anything, of three nodes: the network", { others: ["deaf", "deaf"] }, "network-down"],
  ["the same beside a witness that cannot tell", { others: ["deaf", "deaf", "cannot-tell"] }, "network-down"],
  [
    "two nodes, both hear nothing, the reference did answer",
    { others: ["deaf"], referenceBefore: true },
    "network-down",
  ],
  ["two nodes, both hear nothing, no reference: as well one mute and one alone", { others: ["deaf"] }, "undecided"],
  ["nobody can tell", { others: ["cannot-tell"] }, "undecided"],
  ["nobody is there", {}, "undecided"],
  ["too early to say that nobody hears", { silent_ms: 2 * LIMIT - 1, others: ["deaf", "deaf"] }, undefined],
  ["a report that is older than the silence", { others: ["not-yet"] }, undefined],
  ["nobody can tell, but the other adapter here hears whom this one asks in vain", { neighbourHears: true }, "silent"],
  ["the same of this very moment", { neighbourHears: true, contradicted_ms: 0 }, undefined],
];

for (const [rule, change, state] of VERDICTS)
  test(`verdict: ${rule}: ${state ?? "as before"}`, () => assert.equal(verdict({ ...SILENT, ...change }), state));

const good = (state: AdapterState, good_ms = 0): Choice => ({ state, good_ms, settle_ms: SETTLE_MS });

const CHOICES: readonly (readonly [
  rule: string,
  choices: readonly Choice[],
  inUse: number,
  chosen: number | undefined,
])[] = [
  ["what works stays", [good("ok", 1e6), good("ok", 1e6)], 0, 0],
  ["a failed one is left for the first that works", [good("silent"), good("no-carrier"), good("ok")], 0, 2],
  [
    "one that works comes before one that is only not known to have failed",
    [good("down"), good("undecided"), good("ok")],
    0,
    2,
  ],
  ["one that may work is better than one that does not", [good("no-carrier"), good("undecided")], 0, 1],
  ["a dead network is no way out", [good("silent"), good("network-down")], 0, undefined],
  ["none is left", [good("silent"), good("down")], 1, undefined],
  ["what is undecided stays", [good("undecided"), good("ok", 1e6)], 0, 0],
  ["what is on a dead network stays", [good("network-down"), good("ok", 1e6)], 0, 0],
  ["the service adapter comes back when it has settled", [good("ok", SETTLE_MS), good("ok", 1e6)], 1, 0],
  ["and not before", [good("ok", SETTLE_MS - 1), good("ok", 1e6)], 1, 1],
  ["nor waits when the other has failed", [good("ok", 0), good("silent")], 1, 0],
  ["a later one is never better", [good("ok", 0), good("ok", 1e6)], 0, 0],
];

for (const [rule, choices, inUse, chosen] of CHOICES)
  test(`choice: ${rule}`, () => assert.equal(chooseAdapter(choices, inUse), chosen));

const TIMES = { recent_ms: 40, limit_ms: LIMIT };

test("frames: the first count only begins; a change since a recent one was heard, and surely after that one", () => {
  const adapter = newAdapter("eth0" as InterfaceName, instant(0));
  framesCounted(adapter, 7, TIMES, instant(100));
  assert.equal(silence(adapter, instant(100)), 100);
  framesCounted(adapter, 7, TIMES, instant(125));
  assert.equal(adapter.idleCounts, 1);
  framesCounted(adapter, 8, TIMES, instant(150));
  assert.equal(adapter.heardAt, 150);
  assert.equal(adapter.surelyHeardAt, 125);
  assert.equal(adapter.idleCounts, 0);
});

test("frames: what came since a count of long ago says nothing of when; a counter that starts anew is a change", () => {
  const adapter = newAdapter("eth0" as InterfaceName, instant(0));
  framesCounted(adapter, 7, TIMES, instant(100));
  framesCounted(adapter, 900, TIMES, instant(5000));
  assert.equal(adapter.heardAt, undefined);
  framesCounted(adapter, 3, TIMES, instant(5025));
  assert.equal(adapter.heardAt, 5025);
});

test("a stall is no silence, and what was looked at before it does not count", () => {
  const adapter = newAdapter("eth0" as InterfaceName, instant(0));
  heardFrame(adapter, instant(1000), LIMIT, instant(1000));
  for (const at of [1025, 1050, 1075, 1100]) framesCounted(adapter, 7, TIMES, instant(at));
  excuseAdapter(adapter, milliseconds(900), instant(2000));
  assert.equal(silence(adapter, instant(2000)), 100);
  assert.equal(adapter.idleCounts, 0);
});

test("it settles for 5 s, twice as long with each failure of the last ten minutes after the first", () => {
  const adapter = newAdapter("eth0" as InterfaceName, instant(0));
  assert.equal(settleOf(adapter, instant(0)), SETTLE_MS);
  for (const [i, expected] of [1, 2, 4, 8, 16].entries()) {
    failed(adapter, instant(i * 1000));
    assert.equal(settleOf(adapter, instant(i * 1000)), expected * SETTLE_MS);
  }
  for (let i = 0; i < 100; i++) failed(adapter, instant(10_000));
  assert.equal(settleOf(adapter, instant(10_000)), 512 * SETTLE_MS);
  assert.equal(settleOf(adapter, instant(610_001)), SETTLE_MS);
});
