/**
 * Bad files give exactly the text in testdata/bad-files.txt. A block of that file is a rule, edits of testdata/base.yaml
 * (lines with - are found and become the lines with +) and the output.
 * After a wanted change: UPDATE_GOLDEN=1, then read the difference.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatErrors } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

const here = import.meta.dirname;
const BASE = readFileSync(join(here, "testdata/base.yaml"), "utf8");
const GOLDEN = join(here, "testdata/bad-files.txt");
const HZ250 = { jiffy: 4 };

interface BadFile {
  readonly rule: string;
  readonly edits: readonly string[];
  readonly expected: string;
}

function readBlocks(): BadFile[] {
  const blocks = readFileSync(GOLDEN, "utf8").split(/^# /m).slice(1);
  return blocks.map((block) => {
    const lines = block.split("\n");
    const edits = lines.slice(1).filter((line) => /^[-+]/.test(line));
    const expected = lines
      .slice(1 + edits.length)
      .join("\n")
      .trim();
    return { rule: lines[0] ?? "", edits, expected: expected === "" ? "" : `${expected}\n` };
  });
}

/** A run of - lines and the + lines after it are one replacement; + lines alone are the whole file. "\\t" is a tab. */
function apply(edits: readonly string[]): string {
  let text = BASE;
  let from: string[] = [];
  let to: string[] = [];
  const replace = (): void => {
    const [old, wanted] = [from.join("\n"), to.join("\n").replaceAll("\\t", "\t")];
    assert.ok(text.includes(old), `base.yaml has no ${JSON.stringify(old)}`);
    text = from.length === 0 ? `${wanted}\n` : text.replace(old, () => wanted);
    [from, to] = [[], []];
  };
  for (const edit of edits) {
    if (edit.startsWith("-") && to.length > 0) replace();
    (edit.startsWith("-") ? from : to).push(edit.slice(1));
  }
  replace();
  return text;
}

function outputFor(edits: readonly string[]): string {
  const result = parseConfig(apply(edits), "holdfast.yaml", HZ250);
  return result.ok ? "" : formatErrors(result.error, { colour: false });
}

if ((process.env["UPDATE_GOLDEN"] ?? "") !== "") {
  const blocks = readBlocks().map(({ rule, edits }) => `# ${rule}\n${edits.join("\n")}\n\n${outputFor(edits)}`);
  writeFileSync(GOLDEN, blocks.join("\n"));
}

const blocks = readBlocks();

for (const { rule, edits, expected } of blocks) {
  test(`bad file: ${rule}`, () => {
    assert.notEqual(expected, "", "no expected output: the golden file is not made yet");
    assert.equal(outputFor(edits), expected);
  });
}

test("every line of every error's output fits 80 columns, but for the first of a block", () => {
  assert.ok(blocks.length >= 60);
  for (const { expected } of blocks) {
    for (const line of expected.split("\n")) {
      if (!line.startsWith("holdfast.yaml")) assert.ok(line.length <= 80, line);
      assert.match(line, /^[\x20-\x7e]*$/);
    }
  }
});
