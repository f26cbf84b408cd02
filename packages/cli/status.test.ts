/** What `status`, `links`, `why` and `history` print, to the character. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "@holdfast/api/schema.ts";
import { historyLines } from "./history.ts";
import { linkLines } from "./links.ts";
import { NOON, sampleStatus } from "./sample-status.ts";
import { statusLines } from "./status.ts";
import { terminal } from "./terminal.ts";
import { duration, parseDuration } from "./words.ts";
import { whyLines } from "./why.ts";

const wide = (columns: number) => terminal({ tty: true, columns, env: { NO_COLOR: "1" } }, "auto");
const piped = terminal({ tty: false, columns: undefined, env: {} }, "auto");

const AT_80 = `edge  DEGRADED  3/3 nodes  quorum yes  config a1f3c2 (same on all)  12:00:00

GROUP  OWNER  FOR    ADDRESS          STANDBY  LAST MOVE
web    lb1    12d4h  10.0.0.100 (+1)  lb3      manual 38 ms
db     lb3    3m12s  10.0.0.101       NONE     drain 41 ms

NODE  STATE    SEEN  LINKS            FAILING         VERSION
lb1   up       0.0s  lan ok  hb LOSS  -               1.2.0
lb2   drained  0.2s  lan ok  hb LOSS  interface-down  1.2.0
lb3   up       0.1s  lan ok  hb ok    -               1.2.0

! db has no standby: lb2 is drained "kernel"   holdfast undrain lb2
! link hb lb1-lb2: 38% loss                    holdfast links hb`;

test("status at 80 columns", () => {
  assert.equal(statusLines(sampleStatus(), wide(80), NOON).join("\n"), AT_80);
});

test("status at 60 columns: FAILING goes first, VERSION stays when it then fits, no cell is cut, no command is lost", () => {
  const lines = statusLines(sampleStatus(), wide(60), NOON);
  assert.equal(
    lines.slice(6).join("\n"),
    `NODE  STATE    SEEN  LINKS            VERSION
lb1   up       0.0s  lan ok  hb LOSS  1.2.0
lb2   drained  0.2s  lan ok  hb LOSS  1.2.0
lb3   up       0.1s  lan ok  hb ok    1.2.0

! db has no standby: lb2 is drained "kernel"
    holdfast undrain lb2
! link hb lb1-lb2: 38% loss   holdfast links hb`,
  );
  for (const line of lines.slice(1)) assert.ok(line.length <= 60, line);
});

test("status at 40 columns: VERSION and LAST MOVE are gone too", () => {
  const text = statusLines(sampleStatus(), wide(40), NOON).join("\n");
  assert.doesNotMatch(text, /VERSION|FAILING|LAST MOVE/);
  assert.match(text, /^NODE {2}STATE {4}SEEN {2}LINKS$/m);
});

test("piped: nothing is dropped, however long, and nothing is coloured", () => {
  const long = sampleStatus({
    groups: sampleStatus().groups.map((group) => ({ ...group, name: group.name.repeat(40) })),
  });
  const text = statusLines(long, piped, NOON).join("\n");
  assert.match(text, /LAST MOVE/);
  assert.match(text, /FAILING\s+VERSION/);
  // oxlint-disable-next-line no-control-regex -- that there is none is the point
  assert.doesNotMatch(text, /\u001b/);
});

test("all is ASCII, and texts of others cannot steer the terminal", () => {
  const evil = sampleStatus({ warnings: [{ text: 'lb2 is drained "\u001b[2Jx\u009b"', command: undefined }] });
  const text = statusLines(evil, wide(80), NOON).join("\n");
  assert.match(text, /^[\x20-\x7e\n]*$/);
  assert.match(text, /drained "\?\[2Jx\?"/);
});

test("a word carries the meaning of every bad state", () => {
  const [web, db] = sampleStatus().groups;
  const [lb1, lb2, lb3] = sampleStatus().nodes;
  assert.ok(web && db && lb1 && lb2 && lb3);
  const bad = sampleStatus({
    health: "outage",
    quorum: false,
    config_differs: ["lb3"],
    groups: [
      { ...web, state: "two-owners" },
      { ...db, state: "unowned", owner: null, since_ms: null },
    ],
    nodes: [
      lb1,
      { ...lb2, state: "down", alive: false, age_ms: 7200 },
      { ...lb3, role: "witness", age_ms: null, state: "abstaining", version: "" },
    ],
  });
  const text = statusLines(bad, wide(100), NOON).join("\n");
  for (const word of [
    "OUTAGE",
    "quorum NO",
    "DIFFERS on lb3",
    "TWO OWNERS",
    "DOWN",
    "7.2s STALE",
    "lb3 (witness)",
    "ABSTAINING",
    "never",
  ]) {
    assert.ok(text.includes(word), word);
  }
});

test("a silent engine is told first, and nothing looks live", () => {
  const unknown = sampleStatus({
    health: "outage",
    engine_age_ms: 4200,
    nodes: sampleStatus().nodes.map((node) => ({ ...node, state: "unknown", alive: false, age_ms: 4200, links: [] })),
    groups: sampleStatus().groups.map((group) => ({
      ...group,
      state: "unknown",
      owner: null,
      since_ms: null,
      standbys: [],
    })),
  });
  const lines = statusLines(unknown, wide(80), NOON);
  assert.match(lines[1] ?? "", /^STALE 4\.2s: the engine is silent/);
  assert.doesNotMatch(lines.join("\n"), /\bup\b|\blan ok\b/);
  assert.match(lines.join("\n"), /web {4}UNKNOWN/);
});

test("colour: on a terminal only, unless told otherwise", () => {
  for (const [choice, tty, env, coloured] of [
    ["auto", true, {}, true],
    ["auto", true, { NO_COLOR: "" }, true],
    ["auto", true, { NO_COLOR: "1" }, false],
    ["auto", true, { TERM: "dumb" }, false],
    ["auto", false, {}, false],
    ["always", false, { NO_COLOR: "1" }, true],
    ["never", true, {}, false],
  ] as const) {
    const painted = terminal({ tty, columns: 80, env }, choice).paint("red", "DOWN");
    assert.equal(painted !== "DOWN", coloured, `${choice} ${tty} ${JSON.stringify(env)}`);
    assert.ok(painted.includes("DOWN"));
  }
});

test("coloured and plain tables have the same columns", () => {
  const coloured = statusLines(sampleStatus(), terminal({ tty: true, columns: 80, env: {} }, "always"), NOON);
  // oxlint-disable-next-line no-control-regex -- colour is what is taken away
  assert.equal(coloured.join("\n").replace(/\u001b\[\d+m/g, ""), AT_80);
});

test("links: each direction, and who was rejected", () => {
  const row = {
    link: "lan",
    kind: "udp" as const,
    adapter: "eth0",
    listener: "lb1",
    speaker: "lb2",
    reason: null,
    age_ms: 40,
    loss_percent: 0,
    round_trip_ms: 0.21,
    jitter_ms: 0.015,
  };
  const rows = [
    { ...row, state: "ok" },
    { ...row, listener: "lb2", speaker: "lb1", state: "LOSS", loss_percent: 38, jitter_ms: null },
    { ...row, speaker: "lb3", state: "DOWN", age_ms: 4000, round_trip_ms: null, reason: "no carrier on eth0" },
    { ...row, listener: "lb3", adapter: null, state: "UNKNOWN", age_ms: null, round_trip_ms: null, jitter_ms: null },
  ] as const;
  const rejected = [{ link: "lan", reason: "auth", source: "10.0.0.99", count: 31 }];
  assert.equal(
    linkLines({ schema: "holdfast.links/1", node: "lb1", rows, rejected }, wide(80)).join("\n"),
    `LINK  LISTENER  HEARS  ADAPTER  STATE     AGE   LOSS     RTT  JITTER
lan   lb1       lb2    eth0     ok       0.0s   0.0%  0.21ms  0.01ms
lan   lb2       lb1    eth0     LOSS     0.0s  38.0%  0.21ms       -
lan   lb1       lb3    eth0     DOWN     4.0s   0.0%       -  0.01ms
lan   lb3       lb2    -        UNKNOWN     -      -       -       -

DOWN  LISTENER  HEARS  WHY
lan   lb1       lb3    no carrier on eth0

REJECTED ON  REASON  FROM       COUNT
lan          auth    10.0.0.99     31`,
  );
});

const event: Event = {
  schema: "holdfast.event/1",
  time: new Date(NOON - 1000).toISOString(),
  node: "lb2",
  number: 7,
  level: "info",
  code: "group-owned",
  group: "web",
  text: "owns web, term 18",
  phases: { detect: 249, elect: 5.25, claim: 1, announce: 0.4 },
};

test("why: the answer, the evidence, the sum of the phases, the others", () => {
  const answer = {
    schema: "holdfast.why/1",
    subject: "web",
    answer: "web is on lb2: lb1 died",
    evidence: [{ ...event, node: "lb3", code: "node-dead", level: "alarm", text: "lb1 is dead", phases: null }, event],
    others: [{ node: "lb1", text: "down" }],
  } as const;
  assert.equal(
    whyLines(answer, piped, NOON).join("\n"),
    `web is on lb2: lb1 died
  11:59:59.000  lb3  ALARM: lb1 is dead
  11:59:59.000  lb2  owns web, term 18
detect 249 + elect 5.3 + claim 1 + announce 0.4 = outage 255.7 ms (estimate)
lb1: down`,
  );
});

test("why and history: whether the take-over was confirmed stands behind what it cost", () => {
  const confirmed: Event = {
    ...event,
    number: 8,
    code: "takeover-confirmed",
    text: "web on lb2: 10.0.0.1 answered",
    phases: { confirm: 7.3 },
  };
  const shown = (...events: readonly Event[]): string[] =>
    historyLines({ schema: "holdfast.history/1", node: "lb1", events, trouble: null }, piped, NOON);
  assert.match(shown(event, confirmed)[1] ?? "", /= outage 255\.7 ms \(estimate\), confirmed after 7\.3 ms$/);
  assert.equal(shown(event, confirmed).length, 3, "the check has no outage of its own");
  assert.match(shown(event, { ...confirmed, phases: null })[1] ?? "", /, confirmed$/);
  assert.match(shown(event, { ...confirmed, code: "takeover-unconfirmed" })[1] ?? "", /, not confirmed$/);
  assert.match(shown(event, { ...confirmed, node: "lb3" })[1] ?? "", /\(estimate\)$/);
});

test("history: a day that is not today is named, and a disk that is behind is told", () => {
  const old = { ...event, time: new Date(NOON - 86_400_000).toISOString(), phases: null };
  const lines = historyLines(
    { schema: "holdfast.history/1", node: "lb1", events: [old], trouble: "ENOSPC" },
    piped,
    NOON,
  );
  assert.deepEqual(lines, ["11-20 12:00:00.000  lb2  owns web, term 18", "! history is kept in memory only: ENOSPC"]);
});

test("durations are read with a unit only and shown in two units at most", () => {
  for (const [text, value] of [
    ["10s", 10_000],
    ["500ms", 500],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["10", undefined],
    ["s", undefined],
    ["-1s", undefined],
    ["1 s", undefined],
  ] as const) {
    assert.equal(parseDuration(text), value, text);
  }
  for (const [value, text] of [
    [0, "0.0s"],
    [9990, "9.9s"],
    [10_000, "10s"],
    [192_000, "3m12s"],
    [3_600_000 * 29, "1d5h"],
  ] as const) {
    assert.equal(duration(value), text);
  }
});
