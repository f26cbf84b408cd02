/** What one node does, in which order: failures are known before what hangs on them is sent; who is believed; what is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { newNode, nextDeadline, type NodeState, step, viewOf } from "@holdfast/core/node.ts";
import type { Effect, Input, VoterRecord } from "@holdfast/core/effects.ts";
import type { Heartbeat, LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import { after, type Instant, instant } from "@holdfast/core/units/time.ts";

const web = "web" as GroupName;
const db = "db" as GroupName;
const lan = "lan" as LinkName;
const priv = "priv" as LinkName;
const cluster = clusterOf(3, ["web", "db"], DEFAULT_TIMES);

/** n1, driven by hand: its effects are only looked at. */
class OneNode {
  now: Instant = instant(10_000);
  readonly state: NodeState;
  #message = 0;

  constructor(
    open: readonly GroupName[] = [],
    records: ReadonlyMap<GroupName, VoterRecord> = new Map(),
    crashes: readonly Instant[] = [],
  ) {
    this.state = newNode(
      {
        cluster,
        node: "n1" as NodeName,
        boot: "b1" as BootId,
        kernel: "k1" as KernelId,
        seed: 1,
        records,
        open: new Set(open),
        crashes,
        drained: undefined,
        interfacesDown: [],
        wallOffset_ms: 0,
      },
      this.now,
    );
  }

  step(input: Input): readonly Effect[] {
    return step(this.state, input, this.now);
  }

  /** Every flush comes back, and everything succeeds. */
  settle(effects: readonly Effect[]): readonly Effect[] {
    const all = [...effects];
    for (const effect of all) {
      if (effect.kind === "flush") all.push(...this.step({ kind: "flush" }));
      if (effect.kind === "commit") all.push(...this.step({ ...effect, kind: "committed" }));
      if (effect.kind === "close") all.push(...this.step({ kind: "closed", group: effect.group }));
    }
    return all;
  }

  heartbeat(from: string, lease: readonly LeaseEntry[], more: Partial<Heartbeat> = {}): Heartbeat {
    this.#message += 1;
    return {
      version: 2,
      speaks: 2,
      node: from as NodeName,
      boot: `b-${from}` as BootId,
      kernel: `k-${from}` as KernelId,
      generation: 1,
      digest: cluster.digest,
      toBoot: "b1" as BootId,
      message: this.#message,
      extra: lease.length > 0,
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
      ...more,
    };
  }

  hear(from: string, lease: readonly LeaseEntry[], more: Partial<Heartbeat> = {}, link = lan): readonly Effect[] {
    return this.step({ kind: "heartbeat", link, heartbeat: this.heartbeat(from, lease, more) });
  }

  wait(duration_ms: number): readonly Effect[] {
    const effects: Effect[] = [];
    const end = after(this.now, duration_ms);
    for (;;) {
      const next = nextDeadline(this.state, this.now);
      if (next > end) break;
      this.now = next > this.now ? next : this.now;
      effects.push(...this.settle(this.step({ kind: "tick" })));
    }
    this.now = end;
    return effects;
  }

  /** n1 owns both groups. */
  own(): void {
    for (let i = 0; i < 20; i++) {
      this.wait(50);
      for (const from of ["n2", "n3"]) this.settle(this.hear(from, this.answers()));
      if ([web, db].every((name) => this.owns(name))) return;
    }
    throw new Error("n1 does not own its groups");
  }

  owns(name: GroupName): boolean {
    const lease = this.state.groups.get(name)?.lease.state;
    return lease?.role === "holding" && !lease.first && this.now < lease.openUntil;
  }

  /** What a voter that agrees with everything answers now. */
  answers(): LeaseEntry[] {
    const answers: LeaseEntry[] = [];
    for (const [group, { lease }] of this.state.groups) {
      if (lease.state.role === "preparing") answers.push({ kind: "promise", group, ballot: lease.state.ballot });
      if (lease.state.role === "holding")
        answers.push({ kind: "grant", group, ballot: lease.state.ballot, number: lease.state.number });
    }
    return answers;
  }
}

function propose(group: GroupName, number: number, from = "n2", round = 50): LeaseEntry {
  return {
    kind: "propose",
    group,
    ballot: { round, node: from as NodeName, boot: `b-${from}` as BootId },
    number,
    holder: { node: from as NodeName, kernel: `k-${from}` as KernelId },
    lease_ms: 300,
  };
}

