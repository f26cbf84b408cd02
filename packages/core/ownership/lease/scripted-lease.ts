/** One group's lease driven by hand, for tests: time, answers and the kernel are what the test says. */
import type { Ballot, Holder } from "./ballot.ts";
import { type Lease, type LeaseContext, type LeaseOutcome, newLease, type Role } from "./state.ts";
import { EMPTY_RECORD } from "./voter.ts";
import type { Effect, VoterRecord } from "../../effects.ts";
import { seededRandom } from "../../random.ts";
import type { LeaseEntry } from "../../wire/messages.ts";
import type { Mac } from "../../units/mac.ts";
import type { BootId, GroupName, KernelId, NodeName } from "../../units/names.ts";
import { after, type Instant, instant, milliseconds } from "../../units/time.ts";

export const WEB = "web" as GroupName;

export function node(name: string): NodeName {
  return name as NodeName;
}

export function ballot(round: number, by = "n1", boot = "boot-1"): Ballot {
  return { round, node: node(by), boot: boot as BootId };
}

export function holder(name: string): Holder {
  return { node: node(name), kernel: `kernel-${name}` as KernelId };
}

/** This node is n1 of n1, n2, n3, with 100/300 ms. */
export class ScriptedLease {
  readonly lease: Lease = newLease(WEB, instant(0));
  now: Instant = instant(1000);
  record: VoterRecord = EMPTY_RECORD;
  eligible = true;
  rank = 0;
  macs: readonly Mac[] = [];
  /** Everything in the order in which it was wanted: what was said, effects, outcomes. */
  readonly order: string[] = [];
  readonly said: { readonly to: NodeName; readonly entry: LeaseEntry }[] = [];
  readonly effects: Effect[] = [];
  readonly told: LeaseOutcome[] = [];
  readonly #counters = { round: 0, number: 0 };
  readonly #random = seededRandom(1);

  get context(): LeaseContext {
    return {
      now: this.now,
      timing: {
        heartbeat: milliseconds(100),
        dead: milliseconds(300),
        window: milliseconds(48),
        keep: milliseconds(236),
        jiffy: milliseconds(4),
      },
      voters: [node("n1"), node("n2"), node("n3")],
      majority: 2,
      holds: false,
      holder: holder("n1"),
      boot: "boot-1" as BootId,
      counters: this.#counters,
      random: this.#random,
      eligible: this.eligible,
      rank: this.rank,
      macs: this.macs,
      record: this.record,
      say: (to, entry) => {
        this.said.push({ to, entry });
        this.order.push(`say ${entry.kind} ${to}`);
      },
      effect: (effect) => {
        this.effects.push(effect);
        this.order.push(effect.kind);
      },
      tell: (outcome) => {
        this.told.push(outcome);
        this.order.push(`tell ${outcome.kind}`);
      },
    };
  }

  get role(): Role["role"] {
    return this.lease.state.role;
  }

  /** The highest round seen, as node/voting.ts keeps it. */
  saw(round: number): void {
    this.#counters.round = Math.max(this.#counters.round, round);
  }

  wait(duration_ms: number): void {
    this.now = after(this.now, duration_ms);
  }

  /** Everything wanted since the last call. */
  take(): string[] {
    this.said.length = this.effects.length = this.told.length = 0;
    return this.order.splice(0);
  }

  state<Name extends Role["role"]>(role: Name): Extract<Role, { role: Name }> {
    const { state } = this.lease;
    if (state.role !== role) throw new Error(`the lease is ${state.role}, not ${role}`);
    return state as Extract<Role, { role: Name }>;
  }

  refusal(
    reason: Extract<LeaseEntry, { kind: "refuse" }>["reason"],
    remaining_ms = 0,
    promised = ballot(0),
  ): Extract<LeaseEntry, { kind: "refuse" }> {
    const { state } = this.lease;
    const asked = state.role === "preparing" || state.role === "holding" ? state.ballot : ballot(1);
    const owner = reason === "held" ? node("n2") : undefined;
    return { kind: "refuse", group: WEB, ballot: asked, promised, owner, remaining_ms, reason };
  }
}
