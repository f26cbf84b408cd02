/** The planned move: N1 to N4. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { promised, tickIdle } from "./candidate.ts";
import {
  forwarded,
  forwardFailed,
  offerAfterCommit,
  offerStands,
  startHandOver,
  successorReady,
  takeUpNomination,
  tickHandOver,
} from "./hand-over.ts";
import { beatEnded, closed, committed, granted, tickHolding } from "./holder.ts";
import { ballot, holder, node, ScriptedLease, WEB } from "./scripted-lease.ts";
import type { Ballot } from "./ballot.ts";
import type { Forwarding, LeaseOutcome } from "./state.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { Mac } from "../../units/mac.ts";
import type { BootId } from "../../units/names.ts";
import { after } from "../../units/time.ts";

const B = "boot-b" as BootId;
const MAC_A = "02:00:00:00:00:0a" as Mac;
const MAC_B = "02:00:00:00:00:0b" as Mac;
const MINE = "boot-1" as BootId;

function commit(world: ScriptedLease): void {
  const { number } = world.state("holding");
  granted(world.lease, world.context, node("n1"), number);
  granted(world.lease, world.context, node("n2"), number);
  committed(world.lease, world.context, number);
  offerAfterCommit(world.lease, world.context);
}

function open(): ScriptedLease {
  const world = new ScriptedLease();
  tickIdle(world.lease, world.context);
  world.wait(3);
  tickIdle(world.lease, world.context);
  promised(world.lease, world.context, node("n1"));
  promised(world.lease, world.context, node("n2"));
  commit(world);
  world.take();
  return world;
}

function ready(from: Ballot, by = "n2"): Extract<LeaseEntry, { kind: "ready" }> {
  return { kind: "ready", group: WEB, ballot: from, holder: holder(by), boot: B, macs: [] };
}

/** n2 is ready, and n1's kernel was asked to forward. */
function forwarding(): ScriptedLease {
  const world = open();
  world.macs = [MAC_A];
  startHandOver(world.lease, world.context, node("n2"));
  commit(world);
  assert.deepEqual(world.said.at(-1)?.entry, {
    kind: "offer",
    group: WEB,
    ballot: world.state("holding").ballot,
    macs: [MAC_A],
  });
  world.take();
  successorReady(world.lease, world.context, node("n2"), { ...ready(world.state("holding").ballot), macs: [MAC_B] });
  return world;
}

function kept(outcome: LeaseOutcome): Forwarding[] {
  return outcome.kind === "forwarding" ? [outcome.forwarding] : [];
}

function nomination(from: Ballot, made: Ballot, to = "n1", boot = MINE): Extract<LeaseEntry, { kind: "nominate" }> {
  return { kind: "nominate", group: WEB, fromBallot: from, ballot: made, holder: holder(to), holderBoot: boot };
}

/** n2 has offered: n1's voter holds n2's lease. */
function offered(): { world: ScriptedLease; offer: Extract<LeaseEntry, { kind: "offer" }> } {
  const world = new ScriptedLease();
  const from = ballot(5, "n2", "boot-2");
  world.record = {
    promised: from,
    accepted: { ballot: from, holder: holder("n2"), number: 3, expires: world.now + 250 },
    closed: [],
  };
  return { world, offer: { kind: "offer", group: WEB, ballot: from, macs: [] } };
}

test("N1: the offer follows a fresh commit, and only that", () => {
  const world = open();
  assert.ok(startHandOver(world.lease, world.context, node("n2")));
  assert.deepEqual(world.take(), ["arm", "say propose n1", "say propose n2", "say propose n3"]);
  commit(world);
  assert.deepEqual(world.said, [
    { to: "n2", entry: { kind: "offer", group: WEB, ballot: world.state("holding").ballot, macs: [] } },
  ]);
});

