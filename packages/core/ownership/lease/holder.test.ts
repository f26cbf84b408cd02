/** The holder's rules F1, F3 and C4 to C9. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { promised, tickIdle } from "./candidate.ts";
import {
  armFailed,
  beatEnded,
  beatHolding,
  closed,
  closeFailed,
  committed,
  commitRefused,
  endHolding,
  forgetRequest,
  granted,
  requestRefused,
  tickClosing,
  tickHolding,
} from "./holder.ts";
import { ballot, node, ScriptedLease } from "./scripted-lease.ts";

const PROPOSES = ["say propose n1", "say propose n2", "say propose n3"];
const RELEASES = ["say release n1", "say release n2", "say release n3"];

/** Elected, and its first request is out. */
function elected(): ScriptedLease {
  const world = new ScriptedLease();
  tickIdle(world.lease, world.context);
  world.wait(3);
  tickIdle(world.lease, world.context);
  promised(world.lease, world.context, node("n1"));
  promised(world.lease, world.context, node("n2"));
  world.take();
  return world;
}

function grant(world: ScriptedLease, voter: string, number = world.state("holding").number): void {
  granted(world.lease, world.context, node(voter), number);
}

function open(): ScriptedLease {
  const world = elected();
  grant(world, "n1");
  grant(world, "n2");
  committed(world.lease, world.context, world.state("holding").number);
  world.take();
  return world;
}

function beat(world: ScriptedLease): void {
  world.wait(100);
  tickHolding(world.lease, world.context);
  beatHolding(world.lease, world.context);
}

test("F1: each number is armed before anything that carries it is said, and its repeats never arm again", () => {
  const world = open();
  beat(world);
  assert.deepEqual(world.take(), ["arm", ...PROPOSES]);
  world.wait(12.6);
  tickHolding(world.lease, world.context);
  assert.deepEqual(world.take(), PROPOSES);
});

test("F1: what could not be armed is not asked for again, and grants for it count nothing", () => {
  const world = open();
  beat(world);
  const { number } = world.state("holding");
  armFailed(world.lease, number);
  world.take();
  world.wait(12.6);
  tickHolding(world.lease, world.context);
  for (const voter of ["n1", "n2", "n3"]) grant(world, voter, number);
  assert.deepEqual(world.take(), []);
});

test("C4: the same number goes each h/8 to those that have not granted, inside W only", () => {
  const world = open();
  beat(world);
  const { number } = world.state("holding");
  grant(world, "n3");
  world.take();
  let repeats = 0;
  for (let i = 0; i < 7; i++) {
    world.wait(12.5);
    tickHolding(world.lease, world.context);
    assert.ok(world.said.every(({ entry }) => entry.kind === "propose" && entry.number === number));
    if (world.take().length > 0) repeats += 1;
  }
  // Four sends in all at 100/300 (L2).
  assert.equal(repeats, 3);
});

test("a grant that is not back within a third of the interval is asked for again, once, though a majority has granted", () => {
  const world = open();
  beat(world);
  const { number } = world.state("holding");
  grant(world, "n1");
  grant(world, "n2");
  world.take();
  const said: string[] = [];
  for (let i = 0; i < 7; i++) {
    world.wait(12.5);
    tickHolding(world.lease, world.context);
    for (const { to, entry } of world.said) said.push(`${entry.kind} ${to}`);
    world.take();
  }
  assert.deepEqual(said, ["propose n3"]);
  assert.equal(world.state("holding").number, number);
});

test("C4: each number is one more than the last, never from a grant", () => {
  const world = open();
  const first = world.state("holding").number;
  for (let i = 1; i <= 5; i++) {
    beat(world);
    assert.equal(world.state("holding").number, first + i);
    grant(world, "n1");
    grant(world, "n2");
    committed(world.lease, world.context, first + i);
    assert.equal(world.state("holding").number, first + i);
  }
});

test("C5: grants of the outstanding number count, one a voter; older numbers and sums over numbers do not", () => {
  const world = open();
  beat(world);
  const { number } = world.state("holding");
  world.take();
  grant(world, "n1", number - 1);
  grant(world, "n2", number - 1);
  grant(world, "n3", number);
  grant(world, "n3", number);
  grant(world, "n1", number + 1);
  grant(world, "n2", 0);
  assert.deepEqual(world.take(), []);
  beat(world);
  world.take();
  // n3 granted the number before: that is no grant of this one.
  grant(world, "n2");
  assert.deepEqual(world.take(), []);
  grant(world, "n1");
  grant(world, "n3");
  assert.deepEqual(world.take(), ["commit"]);
});

test("C5: the fence counts as open after the kernel took the commit, not before", () => {
  const world = elected();
  grant(world, "n1");
  grant(world, "n2");
  assert.deepEqual(world.take(), ["commit"]);
  commitRefused(world.lease, world.state("holding").number);
  assert.ok(world.state("holding").first);
  beat(world);
  grant(world, "n1");
  grant(world, "n2");
  world.take();
  committed(world.lease, world.context, world.state("holding").number);
  assert.deepEqual(world.told, [{ kind: "opened", first: true }]);
});

