/** The JSON Schema that `holdfast schema` prints accepts every configuration we show or make, and refuses what the parser refuses. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readDocument } from "@holdfast/agent/config/document.ts";
import { parseConfig } from "@holdfast/agent/config/parse.ts";
import { jsonSchema } from "@holdfast/agent/config/shape.ts";
import { SourceText } from "@holdfast/agent/config/source-text.ts";
import { configuration, DEFAULT_TIMING } from "@holdfast/lab/configuration.ts";
import { planTopology } from "@holdfast/lab/topology.ts";
import { Ajv2020 } from "ajv/dist/2020.js";

const ROOT = join(import.meta.dirname, "..");
const validate = new Ajv2020({ strict: false }).compile(jsonSchema());

function valueOf(text: string): unknown {
  const document = readDocument(text, "holdfast.yaml", new SourceText(text));
  assert.ok(document.ok, JSON.stringify(document));
  return document.value.value;
}

const SAMPLE = readFileSync(join(ROOT, "packaging/holdfast.yaml"), "utf8");

/** Whole configurations in the documentation: YAML blocks that begin with their version. */
function shown(page: string): readonly string[] {
  const blocks = readFileSync(join(ROOT, page), "utf8").matchAll(/```yaml\n([^]*?)```/g);
  return [...blocks].map(([, text]) => text ?? "").filter((text) => /^version: 1$/m.test(text));
}

const CONFIGURATIONS: readonly (readonly [string, string])[] = [
  ["packaging/holdfast.yaml", SAMPLE],
  ...["README.md", "docs/operations.md"].flatMap((page) => shown(page).map((text) => [page, text] as const)),
  ["the lab's", configuration("lab", planTopology(3, true), DEFAULT_TIMING, "/run/keys")],
  ["the demo's", configuration("demo", planTopology(3, false), DEFAULT_TIMING, "/run/keys")],
];

test("every configuration we show or make fits the schema, and the parser takes it", () => {
  assert.ok(CONFIGURATIONS.length >= 3);
  for (const [name, text] of CONFIGURATIONS) {
    assert.ok(validate(valueOf(text)), `${name}: ${JSON.stringify(validate.errors)}`);
    const parsed = parseConfig(text, name, { jiffy: 4 });
    assert.ok(parsed.ok, `${name}: ${JSON.stringify(parsed)}`);
  }
});

for (const [what, from, to] of [
  ["an unknown key", "    prefer: [lb1, lb2] ", "    prefr: [lb1, lb2] "],
  ["a duration without a unit", "dead: 300ms", "dead: 300"],
  ["a name in capitals", "  name: edge", "  name: Edge"],
  ["a port beyond 65535", "lan: { port: 7400 }", "lan: { port: 74000 }"],
  ["a word that is no choice", "quorum: majority", "quorum: some"],
  ["another version", "version: 1", "version: 2"],
] as const) {
  test(`the schema refuses ${what}, as the parser does`, () => {
    assert.ok(SAMPLE.includes(from));
    const text = SAMPLE.replace(from, to);
    assert.equal(validate(valueOf(text)), false);
    assert.equal(parseConfig(text, "holdfast.yaml", { jiffy: 4 }).ok, false);
  });
}

test("the sample names the schema for editors", () => {
  assert.match(SAMPLE, /^# yaml-language-server: \$schema=\/usr\/share\/holdfast\/schema\.json$/m);
});