test("N1: an offer is answered only if the own voter holds exactly that lease, unexpired, and this node is idle and eligible", () => {
  const rows: [string, (world: ScriptedLease, offer: { ballot: Ballot }) => void, boolean][] = [
    ["as it should be", () => {}, true],
    ["the lease is over", (world) => world.wait(251), false],
    ["the lease was released", (world) => (world.record = { ...world.record, accepted: undefined }), false],
    [
      "a late copy for an ended lease of the same owner",
      (_, offer) => (offer.ballot = ballot(4, "n2", "boot-2")),
      false,
    ],
    ["a ballot of another owner", (_, offer) => (offer.ballot = ballot(5, "n3", "boot-3")), false],
    ["not eligible", (world) => (world.eligible = false), false],
  ];
  for (const [title, change, expected] of rows) {
    const { world, offer } = offered();
    const changed = { ...offer };
    change(world, changed);
    assert.equal(offerStands(world.lease, world.context, changed), expected, title);
  }
  const holding = open();
  const accepted = { ballot: ballot(5, "n2"), holder: holder("n2"), number: 1, expires: holding.now + 100 };
  holding.record = { promised: ballot(5, "n2"), accepted, closed: [] };
  assert.ok(
    !offerStands(holding.lease, holding.context, { kind: "offer", group: WEB, ballot: ballot(5, "n2"), macs: [] }),
  );
});

test("N2: closes first, and nominates when the kernel confirmed; then it does not stand for T", () => {
  const world = open();
  startHandOver(world.lease, world.context, node("n2"));
  commit(world);
  const { ballot: from } = world.state("holding");
  world.take();
  successorReady(world.lease, world.context, node("n2"), ready(from));
  assert.deepEqual(world.take(), ["close", "tell ended"]);
  closed(world.lease, world.context);
  const [first] = world.said;
  assert.ok(first?.entry.kind === "nominate");
  assert.deepEqual(first.entry.fromBallot, from);
  assert.ok(first.entry.ballot.round > from.round);
  assert.deepEqual([first.entry.holder, first.entry.holderBoot], [holder("n2"), B]);
  assert.equal(world.state("idle").notBefore, after(world.now, 300));
  assert.deepEqual(world.take(), ["say nominate n1", "say nominate n2", "say nominate n3"]);
});

test("N2, F4: with stations on both sides it forwards, nominates when the kernel confirmed, and tells until when", () => {
  const world = forwarding();
  assert.deepEqual(world.take(), ["forward"]);
  forwarded(world.lease, world.context);
  const [told] = world.told.flatMap(kept);
  assert.deepEqual([told?.successor, told?.macs, told?.until], ["n2", [MAC_B], after(world.now, 236)]);
  assert.equal(world.state("idle").notBefore, after(world.now, 300));
  assert.deepEqual(world.take(), ["say nominate n1", "say nominate n2", "say nominate n3", "tell forwarding"]);
  forwarded(world.lease, world.context);
  closed(world.lease, world.context);
  assert.deepEqual(world.take(), [], "only once");
});

test("F4: a kernel that does not forward is told to close, and nothing is nominated before it has", () => {
  const world = forwarding();
  world.take();
  forwardFailed(world.lease, world.context);
  assert.deepEqual(world.take(), ["close", "tell ended"]);
  forwarded(world.lease, world.context);
  assert.deepEqual(world.take(), []);
  closed(world.lease, world.context);
  assert.deepEqual(world.take(), ["say nominate n1", "say nominate n2", "say nominate n3"]);
});

test("N2: a ready that comes late in the fence's time waits for the next offer", () => {
  const world = open();
  world.macs = [MAC_A];
  startHandOver(world.lease, world.context, node("n2"));
  commit(world);
  world.wait(119);
  world.take();
  successorReady(world.lease, world.context, node("n2"), { ...ready(world.state("holding").ballot), macs: [MAC_B] });
  assert.deepEqual([world.role, world.take()], ["holding", []]);
});

test("N2: one nomination for each lease: repeated identically for T; a second ready changes nothing", () => {
  const world = open();
  startHandOver(world.lease, world.context, node("n2"));
  commit(world);
  const { ballot: from } = world.state("holding");
  successorReady(world.lease, world.context, node("n2"), ready(from));
  successorReady(world.lease, world.context, node("n3"), ready(from, "n3"));
  closed(world.lease, world.context);
  const entry = world.said.at(-1)?.entry;
  world.take();
  successorReady(world.lease, world.context, node("n2"), ready(from));
  closed(world.lease, world.context);
  assert.deepEqual(world.take(), []);
  world.wait(299);
  beatEnded(world.lease, world.context, []);
  assert.equal(world.said.length, 3);
  for (const { entry: again } of world.said) assert.deepEqual(again, entry);
  world.take();
  world.wait(2);
  beatEnded(world.lease, world.context, []);
  assert.deepEqual(world.take(), []);
});

