/** The engine's way to the keys: the same as the parser's, without the parser in its process. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadKeys } from "./compiled-keys.ts";
import { newKeyFile, readKeyFile } from "./key-file.ts";

const room = mkdtempSync(join(tmpdir(), "holdfast-keys-"));
after(() => rmSync(room, { recursive: true }));
const file = join(room, "keys");
const cache = join(room, "cache");

function write(text: string, mode = 0o600): void {
  writeFileSync(file, text);
  chmodSync(file, mode);
}

function secrets(result: ReturnType<typeof loadKeys>): string[] {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value.accepted.map(({ name, secret }) => `${name} ${Buffer.from(secret).toString("hex")}`);
}

test("the keys are the parser's, from the child and from the cache, which is as closed as the key file", () => {
  write(newKeyFile(new Date("2026-11-21")));
  const wanted = secrets(readKeyFile(file));
  assert.deepEqual(secrets(loadKeys(file, cache)), wanted);
  assert.deepEqual(secrets(loadKeys(file, cache)), wanted);
  const [name = ""] = readdirSync(cache);
  assert.equal(statSync(cache).mode & 0o777, 0o700);
  assert.equal(statSync(join(cache, name)).mode & 0o777, 0o600);
});

test("another key file is another cache entry", () => {
  write(newKeyFile(new Date("2026-11-21")));
  assert.deepEqual(secrets(loadKeys(file, cache)), secrets(readKeyFile(file)));
});

test("a file that others may read is refused although its content is in the cache", () => {
  write(newKeyFile(new Date("2026-11-21")));
  assert.ok(loadKeys(file, cache).ok);
  chmodSync(file, 0o644);
  const refused = loadKeys(file, cache);
  assert.ok(!refused.ok && refused.error.message.includes("chmod"), JSON.stringify(refused));
});

test("what is wrong with a key file is told with its place", () => {
  write('active: a\nkeys: { a: "base64:AAAA" }\n');
  const refused = loadKeys(file, cache);
  const direct = readKeyFile(file);
  assert.ok(!refused.ok && !direct.ok);
  assert.deepEqual({ ...refused.error }, { ...direct.error });
});
