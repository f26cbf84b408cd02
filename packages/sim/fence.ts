/**
 * The kernel's fence of one node as ownership.md section 4 describes it (F1 to F6): numbers that are armed, a deadline for
 * each open group, forwarding, relaying. It goes on whatever becomes of the daemon. Held against the same table of cases
 * as the real one.
 */
import type { KernelClock } from "./kernel-clock.ts";
import type { FenceState } from "@holdfast/core/wire/messages.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

/** Faults that tests plant in a fence. */
export interface FencePlant {
  /** The key of a number; undefined: a commit needs no arm. */
  readonly armedKey?: (number: number) => number | undefined;
  /** How much longer than K a commit keeps the group open. */
  readonly keepMore_ms?: number;
  /** F3: a close leaves what is armed. */
  readonly closeLeavesArmed?: boolean;
  /** F4: a starting daemon turns what forwards back to answering. */
  readonly adoptResetsMode?: boolean;
  /** F5: neither a commit nor a close ends the relay. */
  readonly relayStays?: boolean;
}

export interface FenceTimes {
  /** W. */
  readonly window_ms: number;
  /** K. */
  readonly keep_ms: number;
}

/** Stations, one for each segment of the group, until this true time. */
interface Stations {
  readonly macs: readonly Mac[];
  readonly until: number;
}

interface GroupFence {
  /** Until which tick a number may be committed. */
  readonly armed: Map<number, number>;
  /** `alive`: until which tick, and the true time at which the kernel notices. */
  aliveTicks: number;
  aliveUntil: number;
  /** F4: the mode; undefined: answer. */
  forward: readonly Mac[] | undefined;
  relay: Stations | undefined;
  passing: Stations | undefined;
}

/** The real fence keeps 16 bits of a number. */
const NUMBERS = 65_536;

export class SimulatedFence {
  readonly #clock: KernelClock;
  #times: FenceTimes;
  readonly #plant: FencePlant;
  readonly #groups = new Map<GroupName, GroupFence>();

  constructor(clock: KernelClock, times: FenceTimes, plant: FencePlant = {}) {
    this.#clock = clock;
    this.#times = times;
    this.#plant = plant;
  }

  /** Another configuration: what is armed or open keeps its end. */
  change(times: FenceTimes): void {
    this.#times = times;
  }

