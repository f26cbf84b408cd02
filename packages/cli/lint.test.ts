/** `lint` and `schema` as commands: exit codes, JSON, and what they say without a daemon. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EXIT } from "@holdfast/api/schema.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const SAMPLE = readFileSync(join(import.meta.dirname, "../../packaging/holdfast.yaml"), "utf8");
const room = mkdtempSync(join(tmpdir(), "holdfast-lint-"));
after(() => rmSync(room, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function holdfast(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const all = [MAIN, "--socket", join(room, "none.sock"), ...words];
    execFile(process.execPath, all, (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }));
  });
}

function file(name: string, text: string): string {
  const path = join(room, name);
  writeFileSync(path, text);
  return path;
}

const NO_RISK = `version: 1
cluster: { name: edge, keys: ${join(room, "keys")} }
links: { lan: { port: 7400 }, priv: { port: 7400 } }
nodes:
  lb1: { lan: 10.0.0.11, priv: 172.16.0.11 }
  lb2: { lan: 10.0.0.12, priv: 172.16.0.12 }
  lb3: { lan: 10.0.0.13, priv: 172.16.0.13, role: witness }
groups:
  web: { interfaces: [eth0], addresses: [10.0.0.100/24] }
`;

/** The sample with a second adapter for each group. */
const CAREFUL = SAMPLE.replaceAll("interfaces: [service]", "interfaces: [service, standby]")
  .replace("{ service: ens3 }", "{ service: ens3, standby: ens4 }")
  .replace("{ service: eth0 }", "{ service: eth0, standby: eth1 }")
  .replace("/etc/holdfast/keys", join(room, "none"))
  .replace("links: ", "reference: [10.0.0.1]\nlinks: ");

test("warnings: exit 3, each with line, code, why and what to do; a daemon that is missed is said", async () => {
  const path = file("risky.yaml", SAMPLE);
  const ended = await holdfast("lint", path);
  assert.equal(ended.code, EXIT.degraded, ended.err);
  const line = SAMPLE.split("\n").findIndex((each) => each.includes("interfaces: [service]")) + 1;
  assert.ok(ended.out.includes(`${path}:${line}:5: warning: group web: service has no standby adapter`), ended.out);
  assert.match(ended.out, /\[no-standby-adapter\]\n.*\n.*\^.*add a second interface/s);
  assert.match(ended.out, /why: moving to another adapter/);
  assert.match(ended.out, /no daemon answers on /);
});

test("--json: one object with codes, lines, and null for a daemon that does not answer; errors make it exit 2", async () => {
  const path = file("risky.yaml", SAMPLE);
  const risky = JSON.parse((await holdfast("--json", "lint", path)).out) as Record<string, unknown>;
  assert.deepEqual([risky["schema"], risky["ok"], risky["daemon"]], ["holdfast.lint/1", false, null]);
  const [warning] = risky["warnings"] as Record<string, unknown>[];
  assert.deepEqual(Object.keys(warning ?? {}).toSorted(), ["code", "column", "file", "line", "remedy", "text", "why"]);
  const wrong = await holdfast("--json", "lint", file("wrong.yaml", SAMPLE.replace("version: 1", "version: 9")));
  assert.equal(wrong.code, EXIT.usage);
  assert.equal((JSON.parse(wrong.out) as { errors: { code: string }[] }).errors[0]?.code, "version");
});

test("the key file's mode on this machine is looked at", async () => {
  const path = file("holdfast.yaml", NO_RISK);
  const keys = file("keys", "");
  for (const [mode, told] of [
    [0o644, true],
    [0o660, true],
    [0o640, false],
    [0o600, false],
  ] as const) {
    chmodSync(keys, mode);
    const { out } = await holdfast("lint", path);
    assert.equal(/key-file-mode/.test(out), told, `${mode.toString(8)}: ${out}`);
  }
});

test("exit 0 and a word when nothing is risky; a file that is not there is exit 2", async () => {
  const quiet = await holdfast("--json", "lint", file("quiet.yaml", CAREFUL));
  assert.equal(quiet.code, EXIT.done, quiet.out);
  assert.match((await holdfast("lint", join(room, "quiet.yaml"))).out, /quiet\.yaml: nothing risky found/);
  assert.equal((await holdfast("lint", join(room, "nowhere.yaml"))).code, EXIT.usage);
});

test("schema prints the JSON Schema and nothing else", async () => {
  const { code, out } = await holdfast("schema");
  assert.equal(code, EXIT.done);
  const schema = JSON.parse(out) as Record<string, unknown>;
  assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  assert.equal(schema["title"], "holdfast.yaml");
});
