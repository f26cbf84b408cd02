/** What is wrong before the start: one clear error with its place, exit 2, and nothing was touched. */
import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { TestCluster, unable, until } from "./harness.ts";

interface BadConfig {
  readonly rule: string;
  /** Replaces `from` by `to` in the lab's configuration. */
  readonly from: string | RegExp;
  readonly to: string;
  /** What the error says. */
  readonly says: RegExp;
  /** What stands before the place that the error points at, and there. */
  readonly at: readonly [before: string, there: string];
}

const BAD_CONFIGS: readonly BadConfig[] = [
  {
    rule: "an unknown key",
    from: "failback:",
    to: "failbak:",
    says: /unknown key "failbak" in groups\.web[^]*did you mean "failback"/,
    at: ["    ", "failbak"],
  },
  {
    rule: "a wrong type",
    from: "lan: { port: 7400 }",
    to: "lan: { port: many }",
    says: /port/,
    at: ["lan: { port: ", "many"],
  },
  {
    rule: "an address outside its interface's networks",
    from: "10.99.0.100/24",
    to: "10.98.0.100/24",
    says: /10\.98\.0\.100 is in no network of eth0 on n1 \(10\.99\.0\.11\/24\)[^]*outside_networks:/,
    at: ["addresses: [", "10.98.0.100/24"],
  },
  {
    rule: "a duplicate address",
    from: '[10.99.0.100/24, "fd99::100/64"]',
    to: '[10.99.0.100/24, "fd99::100/64", 10.99.0.100/24]',
    says: /10\.99\.0\.100/,
    at: ['64", ', "10.99.0.100/24]"],
  },
  {
    rule: "a node missing a link",
    from: "n2: { lan: 10.99.0.12, priv: 172.31.0.12,",
    to: "n2: { lan: 10.99.0.12,",
    says: /node n2 has no address on link priv/,
    at: ["  ", "n2: {"],
  },
  {
    rule: "an interface that is not there",
    from: /service: eth0/g,
    to: "service: eth7",
    says: /node n1 has no interface "eth7"/,
    at: ["service: ", "eth7"],
  },
];

