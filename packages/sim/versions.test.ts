/** Nodes of two versions of the heartbeat in one cluster: while each is upgraded, and back (requirement E6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf, DEFAULT_TIMES } from "./scenarios/clusters.ts";
import { VirtualCluster } from "./virtual-cluster.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

const NAMES = ["n1", "n2", "n3"] as const;
const web = "web" as GroupName;

class Mixed extends VirtualCluster {
  #requests = 0;
  /** The longest time in which no fence was open, looked at in every millisecond: one of forwarding is no gap. */
  gap = 0;

  constructor(seed: number) {
    super(clusterOf(3, ["web"], DEFAULT_TIMES), seed);
    for (const name of NAMES) this.versionOne.add(name as NodeName);
    this.startAll();
    this.run(1000);
    assert.equal(this.owner("web"), "n1");
  }

  watch(duration_ms: number): void {
    for (let i = 0, gap = 0; i < duration_ms; i++) {
      this.run(1);
      gap = this.owner("web") === undefined ? gap + 1 : 0;
      this.gap = Math.max(this.gap, gap);
    }
  }

  /** As an upgrade does: what it owns is given away first; then the daemon ends, and the next one is of the other version. */
  change(name: string, toVersion1: boolean): void {
    if (this.owner("web") === name) this.moveFrom(name);
    this.input(name, { kind: "stop" });
    this.watch(500);
    assert.equal(this.node(name).daemon, undefined, `${name} did not end`);
    if (toVersion1) this.versionOne.add(name as NodeName);
    else this.versionOne.delete(name as NodeName);
    this.start(name);
    this.watch(1000);
  }

  moveFrom(name: string): void {
    this.#requests += 1;
    const before = this.#requests;
    this.ask(NAMES.find((each) => each !== name) ?? name, before, name, {
      kind: "move",
      group: web,
      target: undefined,
    });
    this.watch(500);
    const reply = NAMES.flatMap((each) => this.node(each).replies).find(({ request }) => request === before);
    assert.equal(reply?.code, "done", `${name} did not give it away: ${reply?.text}`);
  }

  /** Who is heard, and in which version each speaks to the others. */
  check(): void {
    assert.deepEqual(this.violations, []);
    for (const name of NAMES) {
      for (const [other, peer] of this.node(name).daemon?.state.peers ?? []) {
        const both = !this.versionOne.has(name as NodeName) && !this.versionOne.has(other);
        assert.notEqual(peer.boot, undefined, `${name} does not know ${other}`);
        if (!this.versionOne.has(name as NodeName)) assert.equal(peer.speaks, both ? 2 : 1, `${other} to ${name}`);
        assert.equal(peer.about !== undefined, both, `${name} of ${other}`);
        assert.equal(peer.groups.get(web)?.group, web, `${name} hears of ${other}`);
      }
    }
  }
}

for (const seed of [1, 2, 3]) {
  test(`a cluster is upgraded node by node and back, and no packet is lost (seed ${seed})`, () => {
    const world = new Mixed(seed);
    world.check();
    for (const toVersion1 of [false, true]) {
      for (const name of NAMES) {
        world.change(name, toVersion1);
        world.check();
      }
    }
    assert.ok(world.gap <= 1, `${world.gap} ms`);
  });
}

test("an owner of either version that dies is followed by one of the other", () => {
  for (const old of NAMES.slice(0, 2)) {
    const world = new Mixed(4);
    for (const name of NAMES) if (name !== old) world.change(name, false);
    if (world.owner("web") !== "n1") world.moveFrom(world.owner("web") ?? "");
    const owner = world.owner("web") ?? "";
    world.kill(owner);
    world.run(600);
    assert.ok(world.owner("web") !== undefined && world.owner("web") !== owner, `after ${owner}`);
    assert.deepEqual(world.violations, []);
  }
});

test("what version 1 does not know ends in a word for the operator, not in silence", () => {
  const world = new Mixed(5);
  world.change("n2", false);
  world.ask("n2", 900, "n1", { kind: "pause", group: web, for_ms: 60_000, reason: "test" }, 2000);
  world.run(3000);
  const reply = world.node("n2").replies.find(({ request }) => request === 900);
  assert.equal(reply?.code, "timeout");
});
