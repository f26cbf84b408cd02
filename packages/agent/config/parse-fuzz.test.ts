/** Whatever a file holds, the parser returns a value or errors with places inside the file, and never throws. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatErrors } from "./config-error.ts";
import { parseBytes, parseConfig } from "./parse.ts";

const SAMPLE = readFileSync(join(import.meta.dirname, "../../../packaging/holdfast.yaml"), "utf8");
const SEED = 20260101;
const RUNS = 3000;
const PIECES = [
  "\t",
  "\n",
  "  ",
  ": ",
  "- ",
  "[",
  "]",
  "{",
  "}",
  "&a ",
  "*a",
  "!!map ",
  "<<: ",
  "'",
  '"',
  "|\n",
  "---\n",
  "%YAML 1.1\n",
  "? ",
  "#",
];
const VALUES = [
  "null",
  "0",
  "-1",
  "1e309",
  "0x10",
  "yes",
  "{}",
  "[]",
  "__proto__",
  "constructor",
  "::/0",
  "255.255.255.255/0",
  "\u{1f600}",
  "\0",
  "a".repeat(200),
];

/** Mulberry32: the same numbers for the same seed on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function mutate(text: string, random: () => number): string {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (list: readonly string[]): string => list[below(list.length)] ?? "";
  const at = below(text.length);
  switch (below(6)) {
    case 0:
      return text.slice(0, at) + pick(PIECES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + below(20));
    case 2: {
      const lines = text.split("\n");
      lines.splice(below(lines.length), 1, lines[below(lines.length)] ?? "");
      return lines.join("\n");
    }
    case 3: {
      const words = [...text.matchAll(/[\w./:-]+/g)];
      const word = words[below(words.length)];
      return word ? text.slice(0, word.index) + pick(VALUES) + text.slice(word.index + word[0].length) : text;
    }
    case 4:
      return text.slice(0, at) + String.fromCharCode(below(0x3000)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + text.slice(below(text.length)).slice(0, 60) + text.slice(at);
  }
}

function check(text: string, seed: number): "value" | "errors" {
  const result = parseConfig(text, "fuzz.yaml", { jiffy: 4 });
  if (result.ok) {
    assert.deepEqual(JSON.parse(JSON.stringify(result.value)), structuredClone(result.value), `seed ${seed}`);
    return "value";
  }
  const lines = text.split("\n").length;
  assert.ok(result.error.length >= 1 && result.error.length <= 20, `seed ${seed}`);
  for (const { place, message, hint } of result.error) {
    assert.ok(message !== "" && hint !== "", `seed ${seed}`);
    assert.match(message + hint, /^[\x20-\x7e]*$/, `seed ${seed}`);
    if (!place) continue;
    const { text: shown, start, length } = place.excerpt;
    assert.ok(place.line >= 1 && place.line <= lines && place.column >= 1, `seed ${seed}`);
    assert.ok(shown.length <= 72 && length >= 1 && start + length <= 73, `seed ${seed}`);
  }
  assert.match(formatErrors(result.error, { colour: false }), /^[\x20-\x7e\n]*$/, `seed ${seed}`);
  return "errors";
}

test(`a sample with one to six mutations gives a value or placed errors (${RUNS} files from seed ${SEED})`, () => {
  const outcomes = { value: 0, errors: 0 };
  for (let run = 0; run < RUNS; run++) {
    const random = randomNumbers(SEED + run);
    let text = SAMPLE;
    for (let i = Math.floor(random() * 6); i >= 0; i--) text = mutate(text, random);
    outcomes[check(text, SEED + run)]++;
  }
  assert.ok(outcomes.value > RUNS / 20 && outcomes.errors > RUNS / 2, JSON.stringify(outcomes));
});

test("random bytes give errors", () => {
  const random = randomNumbers(SEED);
  for (let run = 0; run < 500; run++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256));
    assert.ok(!parseBytes(bytes, "fuzz.yaml", { jiffy: 4 }).ok);
  }
});
