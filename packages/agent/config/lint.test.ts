/** Each risk is found at its line with its code, its reason and a remedy; a careful configuration has none. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { differences, lintFile, type Linted } from "./lint.ts";
import { type MachineFacts, percentile99 } from "./machine-risks.ts";
import { REASONS } from "./warning-reasons.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

const SAMPLE = readFileSync(join(import.meta.dirname, "../../../packaging/holdfast.yaml"), "utf8");
const room = mkdtempSync(join(tmpdir(), "holdfast-lint-"));
after(() => rmSync(room, { recursive: true }));

const NOTHING: MachineFacts = {
  node: undefined,
  interfaces: new Map(),
  keyMode: undefined,
  notRealTime: undefined,
  daemon: undefined,
};

/** The sample with two adapters a group: as careful as can be. */
const CAREFUL = SAMPLE.replaceAll("interfaces: [service]", "interfaces: [service, standby]")
  .replace("{ service: ens3 }", "{ service: ens3, standby: ens4 }")
  .replace("{ service: eth0 }", "{ service: eth0, standby: eth1 }");

const TWO = CAREFUL.replace(/ {2}lb3: .*\n/, "")
  .replace("quorum: majority", "quorum: available")
  .replace("links: ", "reference: [10.0.0.1]\nlinks: ");

async function lint(text: string, facts: Partial<MachineFacts> = {}, name = "holdfast.yaml"): Promise<Linted> {
  const file = join(room, name);
  writeFileSync(file, text);
  const linted = await lintFile(file, 4, () => Promise.resolve({ ...NOTHING, ...facts }));
  assert.ok(linted.ok, JSON.stringify(linted));
  return linted.value;
}

/** Line of the first place in `text` where `part` stands. */
function lineOf(text: string, part: string): number {
  const line = text.split("\n").findIndex((each) => each.includes(part));
  assert.notEqual(line, -1, part);
  return line + 1;
}

test("a careful configuration has nothing to tell but that nobody beside the nodes is asked", async () => {
  const { findings } = await lint(CAREFUL);
  const codes = new Set(findings.map(({ code }) => code));
  assert.deepEqual([...codes], ["no-reference"]);
});

const node = "lb1" as NodeName;
const daemon = { cluster: "edge", generation: 1, roundTrips_ms: [0.2, 0.3, 0.4] };

