/** The candidate's rules C1 to C3, and what of C10 is a candidate's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prepareRefused, preparingDeadline, promised, tickIdle, tickPreparing } from "./candidate.ts";
import { ballot, holder, node, ScriptedLease, WEB } from "./scripted-lease.ts";
import type { Holder } from "./ballot.ts";
import type { VoterRecord } from "../../effects.ts";

const PREPARES = ["say prepare n1", "say prepare n2", "say prepare n3"];

function heldBy(by: Holder, expires: number): VoterRecord {
  return {
    promised: ballot(1, by.node),
    accepted: { ballot: ballot(1, by.node), holder: by, number: 1, expires },
    closed: [],
  };
}

function preparing(): ScriptedLease {
  const world = new ScriptedLease();
  tickIdle(world.lease, world.context);
  world.wait(2.1);
  tickIdle(world.lease, world.context);
  assert.equal(world.role, "preparing");
  world.take();
  return world;
}

test("C1: without a lease in the way it stands after its rank's wait: rank x 4 ms and up to 2 ms more", () => {
  for (const rank of [0, 1, 3]) {
    const world = new ScriptedLease();
    world.rank = rank;
    tickIdle(world.lease, world.context);
    assert.deepEqual(world.take(), []);
    const { notBefore } = world.state("idle");
    assert.ok(notBefore >= world.now + rank * 4 && notBefore <= world.now + rank * 4 + 2, `${notBefore}`);
    world.wait(notBefore - world.now - 0.01);
    tickIdle(world.lease, world.context);
    assert.deepEqual(world.take(), []);
    world.wait(0.02);
    tickIdle(world.lease, world.context);
    assert.deepEqual(world.take(), PREPARES);
  }
});

test("C1: it stands only when eligible, and not before its own voter's lease of another is over", () => {
  const drained = new ScriptedLease();
  drained.eligible = false;
  for (let i = 0; i < 10; i++) {
    drained.wait(100);
    tickIdle(drained.lease, drained.context);
  }
  assert.deepEqual(drained.take(), []);

  const world = new ScriptedLease();
  world.record = heldBy(holder("n2"), world.now + 150);
  tickIdle(world.lease, world.context);
  const { notBefore } = world.state("idle");
  assert.ok(notBefore >= world.now + 150 && notBefore <= world.now + 152);
  world.wait(150);
  tickIdle(world.lease, world.context);
  assert.deepEqual(world.take(), []);
  world.wait(2.1);
  tickIdle(world.lease, world.context);
  assert.deepEqual(world.take(), PREPARES);
});

test("C10: a lease of this kernel from an earlier boot is no obstacle: it stands at once", () => {
  const world = new ScriptedLease();
  world.record = heldBy(holder("n1"), world.now + 150);
  tickIdle(world.lease, world.context);
  assert.deepEqual(world.take(), PREPARES);
});

test("I5: every ballot is above all that was made or seen", () => {
  const world = new ScriptedLease();
  world.saw(40);
  tickIdle(world.lease, world.context);
  world.wait(3);
  tickIdle(world.lease, world.context);
  assert.equal(world.state("preparing").ballot.round, 41);
});

test("C2: a majority of promises makes a holder; one voter counts once", () => {
  const world = preparing();
  promised(world.lease, world.context, node("n2"));
  promised(world.lease, world.context, node("n2"));
  assert.equal(world.role, "preparing");
  promised(world.lease, world.context, node("n1"));
  assert.equal(world.role, "holding");
  assert.deepEqual(world.take(), ["arm", "say propose n1", "say propose n2", "say propose n3", "tell elected"]);
});

test("C2: promised by another: gives up, and stands again above it", () => {
  const world = preparing();
  prepareRefused(world.lease, world.context, node("n2"), world.refusal("promised", 0, ballot(9, "n3")));
  assert.ok(world.state("idle").notBefore <= world.now + 2);
  world.saw(9);
  world.wait(3);
  tickIdle(world.lease, world.context);
  assert.equal(world.state("preparing").ballot.round, 10);
});

test("C2: held for at most W yet: the same prepare again to that voter when the time is over", () => {
  const world = preparing();
  const { ballot: asked } = world.state("preparing");
  prepareRefused(world.lease, world.context, node("n2"), world.refusal("held", 5));
  assert.ok(preparingDeadline(world.state("preparing"), world.context.timing) <= world.now + 5.2);
  world.wait(5.2);
  tickPreparing(world.lease, world.context);
  assert.deepEqual(world.order, ["say prepare n2"]);
  assert.deepEqual(world.said[0]?.entry.ballot, asked);
});

test("C2: held by a majority: stands when so many are free that a majority is possible", () => {
  const world = preparing();
  prepareRefused(world.lease, world.context, node("n2"), world.refusal("held", 200));
  assert.equal(world.role, "preparing");
  prepareRefused(world.lease, world.context, node("n3"), world.refusal("held", 120));
  const { notBefore } = world.state("idle");
  assert.ok(notBefore >= world.now + 120 && notBefore <= world.now + 122, `${notBefore - world.now}`);
});

test("C2: silent voters are asked again each h/8; when nothing came it gives up and stands again", () => {
  const world = preparing();
  world.wait(12.6);
  tickPreparing(world.lease, world.context);
  assert.deepEqual(world.take(), PREPARES);
  world.wait(90);
  tickPreparing(world.lease, world.context);
  assert.equal(world.role, "idle");
  assert.ok(world.state("idle").notBefore <= world.now + 2);
});

test("C2: no longer eligible: stops standing", () => {
  const world = preparing();
  world.eligible = false;
  tickPreparing(world.lease, world.context);
  assert.equal(world.role, "idle");
});

test("C2: a voter that says it is not free for a minute is not waited for longer than any lease lasts", () => {
  const world = preparing();
  const { ballot: mine } = world.state("preparing");
  for (const voter of ["n2", "n3"]) {
    prepareRefused(world.lease, world.context, node(voter), {
      kind: "refuse",
      group: WEB,
      ballot: mine,
      promised: mine,
      owner: node("n2"),
      remaining_ms: 65_535,
      reason: "held",
    });
  }
  const { notBefore } = world.state("idle");
  assert.ok(notBefore > world.now + 5000 && notBefore < world.now + 5200, `${notBefore - world.now}`);
});
