/** One unprivileged process without the addon votes for a hundred clusters, and what an operator does wrong costs the others nothing. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CONFIG_NAME, KEYS_NAME } from "./entries.ts";
import { clusterName, configText, SimulatedNode, type SimulatedOptions, writeClusters } from "./simulated-nodes.ts";
import { WITNESS_ENTRY, WITNESS_FLAGS } from "../processes.ts";

const CLUSTERS = 100;
const KILLED = 10;
const NOBODY = 65_534;
const PRIORITY = -15;
/** Where root may, the witness is stripped of everything that root is. */
const STRIPPED = [
  "setpriv",
  "--no-new-privs",
  "--inh-caps=-all",
  "--bounding-set=-all",
  "--clear-groups",
  `--regid=${NOBODY}`,
  `--reuid=${NOBODY}`,
];

class WitnessProcess {
  readonly child: ChildProcess;
  log = "";

  constructor(root: string, state: string, port: number) {
    const command = [process.execPath, ...WITNESS_FLAGS, WITNESS_ENTRY, root, "--listen", `127.0.0.1:${port}`];
    const stripped = process.geteuid?.() === 0 ? STRIPPED : [];
    const [program, ...args] = [...stripped, ...command, "--state-dir", state];
    this.child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.log += text));
  }

  async says(words: RegExp, limit_ms = 30_000): Promise<void> {
    await until(
      () => words.test(this.log),
      limit_ms,
      () => `the witness says ${words}: ${this.log.slice(-2000)}`,
    );
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }

  status(field: string): string {
    const text = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
  }
}

async function until(holds: () => boolean, limit_ms: number, what: () => string): Promise<void> {
  for (const end = performance.now() + limit_ms; !holds();) {
    if (performance.now() > end) assert.fail(`not within ${limit_ms} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("a witness of many clusters", () => {
  // Not below one directory that others may not enter: the witness is nobody.
  const room = mkdtempSync(join(tmpdir(), "holdfast-witness-"));
  const options: SimulatedOptions = {
    room,
    port: 20_000 + (process.pid % 10_000),
    clusters: CLUSTERS,
    // All in three processes of a machine that has other things to do.
    heartbeat_ms: 1000,
    dead_ms: 5000,
  };
  const state = join(room, "votes");
  const nodes = new Map<string, SimulatedNode>();
  let root: string;
  let witness: WitnessProcess;

  const giveAway = (path: string): void => {
    if (process.geteuid?.() === 0) chownSync(path, NOBODY, NOBODY);
  };
  const node = (cluster: number, name: string): SimulatedNode => {
    const found = nodes.get(`${cluster} ${name}`);
    if (found === undefined) throw new Error(`no ${name} in cluster ${cluster}`);
    return found;
  };
  const owner = (cluster: number): string =>
    ["n1", "n2"].filter((name) => nodes.get(`${cluster} ${name}`)?.open === true).join(" and ");
  /** Every one of them was seen to have an owner since this was made. */
  const owned = (from: number, to: number): (() => boolean) => {
    const seen = new Set<number>();
    return () => {
      for (let i = from; i < to; i++) if (owner(i) !== "") seen.add(i);
      return seen.size === to - from;
    };
  };
  const begin = (cluster: number): void => {
    for (const name of ["n1", "n2"]) nodes.set(`${cluster} ${name}`, new SimulatedNode(cluster, name, options));
  };

  before(async () => {
    // Two hundred nodes in this process: tests beside it must not keep it from renewing. The witness inherits it.
    if (process.geteuid?.() === 0) setPriority(PRIORITY);
    chmodSync(room, 0o755);
    root = writeClusters(options);
    for (const directory of readdirSync(root)) giveAway(join(root, directory, KEYS_NAME));
    mkdirSync(state, { mode: 0o700 });
    giveAway(state);
    // The last cluster's file is wrong.
    writeFileSync(
      join(root, clusterName(CLUSTERS - 1), CONFIG_NAME),
      configText(CLUSTERS - 1, options).replace("prefer:", "prefr:"),
    );
    witness = new WitnessProcess(root, state, options.port);
    await witness.says(/99 clusters served, 1 not/);
    for (let i = 0; i < CLUSTERS; i++) begin(i);
  });
  after(async () => {
    for (const each of nodes.values()) each.kill();
    await witness.end();
    rmSync(room, { recursive: true });
  });

  test("has no capability, is not root, and loads no addon of ours", () => {
    assert.doesNotMatch(readFileSync(`/proc/${witness.child.pid}/maps`, "utf8"), /holdfast\.node/);
    if (process.geteuid?.() !== 0) return;
    assert.deepEqual(
      ["CapEff", "CapPrm", "CapBnd"].map((field) => witness.status(field)),
      Array(3).fill("0".repeat(16)),
    );
    assert.equal(witness.status("Uid"), Array(4).fill(NOBODY).join("\t"));
  });

  test("a cluster whose file is wrong is reported with its line; all others have an owner", async () => {
    assert.match(witness.log, /c99 is not taken: .*c99\/holdfast\.yaml:11:\d+: error: unknown key "prefr"/);
    await until(owned(0, CLUSTERS - 1), 80_000, () => "99 owners");
  });

  test("corrected and read again at SIGHUP it is served; the others go on undisturbed", async () => {
    const before = owner(0);
    const { log } = witness;
    writeFileSync(join(root, clusterName(CLUSTERS - 1), CONFIG_NAME), configText(CLUSTERS - 1, options));
    witness.child.kill("SIGHUP");
    await witness.says(/100 clusters served, 0 not/);
    assert.match(witness.log.slice(log.length), /c99: w of cluster c99, .*abstains at first/);
    assert.equal(owner(0), before);
    await until(owned(CLUSTERS - 1, CLUSTERS), 80_000, () => "an owner of the last cluster");
  });

  test("owners die in several clusters at once: with its vote the others take over there, and nothing moves elsewhere", async () => {
    const owners = Array.from({ length: CLUSTERS }, (_, i) => owner(i));
    for (let i = 0; i < KILLED; i++) {
      node(i, owners[i] ?? "").kill();
      nodes.delete(`${i} ${owners[i]}`);
    }
    await until(owned(0, KILLED), 30_000, () => "their successors");
    assert.deepEqual(
      Array.from({ length: CLUSTERS - KILLED }, (_, i) => owner(i + KILLED)),
      owners.slice(KILLED),
    );
  });

  test("restarted it knows what it gave, abstains nowhere, and the survivors of two nodes keep their groups", async () => {
    await witness.end();
    witness = new WitnessProcess(root, state, options.port);
    await witness.says(/100 clusters served, 0 not/);
    // The one that was added last may not have been there for long enough.
    assert.doesNotMatch(witness.log, /c(\d|[1-8]\d|9[0-8]): .*abstains/);
    await until(owned(0, CLUSTERS), 30_000, () => "100 owners");
  });

  test("datagrams of nobody, of other clusters and with a wrong key are dropped", async () => {
    const stranger = new SimulatedNode(CLUSTERS, "n1", options);
    nodes.set(`${CLUSTERS} n1`, stranger);
    await witness.says(/datagrams of clusters that are not served were dropped/, 70_000);
    assert.equal(stranger.open, false);
  });

  test("a second witness on the port does not start", async () => {
    const second = new WitnessProcess(root, state, options.port);
    const code = await new Promise((resolve) => second.child.once("close", resolve));
    assert.equal(code, 1);
    assert.match(second.log, /cannot listen on 127\.0\.0\.1 port \d+: .*EADDRINUSE/);
  });
});