const RISKS: readonly [code: string, at: string, text: string, facts?: Partial<MachineFacts>][] = [
  ["even-voters", "nodes:", CAREFUL.replace(/ {2}lb3: .*\n/, "")],
  ["quorum-available", "quorum:", TWO],
  ["not-encrypted", "seal:", CAREFUL.replace("seal: encrypt ", "seal: authenticate-only ")],
  ["one-candidate", "prefer: [lb1]", CAREFUL.replace("prefer: [lb1, lb2]", "prefer: [lb1]")],
  [
    "holds",
    "on_quorum_loss: hold",
    CAREFUL.replace("    failback: manual ", "    on_quorum_loss: hold\n    failback: manual "),
  ],
  [
    "yields",
    "on_conflict: yield",
    CAREFUL.replace("    failback: manual ", "    on_conflict: yield\n    failback: manual "),
  ],
  ["no-reference", "interfaces: [service, standby]", CAREFUL],
  [
    "no-standby-adapter",
    "interfaces: [service]",
    CAREFUL.replace("interfaces: [service, standby]", "interfaces: [service]"),
  ],
  [
    "adapters-share-subnet",
    "addresses:",
    CAREFUL.replace(
      "- 10.0.0.100/24",
      "- 10.0.0.100/24\n      - { address: 10.0.0.77/24, interfaces: [standby, service] }",
    ),
  ],
  [
    "links-share-adapter",
    "priv: 172.16.0.11",
    CAREFUL,
    { node, interfaces: new Map([["ens3", ["10.0.0.11", "172.16.0.11"]]]) },
  ],
  [
    "links-share-adapter",
    "wire: ens3",
    CAREFUL.replace(/^links:.*\n/m, "$&  wire: { ethernet: eth7 }\n").replace(/lb1:\n/, "$&    wire: ens3\n"),
    { node, interfaces: new Map([["ens3", ["10.0.0.11"]]]) },
  ],
  ["links-share-subnet", "priv: 10.0.0.111", CAREFUL.replace("172.16.0.11", "10.0.0.111")],
  [
    "slow-serial-link",
    "cable: { serial",
    CAREFUL.replace(/^links:.*\n/m, "$&  cable: { serial: /dev/ttyS0, baud: 57600 }\n").replace(
      /^ {2}lb3: .*\{/m,
      "$& cable: none,",
    ),
  ],
  ["key-file-mode", "keys: /etc", CAREFUL, { keyMode: 0o644 }],
  ["no-real-time", "timing:", CAREFUL.replace("100ms ", "10ms ").replace("300ms ", "100ms "), { notRealTime: "EPERM" }],
  ["old-generation", "generation: 1", CAREFUL, { daemon: { ...daemon, generation: 2 } }],
  ["dead-near-round-trip", "timing:", CAREFUL, { daemon: { ...daemon, roundTrips_ms: [1, 2, 101] } }],
];

for (const [code, at, text, facts] of RISKS) {
  test(`${code}: told at its line, with why and what to do`, async () => {
    const { findings } = await lint(text, facts);
    const found = findings.find((finding) => finding.code === code);
    assert.ok(found, JSON.stringify(findings));
    assert.equal(found.place?.line, lineOf(text, at));
    assert.ok(found.why.length > 10 && found.remedy.length > 5, JSON.stringify(found));
  });
}

test("the danger of quorum available is told in these words: two owners in a network cut", async () => {
  const { findings } = await lint(TWO);
  assert.match(findings.find(({ code }) => code === "quorum-available")?.text ?? "", /two owners in a network cut/);
});

test("nothing is told of a daemon of another cluster, a good mode, adapters of their own, or what real time allows", async () => {
  const { findings } = await lint(CAREFUL.replace("100ms ", "10ms ").replace("300ms ", "100ms "), {
    node,
    interfaces: new Map([
      ["ens3", ["10.0.0.11"]],
      ["ens4", ["172.16.0.11"]],
    ]),
    keyMode: 0o640,
    notRealTime: "",
    daemon: { cluster: "other", generation: 9, roundTrips_ms: [999] },
  });
  const codes = findings.map(({ code }) => code);
  for (const code of ["links-share-adapter", "key-file-mode", "no-real-time", "old-generation", "dead-near-round-trip"])
    assert.ok(!codes.includes(code), code);
});

test("files of one cluster that differ are told; those that mean the same are not", async () => {
  const first = await lint(CAREFUL, {}, "a.yaml");
  const same = await lint(`${CAREFUL}\n# a remark\n`, {}, "b.yaml");
  const other = await lint(CAREFUL.replace("settle: 30s", "settle: 31s"), {}, "c.yaml");
  const told = differences([first, same, other]);
  assert.deepEqual(
    told.map(({ code, file }) => [code, file.endsWith("c.yaml")]),
    [["files-differ", true]],
  );
});

test("every code has a reason and a remedy that fit a line", () => {
  for (const [code, { why, remedy }] of Object.entries(REASONS)) {
    assert.match(code, /^[a-z][a-z-]*$/);
    assert.ok(why.length > 0 && why.length <= 110 && remedy.length > 0 && remedy.length <= 110, code);
  }
});

test("p99 is the nearest rank, and nothing of nothing", () => {
  assert.equal(percentile99([]), undefined);
  assert.equal(percentile99([3, 1, 2]), 3);
  assert.equal(percentile99(Array.from({ length: 200 }, (_, i) => i + 1)), 198);
});