function sent(effects: readonly Effect[], kind: LeaseEntry["kind"]): LeaseEntry[] {
  return effects
    .flatMap((effect) => (effect.kind === "send" ? effect.heartbeat.lease : []))
    .filter((entry) => entry.kind === kind);
}

function kinds(effects: readonly Effect[]): string[] {
  return effects.map((effect) => effect.kind);
}

test("V2, V8: the record is saved before the grant leaves, and the grant leaves in the same turn", () => {
  const node = new OneNode();
  const effects = node.hear("n2", [propose(web, 1)]);
  const order = kinds(effects).filter((kind) => !["record", "probe", "countFrames"].includes(kind));
  assert.deepEqual(order, ["saveVotes", "flush"]);
  assert.deepEqual(sent(effects, "grant"), []);
  assert.ok(sent(node.step({ kind: "flush" }), "grant").length > 0);
});

test("V2: two records not saved: neither grant leaves, whatever is told between them", () => {
  const node = new OneNode();
  node.hear("n2", [propose(web, 1), propose(db, 2)]);
  const effects = [
    ...node.step({ kind: "saveFailed", group: web, detail: "no space" }),
    ...node.step({ kind: "saveFailed", group: db, detail: "no space" }),
    ...node.step({ kind: "flush" }),
  ];
  assert.deepEqual(sent(effects, "grant"), []);
});

test("V2: a repeat of a request whose record was not saved is granted only after it is saved", () => {
  const node = new OneNode();
  node.hear("n2", [propose(web, 1)]);
  node.step({ kind: "saveFailed", group: web, detail: "no space" });
  node.step({ kind: "flush" });
  assert.deepEqual(kinds(node.hear("n2", [propose(web, 1)])), ["saveVotes", "flush"]);
  assert.equal(sent(node.step({ kind: "flush" }), "grant").length, 1);
});

test("F1: a commit's outcome told between a failed arm and its request does not let the request out", () => {
  const node = new OneNode();
  node.own();
  const [webLease, dbLease] = [node.state.groups.get(web)?.lease.state, node.state.groups.get(db)?.lease.state];
  assert.ok(webLease?.role === "holding" && dbLease?.role === "holding");
  node.now = after(node.now, 100);
  let effects = node.step({ kind: "tick" });
  assert.ok(kinds(effects).includes("arm"));
  effects = [
    ...node.step({ kind: "addressesPlaced", group: db, macs: [] }),
    ...node.step({ kind: "interfaceChanged", interface: "eth9" as InterfaceName, up: false }),
    ...node.step({ kind: "armFailed", group: web, number: webLease.number, detail: "no" }),
    ...node.step({ kind: "flush" }),
  ];
  assert.deepEqual([...new Set(sent(effects, "propose").map((entry) => entry.group))], [db]);
});

test("V9: a heartbeat's grant of one group is none of another", () => {
  const node = new OneNode();
  node.own();
  node.wait(100);
  const effects = node.hear(
    "n2",
    node.answers().filter((entry) => entry.group === web),
  );
  const committed = effects.flatMap((effect) => (effect.kind === "commit" ? [effect.group] : []));
  assert.ok(!committed.includes(db));
});

test("V3: entries of another generation, and those sent to another boot, count nothing", () => {
  const node = new OneNode();
  node.hear("n2", []);
  for (const more of [{ generation: 2 }, { toBoot: "b0" as BootId }, { toBoot: undefined }]) {
    const effects = node.settle(node.hear("n2", [propose(web, 1)], more));
    assert.deepEqual(sent(effects, "grant"), []);
    assert.equal(node.state.groups.get(web)?.record.accepted, undefined);
  }
});

test("a node asks for itself only: a propose for another holder is ignored", () => {
  const node = new OneNode();
  const effects = node.settle(node.hear("n3", [propose(web, 1, "n2")]));
  assert.deepEqual([...sent(effects, "grant"), ...sent(effects, "refuse")], []);
});

test("a peer's new boot is believed only after it named ours, and a late datagram of the one before changes nothing", () => {
  const node = new OneNode();
  const peer = node.state.peers.get("n2" as NodeName);
  assert.ok(peer);
  node.hear("n2", [], { boot: "old" as BootId });
  assert.equal(peer.boot, "old");
  const effects = node.hear("n2", [], { boot: "new" as BootId, toBoot: undefined });
  assert.equal(peer.boot, "old");
  assert.ok(effects.some((effect) => effect.kind === "send" && effect.heartbeat.toBoot === "new"));
  node.hear("n2", [], { boot: "new" as BootId });
  assert.equal(peer.boot, "new");
  node.hear("n2", [propose(web, 1)], { boot: "old" as BootId });
  assert.equal(peer.boot, "new");
  assert.equal(node.state.groups.get(web)?.record.accepted, undefined);
});

