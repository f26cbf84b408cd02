/** One lease entry from a peer, or from this node itself: to its voter, its candidate, its holder. */
import { peerGranted } from "./alone.ts";
import { takeOffer, takenUp } from "./handing-over.ts";
import { leaseContext, wantAddresses } from "./leases.ts";
import { ineligibility } from "./eligibility.ts";
import { votes } from "./overhearing.ts";
import { type Group, type NodeState, tellEverybody } from "./state.ts";
import { type Ballot, sameHolder } from "../ownership/lease/ballot.ts";
import { prepareRefused, promised } from "../ownership/lease/candidate.ts";
import { granted, requestRefused } from "../ownership/lease/holder.ts";
import { successorReady, takeUpNomination } from "../ownership/lease/hand-over.ts";
import { compareBallots, sameBallot } from "../ownership/lease/ballot.ts";
import { rankDelay } from "../ownership/lease/state.ts";
import { nominate, prepare, propose, release, type Vote } from "../ownership/lease/voter.ts";
import type { Heartbeat, LeaseEntry } from "../wire/messages.ts";
import type { NodeName } from "../units/names.ts";
import { after, type Instant, milliseconds } from "../units/time.ts";

/** S2: no lease is longer; an offer of a longer one is not taken. */
const LEASE_MAX_MS = 5000;

export function takeLeaseEntry(
  state: NodeState,
  group: Group,
  from: NodeName,
  heartbeat: Pick<Heartbeat, "kernel"> | undefined,
  entry: LeaseEntry,
  now: Instant,
): void {
  state.counters.round = Math.max(state.counters.round, entry.ballot.round);
  switch (entry.kind) {
    case "prepare":
    case "propose":
    case "release":
    case "nominate":
      return toVoter(state, group, from, heartbeat, entry, now);
    case "promise":
    case "grant":
    case "refuse":
    case "released":
      return fromVoter(state, group, from, entry, now);
    case "offer":
      return takeOffer(state, group, from, entry, now);
    case "ready":
      return successorReady(group.lease, leaseContext(state, group, now), from, entry);
  }
}

type ToVoter = Extract<LeaseEntry, { kind: "prepare" | "propose" | "release" | "nominate" }>;
type FromVoter = Extract<LeaseEntry, { kind: "promise" | "grant" | "refuse" | "released" }>;

function toVoter(
  state: NodeState,
  group: Group,
  from: NodeName,
  heartbeat: Pick<Heartbeat, "kernel"> | undefined,
  entry: ToVoter,
  now: Instant,
): void {
  // Whoever does not vote is told of nominations only, and only as the successor.
  if (!votes(state)) return entry.kind === "nominate" ? nominated(state, group, from, entry, now) : undefined;
  // A node asks for itself only: holder and message name the same node and kernel (a nomination names another).
  if (entry.kind !== "nominate" && heartbeat !== undefined) {
    if (entry.holder.node !== from || entry.holder.kernel !== heartbeat.kernel) return;
  }
  // Of its own lease only: a member that lies may have this voter hold one ballot for another node.
  if (entry.kind === "nominate" && heartbeat === undefined && !holdsOwn(state, group)) return;
  const refusal = state.misconfigured ? "generation" : now < state.abstainUntil ? "abstaining" : undefined;
  if (refusal !== undefined && (entry.kind === "prepare" || entry.kind === "propose")) {
    const remaining_ms = refusal === "abstaining" ? Math.ceil(state.abstainUntil - now) : 0;
    const answer: LeaseEntry = {
      kind: "refuse",
      group: entry.group,
      ballot: entry.ballot,
      promised: entry.ballot,
      owner: undefined,
      remaining_ms,
      reason: refusal,
    };
    state.outbox.push({ to: from, entry: answer });
    return;
  }
  const before = group.record;
  const vote = voteOn(state, group, entry, now);
  if (vote.record !== before || group.recordUnsaved) {
    group.record = vote.record;
    group.recordUnsaved = false;
    state.effects.push({ kind: "saveVotes", group: group.config.name, record: vote.record });
  }
  // It works with a lease of this voter: both count for each other again.
  if (vote.answer?.kind === "grant" && from !== state.self.name) peerGranted(state, now);
  if (vote.answer !== undefined) state.outbox.push({ to: from, entry: vote.answer });
  giveWay(state, group, from, entry, before.accepted !== undefined && vote.record.accepted === undefined, vote, now);
  if (entry.kind === "nominate") nominated(state, group, from, entry, now);
}

