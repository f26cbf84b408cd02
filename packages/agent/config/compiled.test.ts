/** loadCluster gives what the parser gives, from a child or a cache, and never lets the parser into its own process. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FORMAT_VERSION, loadCluster } from "./compiled.ts";
import { parseConfig } from "./parse.ts";

const SAMPLE = readFileSync(join(import.meta.dirname, "../../../packaging/holdfast.yaml"), "utf8");
const room = mkdtempSync(join(tmpdir(), "holdfast-compiled-"));
after(() => rmSync(room, { recursive: true }));
const file = join(room, "holdfast.yaml");
writeFileSync(file, SAMPLE);

const cacheAt = (name: string): string => join(room, name);
const files = (directory: string): string[] => readdirSync(directory);

function parsed(text: string): unknown {
  const result = parseConfig(text, file, { jiffy: 4 });
  return structuredClone(result.ok ? result.value : result.error);
}

function loaded(cacheDirectory: string | undefined, jiffy = 4): unknown {
  const result = loadCluster(file, { cacheDirectory, jiffy });
  return structuredClone(result.ok ? result.value : result.error);
}

test("without a cache the child's value is the parser's", () => {
  assert.deepEqual(loaded(undefined), parsed(SAMPLE));
});

test("a cache is made for us alone and used; another tick or text has its own", () => {
  const cache = cacheAt("deep/cache");
  assert.deepEqual(loaded(cache), parsed(SAMPLE));
  const [name = ""] = files(cache);
  assert.match(name, new RegExp(`^config-[0-9a-f]{64}-4-${FORMAT_VERSION}\\.json$`));
  assert.equal(statSync(cache).mode & 0o777, 0o700);
  assert.equal(statSync(join(cache, "..")).mode & 0o777, 0o777 & ~process.umask());
  assert.equal(statSync(join(cache, name)).mode & 0o777, 0o600);
  // Marked, so that its use shows.
  const marked = readFileSync(join(cache, name), "utf8").replace('"name":"edge"', '"name":"cached"');
  writeFileSync(join(cache, name), marked);
  assert.match(JSON.stringify(loaded(cache)), /"name":"cached"/);
  assert.match(JSON.stringify(loaded(cache, 1)), /"name":"edge"/);
  assert.equal(files(cache).length, 2);
});

test("a cache that others may write, a link, another format and garbage are not believed", () => {
  const cache = cacheAt("distrust");
  loaded(cache);
  const path = join(cache, files(cache)[0] ?? "");
  const good = readFileSync(path, "utf8");
  const planted = good.replace('"name":"edge"', '"name":"planted"');
  const refused = (): void => assert.match(JSON.stringify(loaded(cache)), /"name":"edge"/);

  writeFileSync(path, planted);
  chmodSync(path, 0o644);
  refused();
  assert.equal(statSync(path).mode & 0o777, 0o600, "written anew");

  writeFileSync(join(room, "elsewhere"), planted, { mode: 0o600 });
  rmSync(path);
  symlinkSync(join(room, "elsewhere"), path);
  refused();

  writeFileSync(path, planted.replace(`"format":${FORMAT_VERSION}`, '"format":0'));
  refused();
  for (const garbage of ["", "null", "{", good.slice(0, 200), '{"format":1,"result":{}}']) {
    writeFileSync(path, garbage, { mode: 0o600 });
    refused();
  }
  writeFileSync(path, planted);
  chmodSync(cache, 0o755);
  refused();
});

test("a cache that cannot be made costs nothing but time", () => {
  writeFileSync(cacheAt("file"), "");
  assert.deepEqual(loaded(cacheAt("file/cache")), parsed(SAMPLE));
});

test("a file with errors gives the parser's errors, and nothing is kept", () => {
  const cache = cacheAt("errors");
  mkdirSync(cache, { mode: 0o700 });
  const bad = SAMPLE.replace("prefer: [lb1, lb2]", "prefr: [lb1, lb2]");
  writeFileSync(file, bad);
  assert.deepEqual(loaded(cache), parsed(bad));
  assert.deepEqual(files(cache), []);
  writeFileSync(file, SAMPLE);
});

test("a file that cannot be read is an error", () => {
  const result = loadCluster(join(room, "none"), { cacheDirectory: undefined, jiffy: 4 });
  assert.deepEqual(result.ok ? [] : result.error.map((error) => error.code), ["file-unreadable"]);
});

test("neither yaml nor zod is loaded into the process that loads a cluster", () => {
  const probe = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
    const { loadCluster } = await import(${JSON.stringify(join(import.meta.dirname, "compiled.ts"))});
    const result = loadCluster(${JSON.stringify(file)}, { cacheDirectory: undefined, jiffy: 4 });
    console.log(JSON.stringify({ ok: result.ok, seen }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", probe], { encoding: "utf8" });
  const { ok, seen } = JSON.parse(output) as { ok: boolean; seen: string[] };
  assert.ok(ok);
  assert.ok(
    seen.some((url) => url.endsWith("/read-file.ts")),
    "the probe saw no module",
  );
  assert.deepEqual(
    seen.filter((url) => /node_modules\/(yaml|zod)\//.test(url)),
    [],
  );
});