test("a copy of a message on the second link counts for that link only", () => {
  const node = new OneNode();
  const heartbeat = node.heartbeat("n2", [propose(web, 1)]);
  node.settle(node.step({ kind: "heartbeat", link: lan, heartbeat }));
  const peer = node.state.peers.get("n2" as NodeName);
  assert.equal(peer?.links.get(priv)?.lastHeard, undefined);
  assert.deepEqual(node.step({ kind: "heartbeat", link: priv, heartbeat }), []);
  assert.equal(peer?.links.get(priv)?.lastHeard, node.now);
});

test("stall honesty: the gap counts against nobody, and makes nobody seem alive longer than heard", () => {
  const node = new OneNode();
  node.hear("n2", []);
  node.hear("n3", []);
  node.wait(90);
  node.now = after(node.now, 60_000);
  // n2's datagram was waiting in the socket and is taken before the timer.
  node.hear("n2", []);
  node.settle(node.step({ kind: "tick" }));
  assert.equal(node.state.peers.get("n3" as NodeName)?.alive, true);
  node.wait(400);
  assert.equal(node.state.peers.get("n2" as NodeName)?.alive, false);
  assert.equal(node.state.peers.get("n3" as NodeName)?.alive, false);
});

test("C12: a heartbeat that comes before the timer after a freeze finds the lease checked and the request forgotten", () => {
  const node = new OneNode();
  node.own();
  node.wait(100);
  const grants = node.answers();
  nextDeadline(node.state, node.now);
  node.now = after(node.now, 400);
  const effects = node.settle(node.hear("n2", [...grants, propose(web, 1)]));
  assert.deepEqual(kinds(effects).slice(0, 2), ["stopAnnouncing", "record"]);
  assert.ok(!kinds(effects).includes("commit"), "a grant from before the freeze counted");
  assert.deepEqual(sent(effects, "propose"), []);
  // As a voter it is free to answer, and does.
  assert.equal(sent(effects, "grant").length, 1);
  const [before] = grants;
  const after_ = node.settle(node.step({ kind: "tick" }));
  assert.ok(before?.kind === "grant");
  for (const entry of sent(after_, "propose")) assert.ok(entry.kind === "propose" && entry.number > before.number + 1);
});

test("C12: a daemon frozen beyond its patience closes the fence before it sends anything", () => {
  const node = new OneNode();
  node.own();
  nextDeadline(node.state, node.now);
  node.now = after(node.now, 10_000);
  const order = kinds(node.settle(node.hear("n2", [])));
  const [closed, sends] = [order.indexOf("close"), order.indexOf("send")];
  assert.ok(closed >= 0 && (sends < 0 || closed < sends), order.join(" "));
});

test("C12: frozen between arming and sending, the request does not leave; nor does a late confirmation open anything", () => {
  const node = new OneNode();
  node.own();
  node.now = nextDeadline(node.state, node.now);
  let effects = node.step({ kind: "tick" });
  while (!kinds(effects).includes("arm")) {
    node.settle(effects);
    node.now = nextDeadline(node.state, node.now);
    effects = node.step({ kind: "tick" });
  }
  node.now = after(node.now, 1000);
  assert.deepEqual(sent(node.step({ kind: "flush" }), "propose"), []);
  assert.ok(!node.owns(web));
  node.settle(node.step({ kind: "committed", group: web, number: node.state.counters.number }));
  assert.ok(!node.owns(web));
});

const heldByDaemonBefore = (): ReadonlyMap<GroupName, VoterRecord> => {
  const ballot = { round: 5, node: "n1" as NodeName, boot: "b0" as BootId };
  const holder = { node: "n1" as NodeName, kernel: "k1" as KernelId };
  return new Map([[web, { promised: ballot, accepted: { ballot, holder, number: 1, expires: 10_250 }, closed: [] }]]);
};

test("the third crash in a minute: what was left open is closed, then released under its ballot, and nothing is asked for", () => {
  const node = new OneNode([web], heldByDaemonBefore(), [instant(2000), instant(5000), instant(10_000)]);
  const first = node.step({ kind: "tick" });
  assert.deepEqual(sent(first, "release"), []);
  const effects = [...first, ...node.settle([])];
  assert.ok(kinds(effects).indexOf("close") >= 0);
  for (const from of ["n2", "n3"]) effects.push(...node.settle(node.hear(from, [])));
  effects.push(...node.settle(node.step({ kind: "closed", group: web })), ...node.wait(2000));
  const [release] = sent(effects, "release");
  assert.ok(release?.kind === "release" && release.ballot.boot === "b0" && release.ballot.round === 5);
  assert.ok(effects.some((effect) => effect.kind === "placeAddresses" && effect.group === web && !effect.wanted));
  assert.ok(effects.some((effect) => effect.kind === "record" && effect.event.code === "crashing"));
  assert.deepEqual([...sent(effects, "prepare"), ...sent(effects, "propose")], []);
});