describe("a daemon that is not to start", { skip: unable() }, () => {
  let cluster: TestCluster;
  let good: string;
  let folder: string;

  before(async () => {
    cluster = await TestCluster.start("cfg", "--no-daemons");
    good = readFileSync(`${cluster.directory}/holdfast.yaml`, "utf8");
    folder = `${cluster.directory}/try`;
  });
  after(() => cluster.down());
  beforeEach(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    writeFileSync(`${folder}/holdfast.yaml`, good.replace(`${cluster.directory}/keys`, `${folder}/keys`));
    writeFileSync(`${folder}/keys`, readFileSync(`${cluster.directory}/keys`), { mode: 0o600 });
  });

  const options = (node: string): readonly string[] => [
    "--config",
    `${folder}/holdfast.yaml`,
    "--node",
    node,
    "--socket",
    `${folder}/holdfast.sock`,
    "--state-dir",
    `${folder}/state`,
    "--run-dir",
    `${folder}/run`,
  ];

  /** Starts it in n1 and returns what it said; fails unless it ended with 2 and left nothing. */
  async function refused(node = "n1"): Promise<string> {
    const before = await cluster.run("n1", "ip", "address");
    const started = cluster.startDaemon("n1", options(node));
    const code = await started.ended;
    assert.equal(code, 2, started.output());
    assert.equal(await cluster.run("n1", "nft", "list", "ruleset"), "");
    assert.equal(await cluster.run("n1", "ip", "address"), before);
    assert.deepEqual(cluster.processes("n1"), []);
    assert.ok(!existsSync(`${folder}/holdfast.sock`));
    assert.ok(!existsSync(`${folder}/state`));
    assert.doesNotMatch(started.output(), /\n\s+at .*\.ts:\d/, "no stack trace");
    return started.output();
  }

  function placeOf(text: string, before: string, there: string): string {
    const lines = text.slice(0, text.indexOf(before + there) + before.length).split("\n");
    return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
  }

  for (const { rule, from, to, says, at } of BAD_CONFIGS) {
    test(`${rule} is one error with file, line and column; nothing is started`, async () => {
      const file = `${folder}/holdfast.yaml`;
      const text = readFileSync(file, "utf8").replace(from, to);
      assert.ok(text.includes(to));
      writeFileSync(file, text);
      const output = await refused();
      assert.match(output, says);
      assert.equal(output.match(/error:/g)?.length, 1, output);
      assert.ok(output.includes(`${file}:${placeOf(text, ...at)}: error:`), `${placeOf(text, ...at)}\n${output}`);
    });
  }

  test("an address outside the networks is taken when the configuration says so", async () => {
    const file = `${folder}/holdfast.yaml`;
    const outside = "{ address: 10.98.0.100/24, outside_networks: true }";
    writeFileSync(file, readFileSync(file, "utf8").replace("10.99.0.100/24", outside));
    const started = cluster.startDaemon("n1", options("n1"));
    await until("it runs", () => started.output().includes("closed fence installed"));
    for (const pid of cluster.processes("n1", "engine")) process.kill(pid, "SIGTERM");
    assert.equal(await started.ended, 0, started.output());
    await cluster.run("n1", "nft", "flush", "ruleset");
    // Protected tables stay: the namespace is not what it was for the tests after this one.
    const left = await cluster.run("n1", "nft", "list", "tables");
    for (const table of left.trim().split("\n").filter(Boolean))
      await cluster.try("n1", "nft", "delete", ...table.split(" "));
  });

  for (const [rule, spoil, says] of [
    ["writable by its group", (path: string) => chmodSync(path, 0o660), /mode 0660 lets others .*chmod 0640/],
    ["readable by others", (path: string) => chmodSync(path, 0o604), /mode 0604 lets others .*chmod 0600/],
    ["missing", (path: string) => rmSync(path), /cannot read the key file: .*holdfast keys new/],
    [
      "truncated",
      (path: string) => writeFileSync(path, readFileSync(path, "utf8").slice(0, 50)),
      /keys:\d+:\d+: is not valid YAML|keys:\d+:\d+: /,
    ],
    [
      "with a secret cut short",
      (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace(/.{8}" }/, '" }')),
      /keys:2:\d+: key "lab" /,
    ],
    ["empty", (path: string) => writeFileSync(path, ""), /is empty; expected `active` and `keys`/],
  ] as const) {
    test(`a key file ${rule} is refused; nothing is started, no secret is shown`, async () => {
      const secret = /base64:([^"]{20})/.exec(readFileSync(`${folder}/keys`, "utf8"))?.[1] ?? "no secret";
      spoil(`${folder}/keys`);
      const output = await refused();
      assert.ok(output.startsWith(`${folder}/keys`), output);
      assert.match(output, says);
      assert.ok(!output.includes(secret.slice(0, 8)), output);
      assert.equal(output.trim().split("\n").length, 1, output);
    });
  }

  test("a node that the configuration does not have is refused, with the names it has", async () => {
    const output = await refused("n9");
    assert.match(output, /no node is called "n9"[^]*n1/);
    assert.ok(!readdirSync(folder).includes("run") || !existsSync(`${folder}/run/votes`));
  });

  test("a configuration that is missing, empty or no YAML is refused", async () => {
    const file = `${folder}/holdfast.yaml`;
    writeFileSync(file, "");
    assert.match(await refused(), /holdfast\.yaml/);
    writeFileSync(file, "version: 1\n\tlinks: {\n");
    assert.match(await refused(), /holdfast\.yaml:2:1: error: /);
    rmSync(file);
    assert.match(await refused(), /cannot read the configuration .*holdfast\.yaml/);
  });
});