  /** F1: arming an armed number again leaves its deadline. */
  arm(name: GroupName, number: number): void {
    const key = this.#key(number);
    if (key === undefined) return;
    const { armed } = this.#group(name);
    const now = this.#clock.jiffies();
    for (const [other, ticks] of armed) if (ticks <= now) armed.delete(other);
    if (armed.has(key) && this.#plant.armedKey === undefined) return;
    armed.set(key, now + this.#ticks(this.#times.window_ms));
  }

  /** F2: true when exactly this number is armed and the group does not forward: then it is open for K. */
  commit(name: GroupName, number: number): boolean {
    const group = this.#group(name);
    const now = this.#clock.jiffies();
    const key = this.#key(number);
    if (key !== undefined && (group.armed.get(key) ?? 0) <= now) return false;
    if (group.forward !== undefined) return false;
    group.aliveTicks = now + this.#ticks(this.#times.keep_ms + (this.#plant.keepMore_ms ?? 0));
    group.aliveUntil = this.#clock.reached(group.aliveTicks);
    if (this.#plant.relayStays !== true) group.relay = undefined;
    return true;
  }

  /** F3. */
  close(name: GroupName, armed: readonly number[]): void {
    const group = this.#group(name);
    if (this.#plant.closeLeavesArmed !== true) this.#disarm(group, armed);
    group.aliveTicks = 0;
    group.aliveUntil = 0;
    group.forward = undefined;
    group.passing = undefined;
    if (this.#plant.relayStays !== true) group.relay = undefined;
  }

  /** F4: an open group forwards; `alive` keeps its deadline, and nothing is committed any more until a close. */
  forward(name: GroupName, armed: readonly number[], macs: readonly Mac[]): boolean {
    const group = this.#group(name);
    this.#disarm(group, armed);
    if (group.aliveTicks <= this.#clock.jiffies()) return false;
    group.forward = macs;
    group.passing = undefined;
    return true;
  }

  /** F5: what comes from these stations is answered, by a group that is shut or forwards everything else. */
  relay(name: GroupName, macs: readonly Mac[], for_ms: number): boolean {
    const group = this.#group(name);
    if (group.forward === undefined && group.aliveTicks > this.#clock.jiffies()) return false;
    const ticks = this.#clock.jiffies() + this.#ticks(for_ms);
    group.relay = { macs, until: this.#clock.reached(ticks) };
    return true;
  }

  /** Connections that did not begin here go on to these stations; 0 ms ends it. */
  passConnections(name: GroupName, macs: readonly Mac[], for_ms: number): void {
    const until = this.#clock.reached(this.#clock.jiffies() + this.#ticks(for_ms));
    this.#group(name).passing = for_ms === 0 ? undefined : { macs, until };
  }

  /**
   * F4, F6: what a starting daemon does first. Nothing stays armed; nothing relays or forwards for a daemon that does not
   * know of it, and what forwarded is closed, never answered for.
   */
  adopt(): void {
    for (const [name, group] of this.#groups) {
      group.armed.clear();
      group.relay = undefined;
      group.passing = undefined;
      if (group.forward === undefined) continue;
      if (this.#plant.adoptResetsMode === true) group.forward = undefined;
      else this.close(name, []);
    }
  }

  /** F7: the rule set vanished and is back, closed. */
  reinstall(): void {
    this.#groups.clear();
  }

  /** What the group is at true time `now`. */
  state(name: GroupName, now: number): FenceState {
    const group = this.#groups.get(name);
    if (group === undefined) return "closed";
    if (group.aliveUntil > now) return group.forward === undefined ? "open" : "forward";
    return group.relay !== undefined && group.relay.until > now ? "relay" : "closed";
  }

  isOpen(name: GroupName, now: number): boolean {
    const group = this.#groups.get(name);
    return group !== undefined && group.aliveUntil > now && group.forward === undefined;
  }

  /** The true time at which `alive` ends; the past when it has. */
  aliveUntil(name: GroupName): number {
    return this.#groups.get(name)?.aliveUntil ?? 0;
  }

  /** Where the group's frames go on to, one station for each segment; undefined when it does not forward now. */
  forwardsTo(name: GroupName, now: number): readonly Mac[] | undefined {
    const group = this.#groups.get(name);
    return group !== undefined && group.aliveUntil > now ? group.forward : undefined;
  }

  /** Whose frames it answers, one station for each segment; undefined when it does not relay now. */
  relaysFrom(name: GroupName, now: number): readonly Mac[] | undefined {
    const relay = this.#groups.get(name)?.relay;
    return relay !== undefined && relay.until > now ? relay.macs : undefined;
  }

  passesTo(name: GroupName, now: number): readonly Mac[] | undefined {
    const passing = this.#groups.get(name)?.passing;
    return passing !== undefined && passing.until > now && this.isOpen(name, now) ? passing.macs : undefined;
  }

  /** Groups whose deadline is not over: what a starting daemon finds. */
  openGroups(now: number): GroupName[] {
    return [...this.#groups].filter(([, group]) => group.aliveUntil > now).map(([name]) => name);
  }

  #disarm(group: GroupFence, numbers: readonly number[]): void {
    for (const number of numbers) group.armed.delete(this.#key(number) ?? number);
  }

  #key(number: number): number | undefined {
    return this.#plant.armedKey === undefined ? number % NUMBERS : this.#plant.armedKey(number);
  }

  /** F6: whole jiffies. */
  #ticks(duration_ms: number): number {
    return Math.floor(duration_ms / this.#clock.jiffy_ms);
  }

  #group(name: GroupName): GroupFence {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = {
        armed: new Map(),
        aliveTicks: 0,
        aliveUntil: 0,
        forward: undefined,
        relay: undefined,
        passing: undefined,
      };
      this.#groups.set(name, group);
    }
    return group;
  }
}
