/** docs/protocol.md against the code: every table of the sealed datagram and of the heartbeat says what is read and written. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { readsOf, type Read } from "./recorded-reads.ts";
import { between, type Table, tablesOf } from "./tables.ts";
import { readCorpus, TARGETS } from "../fuzz/corpus.ts";
import { TAG_BYTES } from "@holdfast/agent/seal/aead.ts";
import { HEADER_BYTES, SEAL_VERSION, streamOf } from "@holdfast/agent/seal/header.ts";
import { createSealer } from "@holdfast/agent/seal/sealer.ts";
import type { RejectReason } from "@holdfast/core/effects.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import { EVERY_LEASE_ENTRY, FULL } from "@holdfast/core/wire/heartbeat-samples.ts";
import { emitHeartbeat, HEARTBEAT_VERSION, MAXIMUM_HEARD, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { MAXIMUM_KEYS } from "@holdfast/core/wire/heartbeat-node.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";

const DOCUMENT = readFileSync(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");
const SEALED = between(DOCUMENT, "## 2. The sealed datagram", "## 3. The heartbeat");
const HEARTBEAT = between(DOCUMENT, "## 3. The heartbeat", "### Numbers far ahead");
const TABLES = tablesOf(HEARTBEAT);
const VERSIONS = [1, 2] as const;

const EMPTY: Heartbeat = {
  ...FULL,
  drainReason: "",
  echo: undefined,
  about: undefined,
  adapters: [],
  heard: [],
  groups: [],
  lease: [],
  events: [],
  requests: [],
  outcomes: [],
};
const HEAD_READS = readsOf(emitHeartbeat(EMPTY)).length;
/** Type, length. */
const SECTION_READS = 2;

/** Each section with one entry, by the name in the document. */
const SECTIONS: Readonly<Record<string, Partial<Heartbeat>>> = {
  echo: { echo: FULL.echo },
  heard: { heard: FULL.heard },
  groups: { groups: FULL.groups.slice(0, 1) },
  lease: { lease: EVERY_LEASE_ENTRY.slice(0, 1) },
  events: { events: FULL.events },
  requests: { requests: FULL.requests.slice(0, 1) },
  outcomes: { outcomes: FULL.outcomes },
  drain: { drainReason: FULL.drainReason },
  about: { about: FULL.about },
  adapters: { adapters: FULL.adapters },
};

const used = new Set<Table>();

/** The table under a heading; `column` tells those apart that share one. */
function table(under: string, column = "field"): Table {
  const found = TABLES.filter((each) => each.under === under && each.rows.some((row) => column in row));
  const [first] = found;
  assert.ok(first !== undefined && found.length === 1, `${found.length} tables with ${column} under "${under}"`);
  used.add(first);
  return first;
}

interface Row {
  readonly octets: string;
  readonly field: string;
  readonly meaning: string;
}

/** The rows that a message of `version` has, with what a ballot and a holder consist of in their place. */
function rowsOf({ rows }: Table, version: number): Row[] {
  return rows
    .filter((row) => Number(row["since"]) <= version)
    .flatMap(({ octets = "", field = "", meaning = "" }): Row[] =>
      octets.startsWith("*") ? rowsOf(table(octets.replaceAll("*", "")), version) : [{ octets, field, meaning }],
    );
}

