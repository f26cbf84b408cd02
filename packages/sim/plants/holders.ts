/** Faults of the reference model in how a holder, a candidate or a successor works (ownership.md sections 5 and 6). */
import { alter } from "./voters.ts";
import type { Around, Plant } from "../plant.ts";
import type { Daemon } from "../virtual-node.ts";
import type { Effect, Input, VoterRecord } from "@holdfast/core/effects.ts";
import { ballotText } from "@holdfast/core/ownership/lease/ballot.ts";
import type { Holding } from "@holdfast/core/ownership/lease/state.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";
import { after, between } from "@holdfast/core/units/time.ts";

function holdingOf(daemon: Daemon, group: GroupName): Holding | undefined {
  const role = daemon.state.groups.get(group)?.lease.state;
  return role?.role === "holding" ? role : undefined;
}

/** Grants for an earlier number of the ballot count for the present one. */
const anyNumber: Around = (_node, daemon, input, take) =>
  take(
    alter(input, (entry) => {
      const holding = holdingOf(daemon, entry.group);
      if (entry.kind !== "grant" || holding === undefined || holding.number === 0) return entry;
      return { ...entry, number: holding.number };
    }),
  );

/** One grant of a heartbeat stands for all groups of it. */
const grantPerHeartbeat: Around = (_node, daemon, input, take) => {
  if (input.kind !== "heartbeat" || !input.heartbeat.lease.some((entry) => entry.kind === "grant")) return take(input);
  const lease: LeaseEntry[] = [...input.heartbeat.lease];
  for (const group of daemon.state.groups.keys()) {
    const holding = holdingOf(daemon, group);
    if (holding !== undefined) lease.push({ kind: "grant", group, ballot: holding.ballot, number: holding.number });
  }
  return take({ ...input, heartbeat: { ...input.heartbeat, lease } });
};

/** Request numbers start again with each lease. */
const numberRestarts: Around = (_node, { state }, input, take) => {
  if ([...state.groups.values()].every((group) => group.lease.state.role !== "holding")) state.counters.number = 0;
  return take(input);
};

/** The window is judged when the grant is taken, and not by the kernel when the commit is. */
const judgesWindow: Around = (_node, daemon, input, take, now) =>
  take(input).filter((effect) => {
    if (effect.kind !== "commit") return true;
    const holding = holdingOf(daemon, effect.group);
    return holding !== undefined && between(holding.askedAt, now) <= daemon.state.cluster.timing.window;
  });

/** The kernel's confirmation is taken for given, so what follows it is said first, and the kernel asked last. */
function saysBefore(kind: "release" | "nominate"): Around {
  return (_node, { state }, input, take) => {
    const effects: Effect[] = [];
    const asked: Effect[] = [];
    for (const effect of take(input)) {
      const closing = "group" in effect ? state.groups.get(effect.group)?.lease.state : undefined;
      const follows = closing?.role === "closing" && closing.next.kind === kind;
      (follows && (effect.kind === "close" || effect.kind === "forward") ? asked : effects).push(effect);
    }
    for (const effect of asked) {
      if (effect.kind === "close") effects.push(...take({ kind: "closed", group: effect.group }));
      else if (effect.kind === "forward") effects.push(...take({ kind: "forwarded", group: effect.group }));
    }
    return [...effects, ...asked];
  };
}

/** What each daemon asked for last, and who granted it. */
interface Asked {
  readonly ballot: string;
  readonly number: number;
  readonly grants: Set<NodeName>;
}

/** A grant that comes after the release is committed, because closing left the number armed. */
function commitsLateGrants(): Around {
  const asked = new WeakMap<Daemon, Map<GroupName, Asked>>();
  return (_node, daemon, input, take) => {
    const known = asked.get(daemon) ?? new Map<GroupName, Asked>();
    asked.set(daemon, known);
    const late = input.kind === "heartbeat" ? lateCommits(daemon, known, input) : [];
    const effects = take(input);
    for (const group of daemon.state.groups.keys()) {
      const holding = holdingOf(daemon, group);
      if (holding === undefined || holding.number === 0 || known.get(group)?.number === holding.number) continue;
      const grants = new Set([daemon.state.self.name]);
      known.set(group, { ballot: ballotText(holding.ballot), number: holding.number, grants });
    }
    return [...effects, ...late];
  };
}

function lateCommits(
  daemon: Daemon,
  known: ReadonlyMap<GroupName, Asked>,
  { heartbeat }: Extract<Input, { kind: "heartbeat" }>,
): Effect[] {
  const commits: Effect[] = [];
  for (const entry of heartbeat.lease) {
    const asked = known.get(entry.group);
    if (entry.kind !== "grant" || entry.number !== asked?.number || ballotText(entry.ballot) !== asked.ballot) continue;
    asked.grants.add(heartbeat.node);
    if (asked.grants.size < daemon.state.majority || holdingOf(daemon, entry.group) !== undefined) continue;
    commits.push({ kind: "commit", group: entry.group, number: entry.number });
  }
  return commits;
}

/** The successor answers any offer, also a late copy of one whose lease has ended. */
const answersAnyOffer: Around = (_node, daemon, input, take, now) => {
  const restored: (() => void)[] = [];
  for (const [name, group] of daemon.state.groups) {
    const offer = input.kind === "heartbeat" ? onlyOffer(input, name) : group.offer?.entry;
    const from = input.kind === "heartbeat" ? input.heartbeat.node : group.offer?.from;
    if (offer === undefined || from === undefined || input.kind === "tick" || input.kind === "flush") continue;
    const before = group.record;
    const pretended: VoterRecord = {
      ...before,
      accepted: {
        ballot: offer.ballot,
        holder: { node: from, kernel: daemon.state.kernel },
        number: 0,
        expires: after(now, daemon.state.cluster.timing.dead),
      },
    };
    group.record = pretended;
    restored.push(() => {
      if (group.record === pretended) group.record = before;
    });
  }
  const effects = take(input);
  for (const restore of restored) restore();
  return effects;
};

/** The offer of this group, when the heartbeat has nothing else about it that a voter would decide on. */
function onlyOffer(
  { heartbeat }: Extract<Input, { kind: "heartbeat" }>,
  name: GroupName,
): Extract<LeaseEntry, { kind: "offer" }> | undefined {
  const entries = heartbeat.lease.filter((entry) => entry.group === name);
  const [first] = entries;
  return entries.length === 1 && first?.kind === "offer" ? first : undefined;
}

const HASTY_MOVES = { duplicate: 0.5, slow: 0.5, loss: 0, haste: 12, movesOnly: true };

export function holderPlants(): Readonly<Record<string, Plant>> {
  return {
    lease_from_answer: { fence: { armedKey: () => undefined } },
    commit_time_from_daemon: { fence: { armedKey: () => undefined }, around: judgesWindow, freezesBefore: "commit" },
    seq_untied: { fence: { armedKey: () => 0 }, around: anyNumber },
    grant_per_heartbeat: { around: grantPerHeartbeat },
    commit_any_majority: { around: anyNumber },
    number_restarts: { around: numberRestarts },
    release_before_close: { around: saysBefore("release"), freezesBefore: "close", world: { haste: 6, slow: 0.3 } },
    nominate_before_close: { around: saysBefore("nominate"), freezesBefore: "forward" },
    late_grant_after_release: {
      fence: { closeLeavesArmed: true },
      around: commitsLateGrants(),
      world: { duplicate: 0.5, slow: 0.5, loss: 0 },
    },
    offer_any: { around: answersAnyOffer, world: HASTY_MOVES },
  };
}
