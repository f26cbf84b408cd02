/** Who has the key and is not who he says: a cloned machine, a member with a damaged memory. Nothing moves, everybody hears of him. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import { newNode, type NodeState, step } from "@holdfast/core/node.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, KernelId, NodeName } from "@holdfast/core/units/names.ts";
import { instant } from "@holdfast/core/units/time.ts";

const BEAT_MS = 20;

function settled(groups: readonly string[] = ["web"]): VirtualCluster {
  const world = new VirtualCluster(clusterOf(3, groups, DEFAULT_TIMES), 3);
  world.startAll();
  world.run(3000);
  return world;
}

function told(world: VirtualCluster, node: string, code: string): readonly string[] {
  return world
    .node(node)
    .events.filter((event) => event.code === code)
    .map(({ text }) => text);
}

/** Another machine with the configuration, the keys and the name of a node; it hears what the node hears. */
class Clone {
  readonly state: NodeState;
  readonly #world: VirtualCluster;
  /** What it asked its kernel for. */
  readonly commits: Effect[] = [];
  readonly events: string[] = [];

  constructor(world: VirtualCluster, name: string, boot: string) {
    this.#world = world;
    const beginning = { boot: boot as BootId, kernel: "cfcfcfcfcfcfcfcf" as KernelId, seed: 99, drained: undefined };
    const nothing = { records: undefined, open: new Set<GroupName>(), interfacesDown: [], wallOffset_ms: 0 };
    const { cluster } = world;
    this.state = newNode({ ...beginning, ...nothing, cluster, node: name as NodeName }, instant(world.now));
    world.trace = (node, input) => {
      if (node.name === name && input.kind === "heartbeat") world.at(0.01, () => this.take(input));
    };
    this.#beat();
  }

  #beat(): void {
    this.take({ kind: "tick" });
    this.#world.at(BEAT_MS, () => this.#beat());
  }

  take(input: Input): void {
    const inputs: Input[] = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const effect of step(this.state, next, instant(this.#world.now))) {
        if (effect.kind === "flush") inputs.push({ kind: "flush" });
        if (effect.kind === "commit") this.commits.push(effect);
        if (effect.kind === "record") this.events.push(effect.event.code);
        if (effect.kind === "send") this.#say(effect.to, effect);
      }
    }
  }

  #say(to: NodeName, { links, heartbeat }: Extract<Effect, { kind: "send" }>): void {
    for (const link of links) {
      const source = "10.0.0.1 (02:66:66:66:66:66)";
      this.#world.at(0.2, () => this.#world.input(to, { kind: "heartbeat", link, heartbeat, source }));
    }
  }
}

test("a clone of the owner is not answered: the owner goes on, and every node names the peer and both boots", () => {
  const world = settled();
  const boot = world.node("n1").daemon?.boot;
  const before = { ...world.checkers.owners.counts };
  const clone = new Clone(world, "n1", "bfbfbfbfbfbfbfbf");
  world.run(20_000);
  assert.equal(world.owner("web"), "n1");
  assert.deepEqual(world.checkers.owners.counts, before);
  assert.deepEqual(clone.commits, []);
  assert.equal(clone.state.quorum, false);
  for (const node of ["n2", "n3"]) {
    const [text, ...more] = told(world, node, "node-cloned").filter((each) => each.includes(`counts`));
    assert.ok(text !== undefined, `${node} tells`);
    assert.match(
      text,
      new RegExp(`two machines call themselves n1: boot ${boot}.* counts; boot bfbfbfbfbfbfbfbf on .* from 10.0.0.1`),
    );
    // Of each teller one: from itself and by gossip.
    assert.ok(more.length <= 1);
    assert.equal(told(world, node, "node-dead").length, 0);
  }
  assert.ok(told(world, "n1", "node-cloned").length > 0, "n1 hears of it too");
  assert.deepEqual(world.violations, []);
});