/** "heard.roundTrip" is "round trip" in the document; "group.pause.stamp" is "pause stamp". */
function wordsOf(field: string): string {
  const words = field.includes(".") ? field.slice(field.indexOf(".") + 1) : field;
  return words.replaceAll(".", " ").replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** "0 closed, 1 relay. More": the words by their number. */
function codesOf(meaning: string): string[] {
  const codes: string[] = [];
  for (const [, number, word] of (meaning.split(". ")[0] ?? "").matchAll(/(\d+) ([a-z][a-z-]*)/g)) {
    assert.equal(Number(number), codes.length + (meaning.startsWith("1 ") ? 1 : 0), meaning);
    codes.push(word ?? "");
  }
  return codes;
}

/** The message's reads after the head and what begins its only section are the rows. */
function compare(rows: readonly Row[], message: Heartbeat, version: number): void {
  const reads = readsOf(emitHeartbeat({ ...message, version })).slice(HEAD_READS + SECTION_READS);
  const repeated = (read: Read, i: number): boolean => i > 0 && reads[i - 1]?.field === read.field;
  const once = reads.filter((read, i) => !repeated(read, i));
  assert.deepEqual(
    once.map(({ octets, field }) => `${octets} ${wordsOf(field)}`),
    rows.map(({ octets, field }) => `${octets.replace(/ each$/, "")} ${field}`),
  );
  rows.forEach((row, i) => {
    const read = once[i];
    assert.ok(read !== undefined);
    if (read.atMost !== undefined) assert.match(row.meaning, new RegExp(`at most ${read.atMost} octets`), row.field);
    if (row.octets.endsWith("each")) assert.match(rows[i - 1]?.meaning ?? "", /how many follow/, row.field);
    if (read.words === undefined) return;
    const words = read.words.map((word) => (word === "" ? "eligible" : word));
    assert.deepEqual(codesOf(row.meaning).slice(0, words.length), words, row.field);
    if (version === HEARTBEAT_VERSION) assert.equal(codesOf(row.meaning).length, words.length, row.field);
    else if (codesOf(row.meaning).length > words.length)
      assert.match(row.meaning, new RegExp(`In version 1 at most ${words.length - 1}`), row.field);
  });
}

test("the head: every field at its offset, in its order", () => {
  const { rows } = table("3. The heartbeat", "offset");
  const reads = readsOf(emitHeartbeat(EMPTY));
  let offset = 0;
  reads.forEach(({ octets, field }, i) => {
    const row = rows[i];
    assert.deepEqual([row?.["octets"], row?.["field"], Number(row?.["offset"])], [octets, wordsOf(field), offset]);
    offset += Number(octets);
  });
  assert.equal(rows.length, reads.length + 1);
  assert.equal(rows.at(-1)?.["field"], "sections");
});

test("flags: each bit is what the document says", () => {
  const { rows } = table("3. The heartbeat", "flag");
  const bytes = emitHeartbeat({ ...EMPTY, version: 1 });
  const withFlags = (flags: number): Readonly<Record<string, unknown>> => {
    const parsed = parseHeartbeat(bytes.with(1, flags));
    assert.ok(parsed.ok);
    return { ...parsed.value };
  };
  const none = withFlags(0);
  const found = Array.from({ length: 8 }, (_, bit) => {
    const set = withFlags(1 << bit);
    const changed = Object.keys(set).filter((key) => !isDeepStrictEqual(set[key], none[key]));
    return [1 << bit, changed.map((key) => (key === "speaks" ? `speaks ${String(set[key])}` : wordsOf(key))).join()];
  });
  assert.deepEqual(
    rows.map((row) => [Number(row["flag"]), row["name"]]),
    found,
  );
});

test("sections: type, since when, and a part of the document that says when it is sent and what becomes of it", () => {
  const { rows } = table("Sections.", "section");
  assert.deepEqual(
    rows.map((row) => row["section"]),
    Object.keys(SECTIONS),
  );
  for (const row of rows) {
    const { type = "", section = "", since = "", body = "" } = row;
    const versions = VERSIONS.filter((version) => {
      const bytes = emitHeartbeat({ ...EMPTY, ...SECTIONS[section], version });
      const head = emitHeartbeat({ ...EMPTY, version });
      if (bytes.length > head.length) assert.equal(bytes[head.length], Number(type), section);
      return bytes.length > head.length;
    });
    assert.equal(versions[0], Number(since), section);
    const part = HEARTBEAT.split("\n### ").find((each) => each.includes(`(section ${type})\n`)) ?? "";
    assert.ok(part.includes("*Sent*") && part.includes("*Receiver*"), `${section}: ${part.slice(0, 80)}`);
    if (section === "heard") assert.match(body, new RegExp(`at most ${MAXIMUM_HEARD}$`));
  }
});

for (const version of VERSIONS) {
  const simple: readonly (readonly [string, string])[] = [
    ["echo (section 1)", "echo"],
    ["heard report (section 2)", "heard"],
    ["group report (section 3)", "groups"],
    ["event (section 5)", "events"],
    ["outcome (section 7)", "outcomes"],
    ["drain (section 8)", "drain"],
    ...(version >= 2 ? [["about (section 9)", "about"] as const, ["adapter (section 10)", "adapters"] as const] : []),
  ];
  for (const [heading, section] of simple) {
    test(`version ${version}, ${heading}: its fields, sizes, order and codes`, () => {
      compare(rowsOf(table(heading), version), { ...EMPTY, ...SECTIONS[section] }, version);
    });
  }

  test(`version ${version}: every lease entry is what the document says`, () => {
    const front = rowsOf(table("lease entries (section 4)"), version);
    const kinds = codesOf(front[0]?.meaning ?? "");
    assert.deepEqual(
      kinds,
      EVERY_LEASE_ENTRY.map((entry) => entry.kind),
    );
    EVERY_LEASE_ENTRY.forEach((entry, i) => {
      const name = `${i + 1} ${entry.kind}`;
      const said = HEARTBEAT.split("\n**").find((part) => part.startsWith(`${name}**`)) ?? "";
      assert.ok(said.includes("*Sent*") && said.includes("*Receiver*"), name);
      const none = /nothing follows/.test(said);
      const rows = none ? [] : rowsOf(table(name), version);
      const message = { ...EMPTY, lease: [entry] };
      compare([...front, ...rows], message, version);
      assert.equal(emitHeartbeat({ ...message, version })[emitHeartbeat({ ...EMPTY, version }).length + 3], i + 1);
    });
  });
}

test("every operator's request is what the document says", () => {
  const front = rowsOf(table("request (section 6)"), HEARTBEAT_VERSION);
  const kinds = codesOf(front[0]?.meaning ?? "");
  assert.deepEqual(
    kinds,
    FULL.requests.map(({ action }) => action.kind),
  );
  FULL.requests.forEach((request, i) => {
    const name = `${i + 1} ${request.action.kind}`;
    const said = HEARTBEAT.split("\n**").find((part) => part.startsWith(`${name}**`)) ?? "";
    const rows = /nothing follows/.test(said) ? [] : rowsOf(table(name), HEARTBEAT_VERSION);
    const message = { ...EMPTY, requests: [request] };
    compare([...front, ...rows], message, HEARTBEAT_VERSION);
    assert.equal(emitHeartbeat(message)[emitHeartbeat(EMPTY).length + 3], i + 1);
    for (const row of rows.length === 0 ? [] : table(name).rows)
      assert.equal(row["since"], i < 3 ? "1" : "2", `${name} ${row["field"]}`);
  });
});

test("bounds that are no text's", () => {
  const meaningOf = (under: string, field: string): string =>
    table(under).rows.find((row) => row["field"] === field)?.["meaning"] ?? "";
  assert.match(meaningOf("about (section 9)", "keys"), new RegExp(`at most ${MAXIMUM_KEYS}$`));
  const [heard] = FULL.heard;
  assert.ok(heard);
  const over = emitHeartbeat({ ...EMPTY, heard: [{ ...heard, loss_permille: 1000 }] });
  // The field of loss is followed by round trip and jitter.
  over[over.length - 9] = (over[over.length - 9] ?? 0) + 1;
  assert.equal(parseHeartbeat(over).ok, false);
  assert.match(meaningOf("heard report (section 2)", "loss"), /at most 1000$/);
});

test("errors: the kinds that the parser refuses with, no more and no fewer", () => {
  const [heartbeat] = TARGETS;
  assert.ok(heartbeat?.name === "heartbeat");
  const kinds = new Set(readCorpus(heartbeat).map(({ outcome }) => outcome.split(" ")[0] ?? ""));
  kinds.delete("understood");
  const { rows } = table("What is refused.", "error");
  assert.deepEqual(rows.map((row) => row["error"] ?? "").toSorted(), [...kinds].toSorted());
});

test("every table of the heartbeat was compared", () => {
  assert.deepEqual(
    TABLES.filter((each) => !used.has(each)).map((each) => each.under),
    [],
  );
});

const CLUSTER = "paris";
const BOOT = "a0a1a2a3a4a5a6a7" as BootId;
const KEY = { name: "2026-11", secret: new Uint8Array(32).fill(7) };

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

test("the sealed datagram: every field of its header at its offset", () => {
  const payload = Uint8Array.of(1, 2, 3, 4, 5);
  for (const [suite, code] of [
    ["encrypt", "01"],
    ["authenticate-only", "02"],
  ] as const) {
    const keys = { active: KEY, accepted: [KEY] };
    const sealer = createSealer({ cluster: CLUSTER, node: "n1", keys, boot: BOOT, suite });
    const to = { version: 2, link: "lan", receiver: "n2", stream: 0 } as const;
    sealer.seal(to, payload);
    const datagram = Buffer.from(sealer.seal(to, payload));
    const expected: Readonly<Record<string, string>> = {
      magic: Buffer.from("HF").toString("hex"),
      version: SEAL_VERSION.toString(16).padStart(2, "0"),
      suite: code,
      cluster: digestOf(CLUSTER),
      // What it proves is tested beside the sealer.
      mark: datagram.subarray(8, 12).toString("hex"),
      boot: BOOT,
      stream: streamOf("lan", "n2").toString(16).padStart(4, "0"),
      sequence: "000000000002",
    };
    const { rows } = tablesOf(SEALED)[0] ?? { rows: [] };
    const fixed = rows.filter((row) => row["field"] !== "payload" && row["field"] !== "tag");
    let offset = 0;
    for (const row of fixed) {
      const { field = "" } = row;
      const octets = Number(row["octets"]);
      assert.equal(Number(row["offset"]), offset, field);
      const found = datagram.subarray(offset, offset + octets).toString("hex");
      assert.equal(found, expected[field], `${suite} ${field}`);
      offset += octets;
    }
    assert.equal(fixed.length, Object.keys(expected).length);
    assert.equal(offset, HEADER_BYTES);
    const [body, tag] = rows.slice(-2);
    assert.deepEqual([body?.["offset"], body?.["octets"]], [`${HEADER_BYTES}`, "n"]);
    assert.deepEqual([tag?.["offset"], tag?.["octets"]], [`${HEADER_BYTES} + n`, `${TAG_BYTES}`]);
    assert.equal(datagram.length, HEADER_BYTES + payload.length + TAG_BYTES);
  }
});

test("every reason to drop a datagram is in the document, and none more", () => {
  const REASONS: Readonly<Record<RejectReason, true>> = {
    malformed: true,
    version: true,
    cluster: true,
    key: true,
    auth: true,
    replay: true,
    sender: true,
    parse: true,
    garbled: true,
    link: true,
    flood: true,
    filtered: true,
  };
  const { rows } = tablesOf(SEALED)[1] ?? { rows: [] };
  const named = new Set(rows.map((row) => row["reason"]));
  assert.deepEqual(named, new Set(Object.keys(REASONS)));
});
