/** The key file: what operators write is accepted, what could go wrong is one clear error with its place. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keyFileText, newKeyFile, newKeys, parseKeyFile, readKeyFile, writeKeyFile } from "./key-file.ts";
import { keyFileErrorText } from "./key-file-bytes.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-keys-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const ONE = `base64:${Buffer.alloc(32, 1).toString("base64")}`;
const TWO = `base64:${Buffer.alloc(32, 2).toString("base64")}`;

function errorText(text: string): string {
  const result = parseKeyFile(text, "keys");
  return result.ok ? "accepted" : keyFileErrorText(result.error);
}

test("a file as in the documentation, in either style of YAML, is accepted", () => {
  for (const text of [
    `active: 2026-11\nkeys: { 2026-11: "${ONE}", 2026-05: "${TWO}" }\n`,
    `keys:\n  2026-11: ${ONE}\n  2026-05: ${TWO}\nactive: "2026-11"\n`,
  ]) {
    const result = parseKeyFile(text, "keys");
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.value.active, { name: "2026-11", secret: new Uint8Array(32).fill(1) });
    assert.deepEqual(
      result.value.accepted.map((key) => [key.name, key.secret[0]]),
      [
        ["2026-11", 1],
        ["2026-05", 2],
      ],
    );
  }
});

test("names that YAML takes for numbers stay as they were written", () => {
  const result = parseKeyFile(`active: 010\nkeys: { 010: "${ONE}", 2026: "${TWO}", 1.50: "${TWO}" }`, "keys");
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(
    result.value.accepted.map((key) => key.name),
    ["010", "2026", "1.50"],
  );
});

test("each mistake is one error with its place, and shows no secret", async (t) => {
  const cut = ONE.slice(0, -3);
  const short = `base64:${Buffer.alloc(31, 1).toString("base64")}`;
  const rows: [string, string, string][] = [
    ["empty", "", "keys:1:1: is empty; expected `active` and `keys`, as made by: holdfast keys new"],
    ["only comments", "# nothing\n", "keys:1:1: is empty; expected `active` and `keys`, as made by: holdfast keys new"],
    ["a list", "- a\n", "keys:1:1: expected a map with `active` and `keys`"],
    [
      "unknown key",
      `active: a\nkey: { a: "${ONE}" }`,
      "keys:2:1: unknown key; a key file has only `active` and `keys`",
    ],
    ["active twice", `active: a\nactive: a\nkeys: { a: "${ONE}" }`, "keys:2:1: `active` is given twice"],
    ["no keys", "active: a\n", 'keys:1:1: `keys` is missing or empty; expected { NAME: "base64:..." }'],
    ["empty keys", "active: a\nkeys: {}\n", 'keys:2:7: `keys` is missing or empty; expected { NAME: "base64:..." }'],
    [
      "no active",
      `keys: { a: "${ONE}" }`,
      "keys:1:1: `active` is missing; it names the key that seals what this node sends",
    ],
    [
      "unknown active",
      `active: c\nkeys: { a: "${ONE}", b: "${TWO}" }`,
      "keys:1:9: active key is not among `keys` (a, b)",
    ],
    ["same name twice", `active: a\nkeys:\n  a: "${ONE}"\n  a: "${TWO}"`, 'keys:4:3: key "a" is given twice'],
    [
      "odd name",
      `active: a\nkeys: { "a b": "${ONE}" }`,
      "keys:2:9: a key's name has 1 to 32 letters, digits, `.`, `_` or `-` and starts with a letter or digit",
    ],
    [
      "no prefix",
      `active: a\nkeys: { a: "${ONE.slice(7)}" }`,
      'keys:2:12: key "a" must be "base64:" and 44 characters',
    ],
    ["a number", "active: a\nkeys: { a: 17 }", 'keys:2:12: key "a" must be "base64:" and 44 characters'],
    ["no value", "active: a\nkeys: { a: }", 'keys:2:9: key "a" must be "base64:" and 44 characters'],
    ["cut", `active: a\nkeys:\n  a: "${cut}"`, 'keys:3:6: key "a" is not valid base64, or was cut'],
    [
      "31 bytes",
      `active: a\nkeys:\n  a: "${short}"`,
      'keys:3:6: key "a" has 31 bytes instead of 32; it was cut or is not a holdfast key',
    ],
    [
      "an alias",
      `active: a\nkeys:\n  a: &x "${ONE}"\n  b: *x`,
      'keys:4:6: key "b" must be "base64:" and 44 characters',
    ],
    ["file cut in a string", `active: a\nkeys:\n  a: "${cut}`, "keys:3:55: is not valid YAML (missing char)"],
  ];
  for (const [name, text, expected] of rows) {
    await t.test(name, () => {
      const message = errorText(text);
      if (name !== "no value") assert.equal(message, expected);
      else assert.match(message, /key "a" must be "base64:" and 44 characters$/);
      assert.equal(message.includes(ONE.slice(7, 20)), false);
    });
  }
});

test("a file others could read or a group could write is refused, naming the chmod", () => {
  const path = join(directory, "modes");
  writeFileSync(path, newKeyFile(new Date()));
  for (const [mode, advice] of [
    [0o400, undefined],
    [0o600, undefined],
    [0o640, undefined],
    [0o644, "0640"],
    [0o660, "0640"],
    [0o604, "0600"],
    [0o601, "0600"],
    [0o666, "0640"],
    [0o602, "0600"],
  ] as const) {
    chmodSync(path, mode);
    const result = readKeyFile(path);
    assert.equal(result.ok, advice === undefined, mode.toString(8));
    if (result.ok) continue;
    assert.equal(
      keyFileErrorText(result.error),
      `${path}: mode 0${mode.toString(8)} lets others read or change the keys; run: chmod ${advice} ${path}`,
    );
  }
});

test("what is no readable key file is refused at once", () => {
  const refused = (path: string): string => {
    const result = readKeyFile(path);
    assert.ok(!result.ok);
    return result.error.message;
  };
  assert.match(refused(join(directory, "absent")), /ENOENT.*make one with: holdfast keys new/);
  mkdirSync(join(directory, "folder"), { mode: 0o700 });
  assert.match(refused(join(directory, "folder")), /is not a regular file/);
  execFileSync("mkfifo", ["-m", "600", join(directory, "pipe")]);
  assert.match(refused(join(directory, "pipe")), /is not a regular file/);
  writeFileSync(join(directory, "large"), "#".repeat(70_000), { mode: 0o600 });
  assert.match(refused(join(directory, "large")), /has 70000 bytes/);
  writeFileSync(join(directory, "garbage"), Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 89) & 0xff)), {
    mode: 0o600,
  });
  assert.notEqual(refused(join(directory, "garbage")), "");
});

test("a new file has one key of 32 random bytes, named after the month, and is read back", () => {
  const date = new Date("2026-11-21T09:00:00Z");
  const [first, second] = [parseKeyFile(newKeyFile(date), "keys"), parseKeyFile(newKeyFile(date), "keys")];
  assert.ok(first.ok && second.ok);
  assert.equal(first.value.active.name, "2026-11");
  assert.equal(first.value.accepted.length, 1);
  assert.notDeepEqual(first.value.active.secret, second.value.active.secret);
});

test("a further key of the same month gets a suffix, becomes active and keeps the others", () => {
  const date = new Date("2026-11-21T09:00:00Z");
  let keys = newKeys(date);
  for (const expected of ["2026-11-2", "2026-11-3"]) {
    keys = newKeys(date, keys.accepted);
    const back = parseKeyFile(keyFileText(keys), "keys");
    assert.deepEqual(back, { ok: true, value: keys });
    assert.equal(keys.active.name, expected);
  }
  assert.deepEqual(
    keys.accepted.map((key) => key.name),
    ["2026-11", "2026-11-2", "2026-11-3"],
  );
});

test("the file is written whole, for its owner only, never over another unless asked, and leaves nothing beside it", () => {
  const folder = mkdtempSync(join(directory, "write-"));
  const path = join(folder, "keys");
  writeKeyFile(path, "first", false);
  assert.equal(statSync(path).mode & 0o7777, 0o600);
  assert.throws(() => writeKeyFile(path, "second", false), { code: "EEXIST" });
  assert.equal(readFileSync(path, "utf8"), "first");
  writeKeyFile(path, "third", true);
  assert.equal(readFileSync(path, "utf8"), "third");
  // A symbolic link set as a trap is not followed.
  symlinkSync(join(folder, "elsewhere"), join(folder, "trap"));
  assert.throws(() => writeKeyFile(join(folder, "trap"), "x", false), { code: "EEXIST" });
  assert.throws(() => writeKeyFile(join(folder, "absent", "keys"), "x", false), { code: "ENOENT" });
  assert.deepEqual(readdirSync(folder).toSorted(), ["keys", "trap"]);
});