test("N2: a ready that was not asked for, of another ballot, or after the fence ended changes nothing", () => {
  const rows: [string, (world: ScriptedLease) => void][] = [
    [
      "nobody was asked",
      (world) => successorReady(world.lease, world.context, node("n2"), ready(world.state("holding").ballot)),
    ],
    [
      "another node was asked",
      (world) => {
        startHandOver(world.lease, world.context, node("n2"));
        commit(world);
        successorReady(world.lease, world.context, node("n3"), ready(world.state("holding").ballot, "n3"));
      },
    ],
    [
      "before the offer",
      (world) => {
        startHandOver(world.lease, world.context, node("n2"));
        successorReady(world.lease, world.context, node("n2"), ready(world.state("holding").ballot));
      },
    ],
    [
      "an earlier ballot",
      (world) => {
        startHandOver(world.lease, world.context, node("n2"));
        commit(world);
        successorReady(world.lease, world.context, node("n2"), ready(ballot(0)));
      },
    ],
    [
      "the fence has ended",
      (world) => {
        startHandOver(world.lease, world.context, node("n2"));
        commit(world);
        world.wait(237);
        successorReady(world.lease, world.context, node("n2"), ready(world.state("holding").ballot));
      },
    ],
  ];
  for (const [title, run] of rows) {
    const world = open();
    run(world);
    assert.equal(world.role, "holding", title);
    assert.ok(!world.effects.some((effect) => effect.kind === "close"), title);
  }
});

test("N1: a successor that does not answer in time is given up; the holder goes on holding", () => {
  const world = open();
  startHandOver(world.lease, world.context, node("n2"));
  commit(world);
  world.wait(201);
  tickHandOver(world.lease, world.context);
  assert.equal(world.told.at(-1)?.kind, "handOverFailed");
  assert.equal(world.role, "holding");
});

test("N3: only the named boot on the named kernel takes a nomination up, once, and not when it is closed", () => {
  const from = ballot(5, "n2", "boot-2");
  const made = ballot(6, "n2", "boot-2");
  const rows: [string, Extract<LeaseEntry, { kind: "nominate" }>, readonly Ballot[], boolean][] = [
    ["as it should be", nomination(from, made), [], true],
    ["an earlier boot was named", nomination(from, made, "n1", "boot-0" as BootId), [], false],
    ["another node was named", nomination(from, made, "n3"), [], false],
    ["it is closed", nomination(from, made), [made], false],
    ["a later one of its maker is closed", nomination(from, made), [ballot(7, "n2", "boot-2")], false],
    ["an earlier one of its maker is closed", nomination(from, made), [from], true],
  ];
  for (const [title, entry, closedBallots, expected] of rows) {
    const world = new ScriptedLease();
    world.record = { promised: made, accepted: undefined, closed: closedBallots };
    assert.equal(takeUpNomination(world.lease, world.context, entry), expected, title);
    if (!expected) continue;
    assert.deepEqual(world.state("holding").ballot, made);
    world.lease.state = { role: "idle", notBefore: world.now, ranked: true };
    assert.equal(takeUpNomination(world.lease, world.context, entry), false, "a second time");
  }
});

test("N4: until its first commit the successor's requests carry the nomination before the propose", () => {
  const entry = nomination(ballot(5, "n2", "boot-2"), ballot(6, "n2", "boot-2"));
  const world = new ScriptedLease();
  takeUpNomination(world.lease, world.context, entry);
  const pairs = ["n1", "n2", "n3"].flatMap((voter) => [`say nominate ${voter}`, `say propose ${voter}`]);
  assert.deepEqual(world.take(), ["arm", ...pairs, "tell elected"]);
  world.wait(12.6);
  tickHolding(world.lease, world.context);
  assert.deepEqual(world.take(), pairs);
  commit(world);
  world.take();
  world.wait(13);
  tickHolding(world.lease, world.context);
  assert.deepEqual(world.take(), []);
});
