/** `holdfast doctor` in real namespaces: quiet on a good node, and each planted fault found, with its remedy. */
import { strict as assert } from "node:assert";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Finding } from "@holdfast/agent/doctor/finding.ts";
import { ADDRESS, HOLDFAST, TestCluster, unable, until } from "./harness.ts";

interface Examined {
  readonly code: number;
  readonly findings: readonly Finding[];
}

describe("doctor", { skip: unable() }, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start("doctor");
    await cluster.moveTo("n1");
  });
  after(() => cluster.down());

  const doctor = async (node: string, config = cluster.files(node).config): Promise<Examined> => {
    const words = ["--socket", cluster.files(node).socket, "--json", "doctor", "--config", config, "--node", node];
    const ran = await cluster.try(node, HOLDFAST, ...words);
    assert.notEqual(ran.stdout, "", ran.stderr);
    return { code: ran.code, findings: (JSON.parse(ran.stdout) as { findings: Finding[] }).findings };
  };
  const failures = ({ findings }: Examined): readonly string[] =>
    findings.filter(({ level }) => level === "fail").map(({ check, text }) => `${check}: ${text}`);
  const finds = (examined: Examined, check: string, level: Finding["level"], says: RegExp): void => {
    const found = examined.findings.find((one) => one.check === check && one.level === level && says.test(one.text));
    assert.ok(found, `${check} ${level} ${says}: ${JSON.stringify(examined.findings, undefined, 1)}`);
    assert.equal(found.remedy !== "", level === "warn" || level === "fail");
  };

  test("a good owner and a good standby: nothing fails, and it tells who answers and what is open", async () => {
    const owner = await doctor("n1");
    assert.deepEqual(failures(owner), []);
    assert.notEqual(owner.code, 1);
    finds(owner, "configuration", "ok", /valid, this is n1/);
    finds(owner, "addresses", "ok", /2 of 2 group addresses/);
    finds(owner, "fence", "ok", /open for 1 of 1 groups/);
    finds(owner, "links", "ok", /lan, priv: heartbeats arrive from and at n2, n3/);
    finds(owner, "duplicates", "ok", /2 addresses asked for/);
    const standby = await doctor("n2");
    assert.deepEqual(failures(standby), []);
    finds(standby, "addresses", "ok", /0 of 2/);
    const shown = await cluster.try("n2", HOLDFAST, "--socket", cluster.files("n2").socket, "doctor", "--node", "n2");
    assert.match(shown.stdout, /^(ok {4}|WARN {2}|FAIL {2}|skip {2})/m);
  });

  test("a key file that others read, and one that is not there", async () => {
    const [, keys = ""] = /keys: "([^"]+)"/.exec(readFileSync(cluster.files("n1").config, "utf8")) ?? [];
    assert.notEqual(keys, "");
    chmodSync(keys, 0o644);
    const examined = await doctor("n1");
    chmodSync(keys, 0o600);
    assert.equal(examined.code, 1);
    finds(examined, "key-file", "fail", /mode 0644: others read/);
  });

  test("a stranger who answers for the address, seen by the owner and by a standby", async () => {
    await cluster.run("client", "ip", "address", "add", `${ADDRESS}/32`, "dev", "eth0");
    try {
      finds(
        await doctor("n1"),
        "duplicates",
        "fail",
        new RegExp(`answers for ${ADDRESS} on eth0, which this node has`),
      );
      finds(await doctor("n2"), "duplicates", "fail", new RegExp(`both answer for ${ADDRESS}`));
    } finally {
      await cluster.run("client", "ip", "address", "del", `${ADDRESS}/32`, "dev", "eth0");
    }
  });

  test("rules of others that drop heartbeats: named here, and the direction is named by both ends", async () => {
    const drop = ["add table inet stray", "add chain inet stray input { type filter hook input priority 0 ; }"];
    const rule = "add rule inet stray input iifname eth1 udp dport 7400 drop";
    for (const words of [...drop, rule]) await cluster.run("n3", "nft", words);
    try {
      await until("n3 misses n1 on one link", async () =>
        (await cluster.links("n3")).rows.some(
          (row) => row.listener === "n3" && row.speaker === "n1" && row.state === "DOWN",
        ),
      );
      const deaf = await doctor("n3");
      finds(deaf, "links", "fail", /^7400\/udp from n1 arrives on lan, not on priv/);
      finds(deaf, "packet-filter", "warn", /inet stray input drops udp\/7400 under conditions/);
      await until("n1 knows", async () =>
        (await cluster.links("n1")).rows.some(
          (row) => row.listener === "n3" && row.speaker === "n1" && row.state === "DOWN",
        ),
      );
      finds(await doctor("n1"), "links", "fail", /^7400\/udp from n1 arrives at n3 on lan, not on priv/);
    } finally {
      await cluster.run("n3", "nft", "delete table inet stray");
    }
  });

  test("kernel parameters that hurt", async () => {
    const set = (name: string, value: number): Promise<string> =>
      cluster.run("n3", "sh", "-c", `echo ${value} > /proc/sys/${name}`);
    await set("net/ipv4/conf/eth0/promote_secondaries", 0);
    await set("net/ipv4/conf/all/promote_secondaries", 0);
    await set("net/ipv6/conf/eth0/accept_dad", 2);
    const examined = await doctor("n3");
    finds(examined, "sysctls", "warn", /promote_secondaries is 0 on eth0/);
    finds(examined, "sysctls", "warn", /accept_dad is 2 on eth0/);
    assert.equal(examined.code, 3);
  });

  test("another file than the daemon's, and a file that is wrong", async () => {
    const other = `${cluster.directory}/other.yaml`;
    const text = readFileSync(cluster.files("n1").config, "utf8");
    writeFileSync(other, text.replace("settle: 0ms", "settle: 5s"));
    finds(await doctor("n2", other), "daemon", "warn", /the file has [0-9a-f]{8}/);
    writeFileSync(other, text.replace("failback: manual", "failback: never"));
    const wrong = await doctor("n2", other);
    assert.equal(wrong.code, 1);
    finds(wrong, "configuration", "fail", /other\.yaml:\d+:\d+: "never" is not a kind of failback/);
  });

  test("lint beside a daemon: held against the round trips it measured, and its generation", async () => {
    const file = `${cluster.directory}/lint.yaml`;
    const text = readFileSync(cluster.files("n1").config, "utf8");
    const lint = async (): Promise<{ codes: readonly string[]; round_trips: number }> => {
      const ran = await cluster.holdfast("n1", "--json", "lint", file);
      const answer = JSON.parse(ran.stdout) as { warnings: { code: string }[]; daemon: { round_trips: number } | null };
      assert.equal(ran.code, answer.warnings.length > 0 ? 3 : 0, ran.stderr);
      return { codes: answer.warnings.map(({ code }) => code), round_trips: answer.daemon?.round_trips ?? 0 };
    };
    writeFileSync(file, text);
    const same = await lint();
    assert.ok(same.round_trips >= 20, `${same.round_trips}`);
    assert.ok(!same.codes.includes("old-generation"), same.codes.join());
    // The daemons go one generation up; the file stays behind.
    writeFileSync(cluster.files("n1").config, text.replace("version: 1\n", "version: 1\ngeneration: 2\n"));
    for (const node of ["n2", "n1", "n3"])
      assert.equal((await cluster.holdfast(node, "reload", "--yes")).code, 0, node);
    assert.ok((await lint()).codes.includes("old-generation"));
  });

  test("no daemon: said so, what only it measures is not looked at, and an address left behind is found", async () => {
    cluster.signal("n3", "SIGTERM", "engine");
    await until("n3 has left", () => cluster.processes("n3").length === 0);
    await cluster.run("n3", "ip", "address", "add", `${ADDRESS}/24`, "dev", "eth0");
    const examined = await doctor("n3");
    finds(examined, "daemon", "warn", /no daemon answers/);
    finds(examined, "links", "skip", /without a daemon/);
    finds(examined, "addresses", "fail", new RegExp(`${ADDRESS} is on eth0 although no daemon runs here`));
    assert.equal(examined.code, 1);
  });
});
