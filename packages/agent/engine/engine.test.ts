/** The engine's turn with scripted adapters: effects in order, results before other inputs, failures before what hangs on them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Adapters, Engine } from "./engine.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import { newNode } from "@holdfast/core/node.ts";
import type { Heartbeat, LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import { type Instant, instant, milliseconds } from "@holdfast/core/units/time.ts";

const NAMES = ["n1", "n2", "n3"] as NodeName[];
const GROUPS = ["web", "db"] as GroupName[];
const lan = "lan" as LinkName;

const cluster: Cluster = {
  name: "test",
  generation: 1,
  digest: "0000abcd",
  timing: {
    heartbeat: milliseconds(100),
    dead: milliseconds(300),
    window: milliseconds(48),
    keep: milliseconds(236),
    jiffy: milliseconds(4),
  },
  links: [{ kind: "udp", name: lan, port: 7400 }],
  nodes: NAMES.map((name, i) => ({
    name,
    role: "member",
    links: { lan: `10.0.0.${i + 1}` as IpAddress },
    interfaces: { service: "eth0" as InterfaceName },
  })),
  groups: GROUPS.map((name, i) => ({
    name,
    addresses: [{ address: `10.0.0.${100 + i}` as IpAddress, prefixLength: 24, interfaces: ["service"] }],
    prefer: NAMES,
    failback: { kind: "manual" },
    settle: milliseconds(10_000),
    drain: milliseconds(0),
  })),
  keys: "/nowhere",
  seal: "encrypt",
};

/** n1, all of whose adapters only write down what they were asked. */
class Scripted {
  now: Instant = instant(10_000);
  readonly log: string[] = [];
  readonly failing = new Set<string>();
  /** Run once, inside the next adapter that is called. */
  meanwhile: (() => void) | undefined;
  wakeAt: Instant = instant(0);
  readonly engine: Engine;
  #message = 0;

  constructor() {
    const state = newNode(
      {
        cluster,
        node: "n1" as NodeName,
        boot: "b1" as BootId,
        kernel: "k1" as KernelId,
        seed: 1,
        records: new Map(),
        open: new Set(),
        drained: undefined,
        interfacesDown: [],
        wallOffset_ms: 0,
      },
      this.now,
    );
    const outcome = (what: string) => {
      this.log.push(what);
      this.#interrupt();
      return this.failing.has(what.split(" ")[0] ?? "") ? failure("scripted") : success(undefined);
    };
    const nothing = (): void => {};
    const adapters: Adapters = {
      now: () => this.now,
      send: (to, _link, heartbeat) => {
        for (const entry of heartbeat.lease) this.log.push(`send ${entry.kind} ${entry.group} ${to}`);
        this.#interrupt();
      },
      arm: (group) => outcome(`arm ${group}`),
      commit: (group) => outcome(`commit ${group}`),
      close: (group) => outcome(`close ${group}`),
      saveVotes: ({ group }) => outcome(`saveVotes ${group}`),
      forward: (group) => outcome(`forward ${group}`),
      relay: (group) => outcome(`relay ${group}`),
      passConnections: nothing,
      resetConnections: nothing,
      placeAddresses: (group, wanted) => {
        const placed = outcome(`placeAddresses ${group} ${wanted}`);
        return placed.ok ? success([]) : placed;
      },
      announce: ({ group }) => this.log.push(`announce ${group}`),
      stopAnnouncing: nothing,
      record: ({ event }) => this.log.push(`record ${event.code}`),
      reply: nothing,
      saveDrained: nothing,
      savePauses: nothing,
      probe: nothing,
      forgetGroup: nothing,
      countFrames: () => {},
      exit: () => this.log.push("exit"),
      wakeAt: (deadline) => (this.wakeAt = deadline),
    };
    this.engine = new Engine(state, adapters);
  }