function holdsOwn(state: NodeState, group: Group): boolean {
  const holder = group.record.accepted?.holder;
  return holder !== undefined && sameHolder(holder, { node: state.self.name, kernel: state.kernel });
}

/** N3: the successor's part of a nomination. */
function nominated(
  state: NodeState,
  group: Group,
  from: NodeName,
  entry: Extract<ToVoter, { kind: "nominate" }>,
  now: Instant,
): void {
  if (from === state.self.name) return;
  if (takeUpNomination(group.lease, leaseContext(state, group, now), entry)) takenUp(group, from, now);
}

function voteOn(state: NodeState, group: Group, entry: ToVoter, now: Instant): Vote {
  const { dead } = state.cluster.timing;
  switch (entry.kind) {
    case "prepare":
      return prepare(group.record, entry, now);
    case "propose":
      if (entry.lease_ms > LEASE_MAX_MS) return { record: group.record, answer: undefined };
      // G5: the longer of both.
      return propose(group.record, entry, now, milliseconds(Math.max(entry.lease_ms, dead)));
    case "release":
      return release(group.record, entry);
    case "nominate":
      return nominate(group.record, entry, now, dead);
  }
}

/** V5 and C3: a voter that promised lets that candidate go first; one whose lease was given back need not wait for its end. */
function giveWay(
  state: NodeState,
  group: Group,
  from: NodeName,
  entry: ToVoter,
  cleared: boolean,
  vote: Vote,
  now: Instant,
): void {
  const current = group.lease.state;
  if (current.role !== "idle" || from === state.self.name) return;
  const delay = rankDelay(leaseContext(state, group, now));
  if (entry.kind === "prepare" && vote.answer?.kind === "promise") {
    const until = after(now, state.cluster.timing.window / 2 + delay);
    if (until > current.notBefore) current.notBefore = until;
  } else if (entry.kind === "release" && cleared) {
    current.notBefore = after(now, delay);
    current.ranked = true;
    // Candidates that do not vote learn of it from the voters alone.
    if (state.voters.length < state.cluster.nodes.length) tellEverybody(state);
    if (group.owner === from) group.owner = undefined;
    group.cause = `${from} released it`;
  }
}

function fromVoter(state: NodeState, group: Group, from: NodeName, entry: FromVoter, now: Instant): void {
  if (!state.voters.includes(from)) return;
  const { lease } = group;
  const current = lease.state;
  if (entry.kind === "refuse") state.counters.round = Math.max(state.counters.round, entry.promised.round);
  if (entry.kind === "released") {
    if (lease.releasing !== undefined && sameBallot(lease.releasing.entry.ballot, entry.ballot))
      lease.releasing.confirmed.add(from);
    return;
  }
  // C5: only answers to the ballot that is worked with now.
  if (current.role !== "preparing" && current.role !== "holding") return;
  if (compareBallots(current.ballot, entry.ballot) !== 0) return;
  const context = leaseContext(state, group, now);
  if (entry.kind === "promise") promised(lease, context, from);
  else if (entry.kind === "grant") {
    if (from !== state.self.name) peerGranted(state, now);
    granted(lease, context, from, entry.number);
  } else if (current.role === "preparing") prepareRefused(lease, context, from, entry);
  else requestRefused(lease, context, from, entry);
}

/** The daemon before left addresses behind an open fence, and this one did not come to hold the group: they go. */
export function expireInherited(state: NodeState, group: Group, now: Instant): void {
  if (group.inheritedUntil === undefined || now < group.inheritedUntil) return;
  group.inheritedUntil = undefined;
  if (group.lease.state.role !== "holding" && group.offer === undefined && group.farewell === undefined)
    wantAddresses(state, group, false);
}

/**
 * C11: a voter holds a lease for us that we do not work with. From this boot it is old news; from an earlier one a node
 * that may not own closes and gives exactly that ballot back (one that may own stands anyway, C10).
 */
export function unknownHolding(state: NodeState, group: Group, ballot: Ballot, now: Instant): void {
  const { lease } = group;
  if (lease.state.role !== "idle" || lease.releasing !== undefined || ballot.boot === state.boot) return;
  if (ineligibility(state, group) === "") return;
  lease.state = {
    role: "closing",
    ballot,
    next: { kind: "release", notBefore: now },
    forwarding: undefined,
    certainAt: undefined,
  };
  state.effects.push({ kind: "close", group: group.config.name, armed: [] });
}
