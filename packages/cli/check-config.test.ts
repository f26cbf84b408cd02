/** check-config prints a summary in 80 columns of ASCII, warnings, errors, and the same as JSON. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkConfigOutput } from "./check-config.ts";

const SAMPLE_FILE = join(import.meta.dirname, "../../packaging/holdfast.yaml");
const SAMPLE = readFileSync(SAMPLE_FILE, "utf8");
const room = mkdtempSync(join(tmpdir(), "holdfast-check-"));
after(() => rmSync(room, { recursive: true }));
const TEXT = { json: false, jiffy: 4, colour: false };

function outputFor(
  text: string,
  options: Parameters<typeof checkConfigOutput>[1] = TEXT,
): ReturnType<typeof checkConfigOutput> {
  const file = join(room, "holdfast.yaml");
  writeFileSync(file, text);
  const output = checkConfigOutput(file, options);
  const short = (printed: string): string => printed.replaceAll(file, "holdfast.yaml");
  return { code: output.code, stdout: short(output.stdout), stderr: short(output.stderr) };
}

test("the sample's summary", () => {
  assert.deepEqual(outputFor(SAMPLE), {
    code: 0,
    stderr: "",
    stdout: `holdfast.yaml: ok
  cluster  edge, generation 1, digest 8b9a0ae5, heartbeats encrypted
  keys     /etc/holdfast/keys
  nodes    lb1, lb2, lb3 (witness)
  voters   3, majority 2, 1 may be lost
  links    lan udp/7400, priv udp/7400
  timing   heartbeat 100ms, dead 300ms, W 48 ms, K 236 ms, tick 4 ms
           renewals that may be lost in a row: 1
           takeover at most 309 ms, typically 251 ms
           nobody answers for at most 177 ms, typically 64 ms
  group    web: 10.0.0.100/24 2001:db8::100/64
           prefer lb1 lb2, failback manual, settle 10s
  group    mail: 10.0.0.101/24 192.0.2.25/32
           prefer lb2 lb1, failback after 5m, settle 30s
`,
  });
});

test("a tick that is not known is assumed, and said so", () => {
  assert.match(outputFor(SAMPLE, { json: false }).stdout, /tick 4 ms assumed\n/);
});

const MINIMAL = `version: 1
cluster: { name: edge }
links: { lan: { port: 7400 } }
nodes: { lb1: { lan: 10.0.0.1 } }
`;

const WARNINGS: [string, string, RegExp][] = [
  [
    "two voters",
    SAMPLE.replace(/  lb3: .*\n/, ""),
    /^! 2 voters: when either node is down nobody may own; add a witness/m,
  ],
  [
    "four voters",
    SAMPLE.replace("  lb3:", "  lb4: { lan: 10.0.0.14, priv: 172.16.0.14, role: witness }\n  lb3:"),
    /^! 4 voters: no more may be lost than with 3;/m,
  ],
  ["one node", MINIMAL, /^! one node: nobody takes over when it dies$/m],
  ["no groups", MINIMAL, /^! no groups: nothing is kept alive$/m],
  [
    "one link",
    SAMPLE.replaceAll(/ *priv: .*\n/g, "")
      .replace(", priv: 172.16.0.13", "")
      .replace(/  lb3.*\n/, "  lb3: { lan: 10.0.0.13, role: witness }\n"),
    /^! one link: its failure takes the owner's right away;/m,
  ],
  [
    "one candidate",
    SAMPLE.replace("prefer: [lb1, lb2]", "prefer: [lb1]"),
    /^! group web: only lb1 may own it; nobody takes over$/m,
  ],
  [
    "no renewal may be lost",
    SAMPLE.replace("dead: 300ms", "dead: 200ms"),
    /^! timing: one lost renewal closes the fence for a moment;/m,
  ],
  [
    "an interface that no node explains",
    SAMPLE.replace("interfaces: [service]", "interfaces: [servce]"),
    /^! line 33: no node explains interface "servce"/m,
  ],
  [
    "loopback links",
    MINIMAL.replace("10.0.0.1", "127.0.0.1"),
    /^! loopback link addresses \(lb1\): all nodes are one machine$/m,
  ],
];

for (const [what, text, expected] of WARNINGS) {
  test(`warns of ${what}`, () => {
    const output = outputFor(text);
    assert.equal(output.code, 0, output.stderr);
    assert.match(output.stdout, expected);
    for (const line of output.stdout.split("\n")) assert.match(line, /^[\x20-\x7e]{0,80}$/);
  });
}

test("the sample gives no warning", () => {
  assert.doesNotMatch(outputFor(SAMPLE).stdout, /^!/m);
});

test("long lists wrap at 80 columns", () => {
  const addresses = Array.from({ length: 40 }, (_, i) => `10.0.0.${100 + i}/24`).join(", ");
  const { stdout } = outputFor(
    SAMPLE.replace("- 10.0.0.100/24", `- ${addresses.split(", ").join("\n      - ")}`).replace(
      "- 10.0.0.101/24\n      #",
      "- 10.0.0.99/24\n      #",
    ),
  );
  assert.ok(stdout.split("\n").length > 18);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
});

test("errors go to standard error with exit code 2", () => {
  const output = outputFor(SAMPLE.replace("interfaces: [service]", "interfce: [service]"));
  assert.equal(output.code, 2);
  assert.equal(output.stdout, "");
  assert.match(output.stderr, /^holdfast\.yaml:33:5: error: unknown key "interfce" in groups\.web\n/);
});

test("--json: one object, of the same form for a good and a bad file", () => {
  const good = JSON.parse(outputFor(SAMPLE, { json: true, jiffy: 4 }).stdout) as Record<string, unknown>;
  assert.equal(good["schema"], "holdfast.check-config/1");
  assert.equal(good["ok"], true);
  assert.deepEqual(good["errors"], []);
  assert.deepEqual(good["timing"], {
    heartbeat_ms: 100,
    dead_ms: 300,
    window_ms: 48,
    keep_ms: 236,
    tick_ms: 4,
    losses_tolerated: 1,
    takeover_typical_ms: 251,
    takeover_worst_ms: 309,
    silence_typical_ms: 64,
    silence_worst_ms: 177,
  });
  const output = outputFor(SAMPLE.replace("version: 1", "version: 3"), { json: true });
  assert.equal(output.code, 2);
  assert.deepEqual(JSON.parse(output.stdout), {
    schema: "holdfast.check-config/1",
    file: "holdfast.yaml",
    ok: false,
    errors: [
      {
        code: "version",
        file: "holdfast.yaml",
        line: 3,
        column: 10,
        message: "version 3 is not known",
        hint: "this holdfast reads version: 1",
      },
    ],
    warnings: [],
  });
});

test("the command prints and returns its exit code", () => {
  const script = `import { checkConfig } from ${JSON.stringify(join(import.meta.dirname, "check-config.ts"))};
    console.log("code", await checkConfig(${JSON.stringify(SAMPLE_FILE)}, { json: false, jiffy: 4 }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.match(output, /holdfast\.yaml: ok\n[^]*code 0\n$/);
});
