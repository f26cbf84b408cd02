/**
 * The fence and the votes by group: groups have names here and numbers in the kernel. A change of configuration is fenced
 * wider before it is used, and narrower only when what was removed is gone.
 */
import { join } from "node:path";
import { GroupNumbers } from "./group-numbers.ts";
import { logLine } from "./log.ts";
import { VoteStore } from "./vote-store.ts";
import type { Cluster, GroupConfig, Timing } from "@holdfast/core/cluster.ts";
import type { Effect, VoterRecord } from "@holdfast/core/effects.ts";
import { ABSTAIN_MS } from "@holdfast/core/node/state.ts";
import { EMPTY_RECORD } from "@holdfast/core/ownership/lease/voter.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { GroupName, KernelId } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { after, type Instant } from "@holdfast/core/units/time.ts";
import { type Fence, type FencePlan, openFence, type Station } from "@holdfast/linux/fence.ts";
import { native } from "@holdfast/linux/load.ts";

/** The kernel takes an address away 4 s after it was refreshed last, and looks each second. */
const ADDRESS_GONE_MS = 6000;

export interface GroupFenceOptions {
  readonly cluster: Cluster;
  readonly runDirectory: string;
  readonly kernel: KernelId;
  /** Whether any of these is on this machine, whoever put it there. */
  readonly isPresent: (addresses: readonly IpAddress[]) => boolean;
}

export class GroupFence {
  readonly fence: Fence;
  /** V2: what this voter gave before; undefined: it has to abstain. */
  readonly records: ReadonlyMap<GroupName, VoterRecord> | undefined;
  readonly #votes: VoteStore;
  readonly #numbers: GroupNumbers;
  readonly #isPresent: GroupFenceOptions["isPresent"];
  /** What is fenced now. */
  #groups: readonly GroupConfig[];
  #timing: Timing;
  #presentUntil = Number.NEGATIVE_INFINITY;

  /** Throws when votes cannot be kept or the kernel gives no fence. */
  constructor({ cluster, runDirectory, kernel, isPresent }: GroupFenceOptions, now: Instant) {
    this.#votes = VoteStore.open(join(runDirectory, "votes"), kernel);
    const { records, numbers } = this.#votes.load(now, after(now, ABSTAIN_MS));
    this.records = records;
    this.#numbers = new GroupNumbers(numbers);
    this.#groups = cluster.groups;
    this.#timing = cluster.timing;
    this.#isPresent = isPresent;
    const kept = this.#giveNumbers(cluster.groups);
    if (!kept.ok) logLine("warning", `${kept.error}; a restart may close what is open`);
    const opened = openFence(native, { ...this.#plan(cluster.groups), uid: process.geteuid?.() ?? 0 });
    if (!opened.ok) throw new Error(opened.error);
    this.fence = opened.value;
  }

  /** How it was found, for the log. */
  get beginning(): string {
    const how = this.fence.adopted ? "took over the fence of the daemon before" : "closed fence installed";
    if (this.fence.owned) return how;
    return `${how}; this kernel cannot protect it from nft flush ruleset, it is watched instead`;
  }

  /** Groups that the daemon before left open. */
  openGroups(): ReadonlySet<GroupName> {
    const remaining = this.fence.remaining();
    if (!remaining.ok) return new Set();
    const names = this.#groups.map((group) => group.name);
    return new Set(names.filter((name) => remaining.value.has(this.#numbers.of(name))));
  }

  arm(group: GroupName, number: number): Result<void, string> {
    return this.fence.arm(this.#numbers.of(group), number);
  }

  commit(group: GroupName, number: number): Result<void, string> {
    return this.fence.commit(this.#numbers.of(group), number);
  }

  close(group: GroupName, armed: readonly number[]): Result<void, string> {
    return this.fence.close(this.#numbers.of(group), armed);
  }

  forward(group: GroupName, armed: readonly number[], to: readonly Station[]): Result<void, string> {
    return this.fence.forward(this.#numbers.of(group), armed, to);
  }

  relay(group: GroupName, from: readonly Station[], for_ms: number): Result<void, string> {
    return this.fence.relay(this.#numbers.of(group), from, for_ms);
  }

  passConnections(group: GroupName, to: readonly Station[], for_ms: number): Result<void, string> {
    return this.fence.passConnections(this.#numbers.of(group), to, for_ms);
  }

  saveVotes({ group, record }: Extract<Effect, { kind: "saveVotes" }>): Result<void, string> {
    return this.#save(this.#numbers.of(group), group, record);
  }

  /** Before anything of another configuration is used: all of it is fenced, and all of the one before still is. */
  widen({ groups, timing }: Cluster): Result<void, string> {
    const kept = this.#giveNumbers(groups);
    if (!kept.ok) return kept;
    const both = together(this.#groups, groups);
    const changed = this.fence.change(this.#plan(both, timing));
    if (!changed.ok) return changed;
    this.#groups = both;
    this.#timing = timing;
    return changed;
  }

  /** What the node still works with, `now` in milliseconds. Harmless when nothing is to go; to be asked again each second. */
  narrow(groups: readonly GroupConfig[], now: number): Result<void, string> {
    const kept = addressesOf(groups);
    const gone = [...addressesOf(this.#groups)].filter((address) => !kept.has(address));
    if (gone.length === 0 && groups.length === this.#groups.length) return success(undefined);
    if (now > this.#presentUntil + ADDRESS_GONE_MS) this.#presentUntil = now + ADDRESS_GONE_MS;
    if (now < this.#presentUntil && this.#isPresent(gone)) return success(undefined);
    const changed = this.fence.change(this.#plan(groups));
    if (changed.ok) this.#groups = groups;
    return changed;
  }

  #plan(groups: readonly GroupConfig[], timing: Timing = this.#timing): Omit<FencePlan, "uid"> {
    return {
      groups: groups.map(({ name, addresses, drain }) => ({
        number: this.#numbers.of(name),
        addresses: addresses.map(({ address }) => address),
        drain: drain > 0,
      })),
      window_ms: timing.window,
      keep_ms: timing.keep,
    };
  }

  /** A number that is not kept may be another's after a restart. */
  #giveNumbers(groups: readonly GroupConfig[]): Result<void, string> {
    const given = this.#numbers.give(groups.map((group) => group.name));
    for (const [group, number] of given) {
      const saved = this.#save(number, group, EMPTY_RECORD);
      if (!saved.ok) return failure(`the number of group ${group} is not kept: ${saved.error}`);
    }
    return success(undefined);
  }

  #save(number: number, group: GroupName, record: VoterRecord): Result<void, string> {
    try {
      this.#votes.save(number, group, record);
      return success(undefined);
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Both configurations' addresses; what else a group is, the later one says. */
function together(before: readonly GroupConfig[], next: readonly GroupConfig[]): readonly GroupConfig[] {
  const groups = new Map<GroupName, GroupConfig>(before.map((group) => [group.name, group]));
  for (const group of next) {
    const known = groups.get(group.name)?.addresses ?? [];
    const gone = known.filter(({ address }) => !group.addresses.some((each) => each.address === address));
    groups.set(group.name, { ...group, addresses: [...group.addresses, ...gone] });
  }
  return [...groups.values()];
}

function addressesOf(groups: readonly GroupConfig[]): ReadonlySet<IpAddress> {
  return new Set(groups.flatMap((group) => group.addresses.map(({ address }) => address)));
}
