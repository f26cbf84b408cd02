/** Faults of the reference model in how a voter decides or remembers (ownership.md section 3). */
import type { Around, Plant } from "../plant.ts";
import type { Daemon } from "../virtual-node.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import { type Ballot, compareBallots } from "@holdfast/core/ownership/lease/ballot.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";

type Nominate = Extract<LeaseEntry, { kind: "nominate" }>;

/** The lease entries of a heartbeat as a faulty voter understands them. */
export function alter(input: Input, change: (entry: LeaseEntry) => LeaseEntry): Input {
  if (input.kind !== "heartbeat" || input.heartbeat.lease.length === 0) return input;
  return { ...input, heartbeat: { ...input.heartbeat, lease: input.heartbeat.lease.map((entry) => change(entry)) } };
}

function entriesOf(input: Input): readonly LeaseEntry[] {
  return input.kind === "heartbeat" ? input.heartbeat.lease : [];
}

/** Accepts by the ballot alone, whoever holds its lease. */
const acceptsOverLease: Around = (_node, { state }, input, take) => {
  for (const entry of entriesOf(input)) {
    const group = state.groups.get(entry.group);
    if (entry.kind === "propose" && group !== undefined) group.record = { ...group.record, accepted: undefined };
  }
  return take(input);
};

/** Another machine under the same name counts as the same holder. */
const holderIsName: Around = (_node, { state }, input, take) => {
  for (const entry of entriesOf(input)) {
    const group = state.groups.get(entry.group);
    const accepted = group?.record.accepted;
    if (group === undefined || accepted === undefined || (entry.kind !== "prepare" && entry.kind !== "propose"))
      continue;
    if (entry.holder.node === accepted.holder.node)
      group.record = { ...group.record, accepted: { ...accepted, holder: entry.holder } };
  }
  return take(input);
};

/** A release ends whatever lease its sender has. */
const releaseByName: Around = (_node, { state }, input, take) =>
  take(
    alter(input, (entry) => {
      const accepted = state.groups.get(entry.group)?.record.accepted;
      if (entry.kind !== "release" || accepted?.holder.node !== entry.holder.node) return entry;
      return { ...entry, ballot: accepted.ballot };
    }),
  );

/** Answers leave before the record was written; a freeze or a kill may come between. */
const saveAfterReply: Around = (_node, _daemon, input, take) => {
  const effects = take(input);
  if (!effects.some((effect) => effect.kind === "saveVotes")) return effects;
  const saves = effects.filter((effect) => effect.kind === "saveVotes");
  const others = effects.filter((effect) => effect.kind !== "saveVotes" && effect.kind !== "flush");
  const flushed = effects.some((effect) => effect.kind === "flush") ? take({ kind: "flush" }) : [];
  return [...others, ...flushed, ...saves];
};

/** The owner nominates a second successor, and voters take a later nomination for an earlier one of the same maker. */
const nominateAgain: Around = (_node, daemon, input, take) => {
  const effects = take(
    alter(input, (entry) => {
      const accepted = daemon.state.groups.get(entry.group)?.record.accepted?.ballot;
      return entry.kind === "nominate" && overridden(accepted, entry) ? { ...entry, fromBallot: accepted } : entry;
    }),
  );
  return effects.map((effect) => withSecondNomination(effect, daemon));
};

function overridden(accepted: Ballot | undefined, { ballot }: Nominate): accepted is Ballot {
  return accepted?.node === ballot.node && accepted.boot === ballot.boot && compareBallots(accepted, ballot) < 0;
}

function withSecondNomination(effect: Effect, { state, boot }: Daemon): Effect {
  if (effect.kind !== "send") return effect;
  const nominate = effect.heartbeat.lease.find((entry) => entry.kind === "nominate");
  if (nominate === undefined || nominate.ballot.boot !== boot) return effect;
  for (const [node, peer] of state.peers) {
    if (node === nominate.holder.node || peer.boot === undefined || peer.kernel === undefined) continue;
    const ballot = { ...nominate.ballot, round: nominate.ballot.round + 1 };
    state.counters.round = Math.max(state.counters.round, ballot.round);
    const second: LeaseEntry = { ...nominate, ballot, holder: { node, kernel: peer.kernel }, holderBoot: peer.boot };
    return { ...effect, heartbeat: { ...effect.heartbeat, lease: [...effect.heartbeat.lease, second] } };
  }
  return effect;
}

export const VOTER_PLANTS = {
  no_abstain: { neverAbstains: true, world: { memoryLoss: 0.1 } },
  paxos_accept: { around: acceptsOverLease },
  holder_is_name: { around: holderIsName, world: { memoryLoss: 0.1 } },
  release_by_name: { around: releaseByName },
  save_after_reply: { around: saveAfterReply, freezesBefore: "saveVotes" },
  nominate_again: { around: nominateAgain },
  now_before_receive: { clockBeforeReceive: true, world: { freeze: 0.004 } },
} satisfies Readonly<Record<string, Plant>>;