test("C6: first request held by another somewhere: closed at once, then released, then tried again within h", () => {
  const world = elected();
  const { ballot: mine } = world.state("holding");
  requestRefused(world.lease, world.context, node("n2"), world.refusal("held", 250));
  assert.deepEqual(world.take(), ["close", "tell ended"]);
  closed(world.lease, world.context);
  assert.ok(world.said.every(({ entry }) => entry.kind === "release" && entry.ballot === mine));
  assert.deepEqual(world.take(), RELEASES);
  assert.ok(world.state("idle").notBefore <= world.now + 102);
});

test("C6, C8: first request refused promised: raised above it at once, twice at most, without a prepare", () => {
  const world = elected();
  for (const round of [10, 20]) {
    world.saw(round);
    requestRefused(world.lease, world.context, node("n2"), world.refusal("promised", 0, ballot(round, "n3")));
    assert.deepEqual(world.take(), ["arm", ...PROPOSES]);
    assert.equal(world.state("holding").ballot.round, round + 1);
  }
  world.saw(30);
  requestRefused(world.lease, world.context, node("n2"), world.refusal("promised", 0, ballot(30, "n3")));
  assert.deepEqual(world.take(), []);
});

test("C6: no majority after the second number: released", () => {
  const world = elected();
  beat(world);
  assert.equal(world.role, "holding");
  world.take();
  beat(world);
  assert.deepEqual(world.take().slice(-2), ["close", "tell ended"]);
});

test("C7: without a majority it keeps asking; the fence ends by itself; a majority reopens it; after 2 T it releases", () => {
  const world = open();
  for (let i = 0; i < 3; i++) beat(world);
  assert.ok(world.take().includes("tell lapsed"));
  assert.equal(world.role, "holding");
  grant(world, "n1");
  grant(world, "n2");
  committed(world.lease, world.context, world.state("holding").number);
  assert.deepEqual(world.told, [{ kind: "opened", first: false }]);
  for (let i = 0; i < 5; i++) beat(world);
  assert.equal(world.role, "holding");
  beat(world);
  assert.equal(world.role, "closing");
  assert.equal(world.told.at(-1)?.kind, "ended");
});

test("C8: an open holder refused promised uses a higher ballot for its next number only", () => {
  const world = open();
  beat(world);
  world.take();
  world.saw(10);
  requestRefused(world.lease, world.context, node("n2"), world.refusal("promised", 0, ballot(10, "n3")));
  assert.deepEqual(world.take(), []);
  beat(world);
  assert.equal(world.state("holding").ballot.round, 11);
});

test("F3, C9: nothing is said between close and the kernel's word; then the release, each beat, to who has not confirmed", () => {
  const world = open();
  const { number } = world.state("holding");
  endHolding(world.lease, world.context, "released", world.now);
  assert.deepEqual(world.effects, [{ kind: "close", group: "web", armed: [number] }]);
  assert.deepEqual(world.said, []);
  beat(world);
  grant(world, "n1", number);
  grant(world, "n2", number);
  assert.deepEqual(world.said, []);
  closed(world.lease, world.context);
  world.take();
  const live = [node("n1"), node("n2"), node("n3")];
  world.lease.releasing?.confirmed.add(node("n1"));
  beatEnded(world.lease, world.context, live);
  assert.deepEqual(world.take(), ["say release n2", "say release n3"]);
  world.lease.releasing?.confirmed.add(node("n2")).add(node("n3"));
  beatEnded(world.lease, world.context, live);
  assert.equal(world.lease.releasing, undefined);
});

test("C9: the release is repeated for T and no longer", () => {
  const world = open();
  endHolding(world.lease, world.context, "released", world.now);
  closed(world.lease, world.context);
  world.wait(299);
  world.take();
  beatEnded(world.lease, world.context, [node("n2")]);
  assert.deepEqual(world.take(), ["say release n2"]);
  world.wait(2);
  beatEnded(world.lease, world.context, [node("n2")]);
  assert.deepEqual(world.take(), []);
});

test("F3: a close that failed: nothing is said for W + K + 20 ms, then the release", () => {
  const world = open();
  endHolding(world.lease, world.context, "released", world.now);
  closeFailed(world.lease, world.context);
  world.take();
  world.wait(48 + 236 + 19.9);
  tickClosing(world.lease, world.context);
  assert.deepEqual(world.take(), []);
  world.wait(0.2);
  tickClosing(world.lease, world.context);
  assert.deepEqual(world.take(), RELEASES);
});

test("C9: a ballot that was released is never used again", () => {
  const world = open();
  const { ballot: ended } = world.state("holding");
  endHolding(world.lease, world.context, "released", world.now);
  closed(world.lease, world.context);
  world.wait(400);
  tickIdle(world.lease, world.context);
  world.wait(3);
  tickIdle(world.lease, world.context);
  assert.ok(world.state("preparing").ballot.round > ended.round);
});

test("C12: after a stall nothing that was outstanding counts", () => {
  const world = open();
  beat(world);
  const { number } = world.state("holding");
  forgetRequest(world.state("holding"));
  world.take();
  for (const voter of ["n1", "n2", "n3"]) grant(world, voter, number);
  assert.deepEqual(world.take(), []);
});