test("when the first is silent the clone takes its name over, once; when the first is back it is the one that is not answered", () => {
  const world = settled();
  const clone = new Clone(world, "n1", "bfbfbfbfbfbfbfbf");
  world.run(5000);
  world.stop("n1");
  world.run(3000);
  const peer = () => world.node("n2").daemon?.state.peers.get("n1" as NodeName);
  assert.equal(peer()?.boot, "bfbfbfbfbfbfbfbf");
  world.continue("n1");
  world.run(10_000);
  assert.equal(peer()?.boot, "bfbfbfbfbfbfbfbf", "no flapping between the two");
  assert.equal(peer()?.formerBoots.length, 1);
  assert.deepEqual(clone.commits, []);
  // A clone votes in the node's name, after it has abstained; its votes are in no book of the checkers (I3).
  assert.deepEqual(
    world.violations.filter((text) => !text.includes(" I3: ")),
    [],
  );
});

test("a rebooted machine is no clone: it is taken up as soon as the one before is silent", () => {
  const world = settled();
  world.powerOff("n3");
  world.run(1000);
  world.start("n3");
  world.run(7000);
  for (const node of ["n1", "n2"]) assert.deepEqual(told(world, node, "node-cloned"), []);
  assert.equal(world.node("n1").daemon?.state.peers.get("n3" as NodeName)?.alive, true);
});

const NONSENSE: readonly (readonly [
  title: string,
  said: RegExp,
  change: (heartbeat: Heartbeat) => Partial<Heartbeat>,
])[] = [
  ["events that have not happened", /has events that have not happened/, () => ({ eventsSeen: 0xffff_ffff })],
  ["a message number far ahead", /number of its message is far ahead/, () => ({ message: 2 ** 47 })],
  [
    "an echo of what was not sent",
    /heard a message that was not sent/,
    () => ({ echo: { message: 2 ** 40, held_us: 1 } }),
  ],
  [
    "an impossible term",
    /a ballot that is far ahead/,
    ({ node, boot, kernel }) => {
      const ballot = { round: 0xffff_fff0, node, boot };
      return { lease: [{ kind: "prepare", group: "web" as GroupName, ballot, holder: { node, kernel } }] };
    },
  ],
  [
    "groups that its configuration does not have",
    /a group that its configuration does not have/,
    ({ groups }) => {
      const [group] = groups;
      if (group === undefined) return {};
      return { groups: Array.from({ length: 10_000 }, (_, i) => ({ ...group, group: `x${i}` as GroupName })) };
    },
  ],
];

for (const [title, said, change] of NONSENSE) {
  test(`a member says ${title}: nothing moves, nothing grows, the event names it, once a minute`, () => {
    const world = settled();
    // What left a configuration may be reported a while longer.
    world.run(61_000);
    const before = { ...world.checkers.owners.counts };
    let last: Extract<Input, { kind: "heartbeat" }> | undefined;
    let done = false;
    world.trace = (node, input) => {
      if (node.name !== "n1" || input.kind !== "heartbeat" || input.heartbeat.node !== "n3") return;
      if (input.heartbeat.groups.length > 0 && !done) last = input;
    };
    world.run(300);
    assert.ok(last !== undefined);
    done = true;
    for (let i = 0; i < 50; i++) {
      const { heartbeat, link } = last;
      const message = heartbeat.message + 1000 + i;
      world.input("n1", {
        kind: "heartbeat",
        link,
        heartbeat: { ...heartbeat, message, lease: [], ...change(heartbeat) },
      });
      world.run(100);
    }
    world.run(10_000);
    const texts = told(world, "n2", "peer-nonsense").filter((text) => text.startsWith("n3 ") && said.test(text));
    assert.equal(texts.length, 1, JSON.stringify(told(world, "n2", "peer-nonsense")));
    assert.match(texts[0] ?? "", /^n3 \(boot /);
    assert.equal(world.owner("web"), "n1");
    assert.deepEqual(world.checkers.owners.counts, before);
    const peer = world.node("n1").daemon?.state.peers.get("n3" as NodeName);
    assert.equal(peer?.alive, true);
    assert.ok((peer?.groups.size ?? 0) <= 1);
    assert.deepEqual(world.violations, []);
  });
}