  #interrupt(): void {
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
  }

  hear(from: string, lease: readonly LeaseEntry[]): void {
    this.#message += 1;
    const heartbeat: Heartbeat = {
      version: 2,
      speaks: 2,
      node: from as NodeName,
      boot: `b-${from}` as BootId,
      kernel: `k-${from}` as KernelId,
      generation: 1,
      digest: cluster.digest,
      toBoot: "b1" as BootId,
      message: this.#message,
      extra: true,
      drained: false,
      drainReason: "",
      stopping: false,
      stalled: false,
      abstaining: false,
      reluctant: false,
      eventsSeen: 0,
      echo: undefined,
      about: undefined,
      adapters: [],
      heard: [],
      groups: [],
      lease,
      events: [],
      requests: [],
      outcomes: [],
    };
    this.engine.input({ kind: "heartbeat", link: lan, heartbeat });
  }

  /** Time goes on to the next deadline. */
  tick(): void {
    if (this.wakeAt > this.now) this.now = this.wakeAt;
    this.engine.input({ kind: "tick" });
  }

  agree(from: string): void {
    const lease: LeaseEntry[] = [];
    for (const [group, { lease: own }] of this.engine.state.groups) {
      if (own.state.role === "preparing") lease.push({ kind: "promise", group, ballot: own.state.ballot });
      if (own.state.role === "holding")
        lease.push({ kind: "grant", group, ballot: own.state.ballot, number: own.state.number });
    }
    this.hear(from, lease);
  }

  /** n1 stands for both groups and has asked for promises. */
  stand(): void {
    this.hear("n2", []);
    for (let i = 0; i < 200 && !this.roles().every((role) => role === "preparing"); i++) this.tick();
    assert.deepEqual(this.roles(), ["preparing", "preparing"]);
    this.log.length = 0;
  }

  roles(): string[] {
    return [...this.engine.state.groups.values()].map((group) => group.lease.state.role);
  }

  sends(kind: string): string[] {
    return this.log.filter((line) => line.startsWith(`send ${kind} `));
  }
}

function propose(group: GroupName): LeaseEntry {
  return {
    kind: "propose",
    group,
    ballot: { round: 50, node: "n2" as NodeName, boot: "b-n2" as BootId },
    number: 1,
    holder: { node: "n2" as NodeName, kernel: "k-n2" as KernelId },
    lease_ms: 300,
  };
}

test("F1, V2: arm comes before every propose that leaves, save before every grant", () => {
  const node = new Scripted();
  node.stand();
  node.agree("n2");
  const armed = node.log.findIndex((line) => line === "arm web");
  const asked = node.log.findIndex((line) => line.startsWith("send propose web"));
  assert.ok(armed >= 0 && asked > armed, node.log.join(", "));
  const voter = new Scripted();
  voter.hear("n2", [propose(GROUPS[0] as GroupName)]);
  const saved = voter.log.indexOf("saveVotes web");
  assert.ok(saved >= 0 && voter.log.indexOf("send grant web n2") > saved, voter.log.join(", "));
});

test("F1: a failed arm sends no propose", () => {
  const node = new Scripted();
  node.stand();
  node.failing.add("arm");
  node.agree("n2");
  assert.ok(node.log.includes("arm web") && node.log.includes("arm db"));
  assert.deepEqual(node.sends("propose"), []);
  assert.ok(node.log.includes("record fence-failed"));
});

test("V2: a failed save sends no grant, of no group of the heartbeat, and a later good one does", () => {
  const node = new Scripted();
  node.failing.add("saveVotes");
  node.hear("n2", GROUPS.map(propose));
  node.hear("n2", GROUPS.map(propose));
  assert.equal(node.log.filter((line) => line.startsWith("saveVotes")).length, 4);
  assert.deepEqual(node.sends("grant"), []);
  node.failing.clear();
  node.hear("n2", GROUPS.map(propose));
  assert.equal(node.sends("grant").length, 2);
});

test("results come before other inputs: what arrives while effects are performed waits", () => {
  const node = new Scripted();
  node.stand();
  node.failing.add("arm");
  // While the first of the turn's requests is armed, and is not, a link breaks.
  node.meanwhile = () => node.engine.input({ kind: "linkChanged", link: lan, up: false, detail: "cable" });
  node.agree("n2");
  assert.equal(node.meanwhile, undefined, "nothing interrupted");
  assert.deepEqual(node.sends("propose"), []);
  const failed = node.log.indexOf("record fence-failed");
  assert.ok(failed >= 0 && node.log.indexOf("record link-down") > failed, node.log.join(", "));
});

test("F3: a release leaves after the kernel confirmed the close; after a failed close it does not", () => {
  for (const fails of [false, true]) {
    const node = new Scripted();
    node.stand();
    node.agree("n2");
    node.agree("n2");
    assert.ok(node.log.includes("commit web"), node.log.join(", "));
    if (fails) node.failing.add("close");
    node.log.length = 0;
    node.engine.input({ kind: "interfaceChanged", interface: "eth0" as InterfaceName, up: false });
    for (let i = 0; i < 60 && !node.log.includes("close web"); i++) node.tick();
    const releases = node.sends("release");
    const closed = node.log.indexOf("close web");
    assert.ok(closed >= 0, node.log.join(", "));
    if (fails) assert.deepEqual(releases, []);
    else assert.ok(node.log.findIndex((line) => line.startsWith("send release web")) > closed);
  }
});

test("the loop is woken for the next deadline after every input", () => {
  const node = new Scripted();
  node.engine.input({ kind: "tick" });
  assert.ok(node.wakeAt > node.now && node.wakeAt <= node.now + 100);
});
