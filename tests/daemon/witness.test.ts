/** Two daemons and `holdfast witness` beside them: its vote lets the one that is left take over, and it needs no right for that. */
import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.ts";
import { HOLDFAST, TestCluster, unable, until } from "./harness.ts";
import { HEARTBEAT_PORT } from "@holdfast/lab/topology.ts";

const NOBODY = 65_534;
const WITNESS = "n3";
/** Of requirement: the lease, the drift, and the wake-ups of a machine that has other things to do. */
const TAKEOVER_MS = 400;

describe("a witness process for two nodes", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let witness: ChildProcess | undefined;
  let log = "";
  const room = mkdtempSync("/tmp/holdfast-witness-");

  const startWitness = (): void => {
    const rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--clear-groups"];
    const user = [`--regid=${NOBODY}`, `--reuid=${NOBODY}`];
    const command = [HOLDFAST, "witness", `${room}/clusters`, "--listen", `0.0.0.0:${HEARTBEAT_PORT}`];
    const words = ["setpriv", ...rights, ...user, ...command, "--state-dir", `${room}/votes`];
    log = "";
    witness = spawn("nsenter", [`--net=${cluster.namespacePath(WITNESS)}`, "--", ...words], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    witness.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
  };
  const endWitness = async (): Promise<void> => {
    if (witness === undefined || witness.exitCode !== null) return;
    const ended = new Promise((resolve) => witness?.once("close", resolve));
    witness.kill("SIGTERM");
    await ended;
  };
  const says = (words: RegExp): Promise<unknown> => until(`the witness says ${words}`, () => words.test(log));
  const votes = (): Promise<unknown> =>
    until("the witness votes", async () => {
      const node = (await cluster.status("n1")).nodes.find(({ name }) => name === WITNESS);
      return node?.state === "up";
    });

  before(async () => {
    cluster = await TestCluster.start("witness", "--nodes", "3", "--witness");
    client = new Client(cluster);
    // The same files as on the nodes, in a directory for the cluster.
    const { config } = cluster.files(WITNESS);
    mkdirSync(`${room}/clusters/lab`, { recursive: true });
    copyFileSync(config, `${room}/clusters/lab/holdfast.yaml`);
    const keys = /keys: "([^"]+)"/.exec(readFileSync(config, "utf8"))?.[1] ?? "";
    copyFileSync(keys, `${room}/clusters/lab/keys`);
    chownSync(`${room}/clusters/lab/keys`, NOBODY, NOBODY);
    mkdirSync(`${room}/votes`, { mode: 0o700 });
    chownSync(`${room}/votes`, NOBODY, NOBODY);
    chownSync(room, NOBODY, NOBODY);
    await client.steady();
    await cluster.lab("stop", WITNESS);
    await until("the daemon of n3 is gone", () => cluster.processes(WITNESS, "engine").length === 0);
    startWitness();
    await says(/1 clusters served, 0 not/);
    await votes();
  });
  after(async () => {
    await endWitness();
    await cluster.down();
    rmSync(room, { recursive: true });
  });

  test("the owner is killed: the other takes over by its own vote and the witness's", async (t) => {
    await cluster.moveTo("n1");
    assert.equal(await client.steady(), "n1");
    const from = client.position;
    await cluster.lab("kill", "n1");
    assert.equal(await client.steady("n1"), "n2");
    const { outage_ms } = await client.since(from);
    t.diagnostic(`outage ${outage_ms} ms`);
    assert.ok(outage_ms <= TAKEOVER_MS, `${outage_ms} ms`);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the witness is restarted while one node alone is left: it knows what it gave, and the owner goes on", async () => {
    const owner = await client.steady();
    await endWitness();
    startWitness();
    await says(/1 clusters served, 0 not/);
    assert.doesNotMatch(log, /abstains/);
    assert.equal(await client.steady(undefined), owner);
    assert.deepEqual(await cluster.violations(), []);
  });

  test("the witness is frozen for a lease and goes on: the owner loses its majority, and nobody else answers", async () => {
    const owner = await client.steady();
    witness?.kill("SIGSTOP");
    await until("the owner is alone", async () => !(await cluster.status(owner)).quorum);
    witness?.kill("SIGCONT");
    assert.equal(await client.steady(), owner);
    assert.deepEqual(await cluster.violations(), []);
  });
});