test("after three crashes a minute without another makes the node eligible again", () => {
  const node = new OneNode([], new Map(), [instant(2000), instant(5000), instant(9_000)]);
  node.wait(58_000);
  assert.equal(viewOf(node.state, node.now).groups[0]?.candidates[0]?.ineligible, "crashing");
  const effects = node.wait(2000);
  assert.equal(viewOf(node.state, node.now).groups[0]?.candidates[0]?.ineligible, "");
  assert.ok(effects.some((effect) => effect.kind === "record" && effect.event.code === "crashing-over"));
});

test("two crashes: the restarted daemon asks again for what it held", () => {
  const node = new OneNode([web], heldByDaemonBefore(), [instant(5000), instant(10_000)]);
  node.settle(node.step({ kind: "tick" }));
  assert.equal(node.state.groups.get(web)?.lease.state.role, "preparing");
});

test("a machine that stood still closes everything before it says anything, gives it back and asks anew", () => {
  const node = new OneNode();
  node.own();
  const paused = node.step({ kind: "paused", for_ms: 30_000 });
  const closing = paused.flatMap((effect) => (effect.kind === "close" ? [effect.group] : []));
  assert.deepEqual(closing, [web, db]);
  assert.ok(!kinds(paused).includes("send"));
  const effects = node.settle(paused);
  assert.ok(!node.owns(web) && !node.owns(db));
  const after_ = [...effects, ...node.wait(100)];
  assert.deepEqual(new Set(sent(after_, "release").map((entry) => entry.group)), new Set([web, db]));
  assert.deepEqual(sent(after_, "propose"), []);
  node.own();
});

test("a move that the end of the lease overtakes is over: the group can be moved again", () => {
  const node = new OneNode();
  node.own();
  const ready = {
    group: web,
    fence: "closed",
    ineligible: "",
    owner: undefined,
    ballot: undefined,
    remaining_ms: 0,
    adapter: 0,
    pause: { stamp: 0, remaining_ms: 0 },
  } as const;
  node.wait(500);
  node.settle(node.hear("n2", [], { groups: [ready] }));
  node.settle(
    node.step({
      kind: "request",
      request: 1,
      target: "n1" as NodeName,
      action: { kind: "move", group: web, target: "n2" as NodeName },
      timeout_ms: 10_000,
    }),
  );
  assert.ok(node.state.groups.get(web)?.move !== undefined, "the move did not begin");
  const effects = node.wait(150);
  assert.notEqual(node.state.groups.get(web)?.lease.state.role, "holding");
  assert.equal(node.state.groups.get(web)?.move, undefined);
  assert.ok(effects.some((effect) => effect.kind === "reply" && effect.code === "failed"));
});

test("C10: addresses that the daemon before left go when its fence has ended and this one does not hold the group", () => {
  const node = new OneNode([web]);
  const early = node.wait(200);
  assert.ok(!early.some((effect) => effect.kind === "placeAddresses" && !effect.wanted));
  const late = node.wait(200);
  assert.ok(late.some((effect) => effect.kind === "placeAddresses" && effect.group === web && !effect.wanted));
});

test("C10: a lease of this kernel does not delay the next try of a restarted daemon", () => {
  const ballot = { round: 5, node: "n1" as NodeName, boot: "b0" as BootId };
  const holder = { node: "n1" as NodeName, kernel: "k1" as KernelId };
  const record = { promised: ballot, accepted: { ballot, holder, number: 1, expires: 10_300 }, closed: [] };
  const node = new OneNode([], new Map([[web, record]]));
  assert.equal(nextDeadline(node.state, node.now), node.now);
  node.settle(node.step({ kind: "tick" }));
  const state = node.state.groups.get(web)?.lease.state;
  assert.equal(state?.role, "preparing");
  node.state.nextBeat = after(node.now, 1000);
  node.state.groups.get(web)!.lease.state = { role: "idle", notBefore: after(node.now, 3), ranked: true };
  assert.equal(nextDeadline(node.state, node.now), after(node.now, 3));
});
