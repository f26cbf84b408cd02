/** Faults of the reference model planted in the node and its kernel: the hostile worlds must find every one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileWorld } from "./hostile-world.ts";
import type { Plant } from "./plant.ts";
import type { VirtualNode } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import type { Closing } from "@holdfast/core/ownership/lease/state.ts";
import type { Heartbeat, LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

type Take = (input: Input) => readonly Effect[];

function alter(input: Input, change: (entry: LeaseEntry) => LeaseEntry): Input {
  if (input.kind !== "heartbeat") return input;
  return { ...input, heartbeat: { ...input.heartbeat, lease: input.heartbeat.lease.map((entry) => change(entry)) } };
}

function closingOf(node: VirtualNode, group: GroupName): Closing | undefined {
  const role = node.daemon?.state.groups.get(group)?.lease.state;
  return role?.role === "closing" ? role : undefined;
}

/** What follows a close is said before the kernel was asked to close. */
function beforeClose(kind: "release" | "nominate"): Plant {
  return {
    around: (node, input, take) => {
      const effects = take(input);
      const early = effects.flatMap((effect) => {
        if (effect.kind !== "close" || closingOf(node, effect.group)?.next.kind !== kind) return [effect];
        return [...take({ kind: "closed", group: effect.group }), effect];
      });
      return early;
    },
  };
}

/** Answers that leave before the record was written; a freeze or a kill may come between. */
function saveAfterReply(_node: VirtualNode, input: Input, take: Take): readonly Effect[] {
  const effects = take(input);
  if (!effects.some((effect) => effect.kind === "saveVotes")) return effects;
  const saves = effects.filter((effect) => effect.kind === "saveVotes");
  const others = effects.filter((effect) => effect.kind !== "saveVotes" && effect.kind !== "flush");
  const flushed = effects.some((effect) => effect.kind === "flush") ? take({ kind: "flush" }) : [];
  return [...others, ...flushed, ...saves];
}

/** Grants for an earlier number of the ballot count for the present one. */
function anyNumber(node: VirtualNode, input: Input, take: Take): readonly Effect[] {
  return take(
    alter(input, (entry) => {
      const role = node.daemon?.state.groups.get(entry.group)?.lease.state;
      if (entry.kind !== "grant" || role?.role !== "holding" || role.number === 0) return entry;
      return { ...entry, number: role.number };
    }),
  );
}

/** One grant of a heartbeat stands for all groups of it. */
function grantPerHeartbeat(node: VirtualNode, input: Input, take: Take): readonly Effect[] {
  if (input.kind !== "heartbeat" || !input.heartbeat.lease.some((entry) => entry.kind === "grant")) return take(input);
  const lease: LeaseEntry[] = [...input.heartbeat.lease];
  for (const [group, { lease: other }] of node.daemon?.state.groups ?? []) {
    if (other.state.role !== "holding") continue;
    lease.push({ kind: "grant", group, ballot: other.state.ballot, number: other.state.number });
  }
  return take({ ...input, heartbeat: { ...input.heartbeat, lease } satisfies Heartbeat });
}

/** Request numbers start again with each lease. */
function numberRestarts(node: VirtualNode, input: Input, take: Take): readonly Effect[] {
  const state = node.daemon?.state;
  if (state !== undefined && [...state.groups.values()].every((group) => group.lease.state.role !== "holding"))
    state.counters.number = 0;
  return take(input);
}

/** A voter accepts by the ballot alone, whoever holds its lease. */
function acceptsOverLease(node: VirtualNode, input: Input, take: Take): readonly Effect[] {
  if (input.kind === "heartbeat" && input.heartbeat.lease.some((entry) => entry.kind === "propose")) {
    for (const group of node.daemon?.state.groups.values() ?? [])
      group.record = { ...group.record, accepted: undefined };
  }
  return take(input);
}

const oneKey = (group: GroupName): string => group;

const PLANTS: Readonly<Record<string, Plant>> = {
  lease_from_answer: { armedKey: () => undefined },
  seq_untied: { armedKey: oneKey, around: anyNumber },
  commit_any_majority: { around: anyNumber },
  no_abstain: { neverAbstains: true },
  release_before_close: { ...beforeClose("release"), freezesBefore: "close" },
  nominate_before_close: { ...beforeClose("nominate"), freezesBefore: "close" },
  save_after_reply: { around: saveAfterReply, freezesBefore: "saveVotes" },
  grant_per_heartbeat: { around: grantPerHeartbeat },
  number_restarts: { around: numberRestarts },
  paxos_accept: { around: acceptsOverLease },
  keep_too_long: { keepMore_ms: 60 },
  now_before_receive: { clockBeforeReceive: true, freeze: 0.004 },
};

/** Seeds to try before a fault counts as missed. */
const TRIES = 400;

for (const [name, plant] of Object.entries(PLANTS)) {
  test(`planted ${name} is found by the hostile worlds`, (t) => {
    for (let seed = 1; seed <= TRIES; seed++) {
      const { violations } = hostileWorld(seed, plant);
      if (violations[0] === undefined) continue;
      t.diagnostic(`seed ${seed}: ${violations[0]}`);
      return;
    }
    assert.fail(`not found in ${TRIES} worlds`);
  });
}
