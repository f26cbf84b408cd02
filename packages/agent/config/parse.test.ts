/** Good files become exactly the value they mean; what cannot be a configuration is refused in bounded time. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Cluster, votersOf } from "@holdfast/core/cluster.ts";
import { isName } from "@holdfast/core/units/names.ts";
import { errorToJson, formatErrors } from "./config-error.ts";
import { parseBytes, parseConfig, readConfig } from "./parse.ts";
import { jsonSchema, NAME_PATTERN } from "./shape.ts";
import { summaryText } from "./summary.ts";
import { configWarnings } from "./warnings.ts";

const here = import.meta.dirname;
const BASE = readFileSync(join(here, "testdata/base.yaml"), "utf8");
const SAMPLE = readFileSync(join(here, "../../../packaging/holdfast.yaml"), "utf8");
const HZ250 = { jiffy: 4 };

test("links of every kind: a node's own place, that of the link, a logical interface, or none", () => {
  const text = BASE.replace(
    "  priv: { port: 7400 }",
    `  priv: { port: 7400, multicast: 239.192.74.0 }
  wire: { ethernet: service }
  cable: { serial: /dev/ttyS0 }`,
  )
    .replace("lb2: {", "lb2: { cable: /dev/ttyUSB3, wire: ens9,")
    .replace("lb3: {", "lb3: { cable: none, wire: none,");
  const result = parseConfig(text, "holdfast.yaml", HZ250);
  assert.ok(result.ok, JSON.stringify(result));
  const { links, nodes, digest } = result.value.cluster;
  assert.deepEqual(links, [
    { kind: "udp", name: "lan", port: 7400 },
    { kind: "udp", name: "priv", port: 7400, multicast: "239.192.74.0" },
    { kind: "ethernet", name: "wire" },
    { kind: "serial", name: "cable", baud: 115_200 },
  ]);
  assert.deepEqual(
    nodes.map(({ devices }) => devices),
    [{ wire: "ens3", cable: "/dev/ttyS0" }, { wire: "ens9", cable: "/dev/ttyUSB3" }, undefined],
  );
  // What a name stands for counts, not how it is written.
  const spelt = parseConfig(text.replace("ethernet: service", "ethernet: ens3"), "holdfast.yaml", HZ250);
  assert.equal(spelt.ok && spelt.value.cluster.digest, digest);
  const other = parseConfig(text.replace("/dev/ttyUSB3", "/dev/ttyUSB4"), "holdfast.yaml", HZ250);
  assert.notEqual(other.ok && other.value.cluster.digest, digest);
});

test("a good file becomes the typed cluster, defaults filled in", () => {
  const result = parseConfig(BASE, "holdfast.yaml", HZ250);
  assert.ok(result.ok);
  const interfaces = ["service"];
  const settle = 10_000;
  const drain = 0;
  const failback = { kind: "manual" };
  const prefer = ["lb1", "lb2"];
  assert.deepEqual(structuredClone(result.value.cluster), {
    name: "edge",
    generation: 1,
    digest: result.value.cluster.digest,
    timing: { heartbeat: 100, dead: 300, window: 48, keep: 236, jiffy: 4 },
    links: [
      { kind: "udp", name: "lan", port: 7400 },
      { kind: "udp", name: "priv", port: 7400 },
    ],
    nodes: [
      {
        name: "lb1",
        role: "member",
        links: { lan: "10.0.0.11", priv: "172.16.0.11" },
        interfaces: { service: "ens3" },
      },
      {
        name: "lb2",
        role: "member",
        links: { lan: "10.0.0.12", priv: "172.16.0.12" },
        interfaces: { service: "eth0" },
      },
      { name: "lb3", role: "witness", links: { lan: "10.0.0.13", priv: "172.16.0.13" }, interfaces: {} },
    ],
    groups: [
      {
        name: "web",
        addresses: [
          { address: "10.0.0.100", prefixLength: 24, interfaces },
          { address: "2001:db8::100", prefixLength: 64, interfaces },
        ],
        prefer,
        failback,
        settle,
        drain,
      },
      {
        name: "db",
        addresses: [{ address: "10.0.0.101", prefixLength: 24, interfaces }],
        prefer,
        failback,
        settle,
        drain,
      },
    ],
    keys: "/etc/holdfast/keys",
    seal: "encrypt",
  });
  assert.match(result.value.cluster.digest, /^[0-9a-f]{8}$/);
});

test("the packaged sample is right, and its words are understood", () => {
  const result = parseConfig(SAMPLE, "holdfast.yaml", HZ250);
  assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
  const [web, mail] = result.value.cluster.groups;
  assert.deepEqual(web?.failback, { kind: "manual" });
  assert.deepEqual(mail?.failback, { kind: "after", delay: 300_000 });
  assert.equal(mail?.settle, 30_000);
  assert.deepEqual(
    result.value.addresses.map((source) => [source.address, source.outsideNetworks, source.place.line]),
    [
      ["10.0.0.100", false, 35],
      ["2001:db8::100", false, 36],
      ["10.0.0.101", false, 42],
      ["192.0.2.25", true, 44],
    ],
  );
});

test("addresses are one value however they are written", () => {
  const result = parseConfig(BASE.replace("2001:db8::100/64", "2001:0DB8:0:0::0100/64"), "f", HZ250);
  assert.ok(result.ok);
  assert.equal(result.value.cluster.groups[0]?.addresses[1]?.address, "2001:db8::100");
});

test("node names that look like numbers keep the order of the file", () => {
  const text = BASE.replaceAll("lb1", "zz").replaceAll("lb2", "7").replace("prefer: [zz, 7]", 'prefer: [zz, "7"]');
  const result = parseConfig(text, "f", HZ250);
  assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
  assert.deepEqual(
    result.value.cluster.nodes.map((node) => node.name),
    ["zz", "7", "lb3"],
  );
  assert.deepEqual(result.value.cluster.groups[1]?.prefer, ["zz", "7"]);
});

const digestOf = (text: string, jiffy = 4): string => {
  const result = parseConfig(text, "f", { jiffy });
  assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
  return result.value.cluster.digest;
};

test("the digest is of the meaning: comments, order, spelling, defaults and the kernel's tick do not change it", () => {
  const digest = digestOf(BASE);
  assert.equal(digestOf(`# a comment\n${BASE}`), digest);
  assert.equal(digestOf(BASE, 1), digest);
  assert.equal(digestOf(BASE.replace("dead: 300ms", "dead: 0.3s")), digest);
  assert.equal(digestOf(BASE.replace("    failback: manual\n", "    settle: 10s\n")), digest);
  assert.equal(
    digestOf(
      BASE.replace("  lan: { port: 7400 }\n  priv: { port: 7400 }", "  priv: { port: 7400 }\n  lan: { port: 7400 }"),
    ),
    digest,
  );
});

test("the digest changes with anything that nodes must agree on", () => {
  const changes: [string, string][] = [
    ["version: 1", "version: 1\ngeneration: 2"],
    ["name: edge", "name: edgy"],
    ["name: edge", "name: edge, seal: authenticate-only"],
    ["dead: 300ms", "dead: 310ms"],
    ["10.0.0.11,", "10.0.0.14,"],
    ["ens3", "ens4"],
    ["prefer: [lb1, lb2]", "prefer: [lb2, lb1]"],
    ["10.0.0.100/24", "10.0.0.100/25"],
    ["failback: manual", "failback: immediate"],
    ["failback: manual", "settle: 11s"],
    ["failback: manual", "drain: 30s"],
  ];
  const digests = changes.map(([from, to]) => digestOf(BASE.replace(from, to)));
  assert.equal(new Set([digestOf(BASE), ...digests]).size, changes.length + 1);
});

test("more than twenty errors end with how many more there are", () => {
  const text = `${BASE}${Array.from({ length: 30 }, (_, i) => `  g${i}: { bogus: 1 }\n`).join("")}`;
  const result = parseConfig(text, "f", HZ250);
  assert.ok(!result.ok);
  assert.equal(result.error.length, 20);
  assert.equal(result.error.at(-1)?.code, "more-errors");
  assert.equal(result.error.at(-1)?.message, "and 41 more from here on");
});

test("the limits on nodes, groups and addresses are errors of one line each", () => {
  const group = (i: number): string =>
    `  g${i}: { interfaces: [service], addresses: [10.${9 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32] }\n`;
  const many = (count: number): string => Array.from({ length: count }, (_, i) => group(i)).join("");
  const list = Array.from({ length: 4094 }, (_, i) => `10.9.${i >> 8}.${i & 255}/32`).join(",");
  const expectations: [string, string][] = [
    [BASE + many(999), "1001 groups: at most 1000"],
    [`${BASE}  g: { interfaces: [service], addresses: [${list}] }\n`, "4097 addresses: at most 4096"],
    [`${BASE}#${"x".repeat(1024 * 1024)}`, "the file is larger than 1 MiB"],
  ];
  for (const [text, message] of expectations) {
    const result = parseConfig(text, "f", HZ250);
    assert.deepEqual(result.ok ? [] : result.error.map((error) => error.message), [message]);
  }
  assert.ok(parseConfig(BASE + many(998), "f", HZ250).ok);
});

test("files that are no text are refused with where and why", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-config-"));
  try {
    const outcome = (path: string): string => {
      const result = readConfig(path, HZ250);
      return result.ok ? "ok" : formatErrors(result.error, { colour: false }).replaceAll(directory, "D");
    };
    writeFileSync(join(directory, "latin1"), Buffer.from("version: 1\ncluster: { name: caf\xe9 }\n", "latin1"));
    writeFileSync(join(directory, "large"), Buffer.alloc(1024 * 1024 + 1, "#"));
    writeFileSync(join(directory, "crlf"), BASE.replaceAll("\n", "\r\n"));
    writeFileSync(join(directory, "bom"), `\ufeff${BASE}`);
    assert.equal(
      outcome(join(directory, "none")),
      "D/none: error: there is no such file\n      | name another, or create it\n",
    );
    assert.equal(outcome(directory), "D: error: this is a directory\n      | name the file inside it\n");
    assert.equal(outcome("/dev/zero"), "/dev/zero: error: this is not a regular file\n      | name a file\n");
    assert.equal(
      outcome(join(directory, "large")),
      "D/large: error: the file is larger than 1 MiB\n      | is this the right file?\n",
    );
    assert.equal(
      outcome(join(directory, "latin1")),
      [
        "D/latin1:2:21: error: not UTF-8 text",
        "    2 | cluster: { name: caf? }",
        "      |                     ^ save the file as UTF-8",
        "",
      ].join("\n"),
    );
    assert.equal(outcome(join(directory, "crlf")), "ok");
    assert.equal(outcome(join(directory, "bom")), "ok");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("deep nesting and one endless line are refused in bounded time", () => {
  for (const text of [
    "[".repeat(200_000),
    "- ".repeat(100_000),
    "? ".repeat(100_000),
    `x: [${"a,".repeat(100_000)}]`,
  ]) {
    const started = performance.now();
    const result = parseConfig(text, "f", HZ250);
    assert.ok(!result.ok);
    assert.ok(result.error.every((error) => error.place !== undefined));
    assert.ok(performance.now() - started < 30_000);
  }
});

test("errors as JSON and in colour say the same", () => {
  const result = parseBytes(
    Buffer.from(BASE.replace("interfaces: [service]", "interfce: [service]")),
    "holdfast.yaml",
    HZ250,
  );
  assert.ok(!result.ok);
  const [error] = result.error;
  assert.ok(error);
  assert.deepEqual(errorToJson(error), {
    code: "unknown-key",
    file: "holdfast.yaml",
    line: 13,
    column: 5,
    message: 'unknown key "interfce" in groups.web',
    hint: 'did you mean "interfaces"?',
  });
  const coloured = formatErrors([error], { colour: true });
  // oxlint-disable-next-line no-control-regex -- the escape is what is looked for
  assert.equal(coloured.replaceAll(/\u001b\[\d+m/g, ""), formatErrors([error], { colour: false }));
  assert.notEqual(coloured, formatErrors([error], { colour: false }));
});

test("the JSON Schema is made from the parser's own definition", () => {
  const schema = jsonSchema();
  assert.deepEqual(schema["required"], ["version", "cluster", "links", "nodes"]);
  assert.equal(schema["additionalProperties"], false);
  const properties = schema["properties"] as Record<
    string,
    { propertyNames?: unknown; additionalProperties?: unknown }
  >;
  assert.deepEqual(Object.keys(properties), [
    "version",
    "generation",
    "cluster",
    "timing",
    "voters",
    "reference",
    "links",
    "nodes",
    "groups",
  ]);
  assert.deepEqual(properties["groups"]?.propertyNames, { type: "string", pattern: NAME_PATTERN.source });
});

test("the schema's names are the names of units/names.ts", () => {
  for (const name of ["a", "lb1", "a-b", "1", "", "A", "-a", "a_b", "a".repeat(32), "a".repeat(33), "a\n", "\u00e9"]) {
    assert.equal(NAME_PATTERN.test(name), isName(name), JSON.stringify(name));
  }
});

test("drain: absent and 0s reset at once; the longest is an hour", () => {
  const drainOf = (line: string): number | undefined => {
    const result = parseConfig(BASE.replace("failback: manual", line), "f", HZ250);
    assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
    return result.value.cluster.groups.find((group) => group.name === "web")?.drain;
  };
  assert.deepEqual(
    ["failback: manual", "drain: 0s", "drain: 30s", "drain: 1h"].map(drainOf),
    [0, 0, 30_000, 3_600_000],
  );
  assert.equal(digestOf(BASE.replace("failback: manual", "drain: 0s")), digestOf(BASE));
});

test("on_conflict is read, shown and in the digest; its default is not", () => {
  const of = (line: string) => {
    const result = parseConfig(BASE.replace("failback: manual", line), "f", HZ250);
    assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
    const shown = /on_conflict \w+/.exec(summaryText(result.value, [], false))?.[0];
    return [result.value.cluster.groups.find((group) => group.name === "web")?.onConflict, shown];
  };
  assert.deepEqual(of("on_conflict: defend"), [undefined, undefined]);
  assert.deepEqual(of("on_conflict: yield"), ["yield", "on_conflict yield"]);
  assert.deepEqual(of("on_conflict: alarm"), ["alarm", "on_conflict alarm"]);
  const digests = ["failback: manual", "on_conflict: defend", "on_conflict: yield", "on_conflict: alarm"].map((line) =>
    digestOf(BASE.replace("failback: manual", line)),
  );
  assert.equal(digests[0], digests[1]);
  assert.equal(new Set(digests).size, 3);
});

test("voters are read in the order of the nodes, and are not there when every node votes", () => {
  const listed = (voters: string): string => BASE.replace("nodes:", `voters: ${voters}\nnodes:`);
  const parsed = (text: string): Cluster => {
    const result = parseConfig(text, "holdfast.yaml", HZ250);
    assert.ok(result.ok, JSON.stringify(result));
    return result.value.cluster;
  };
  const cluster = parsed(listed("[lb3, lb1]"));
  assert.deepEqual(cluster.voters, ["lb1", "lb3"]);
  assert.deepEqual(votersOf(cluster), ["lb1", "lb3"]);
  assert.equal(digestOf(listed("[lb1, lb3]")), digestOf(listed("[lb3, lb1]")));
  assert.equal(parsed(listed("[lb3, lb2, lb1]")).voters, undefined);
  assert.equal(digestOf(listed("[lb3, lb2, lb1]")), digestOf(BASE));
});

test("quorum available and on_quorum_loss hold are read, warned of and in the digest; their defaults are not", () => {
  const two = BASE.replace(/^ {2}lb3: .*\n/m, "").replace("name: edge", "name: edge, quorum: available");
  const text = two
    .replace("groups:", "reference: [10.0.0.1, 2001:db8::1]\ngroups:")
    .replace("failback: manual", "on_quorum_loss: hold");
  const result = parseConfig(text, "f", HZ250);
  assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
  const { cluster } = result.value;
  assert.deepEqual([cluster.quorum, cluster.reference], ["available", ["10.0.0.1", "2001:db8::1"]]);
  assert.equal(cluster.groups.find((group) => group.name === "web")?.onQuorumLoss, "hold");
  const warnings = configWarnings(result.value).map(({ code }) => code);
  assert.ok(
    ["quorum-available", "holds"].every((code) => warnings.includes(code)),
    warnings.join(" "),
  );
  assert.match(summaryText(result.value, [], false), /one goes on alone while 10\.0\.0\.1 or 2001:db8::1 answers/);
  assert.notEqual(digestOf(text), digestOf(text.replace("10.0.0.1,", "10.0.0.2,")));
  assert.notEqual(digestOf(text), digestOf(text.replace("on_quorum_loss: hold", "on_quorum_loss: release")));
  assert.equal(digestOf(BASE.replace("name: edge", "name: edge, quorum: majority")), digestOf(BASE));
});
