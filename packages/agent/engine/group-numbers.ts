/**
 * The number of each group on this machine: its name in the fence and its slot among the votes. A number is given once and
 * kept with the votes, so it lasts as long as the kernel whose fence has it: neither adding nor removing groups, nor a
 * restart, gives a group another one. Numbers of different nodes need not agree.
 */
import type { GroupName } from "@holdfast/core/units/names.ts";

/** Ports, and 16 bits in the keys of the fence's sets. */
const NUMBER_MAX = 65_535;

export class GroupNumbers {
  readonly #numbers: Map<GroupName, number>;
  readonly #used: Set<number>;

  constructor(before: ReadonlyMap<GroupName, number>) {
    this.#numbers = new Map(before);
    this.#used = new Set(before.values());
  }

  /** 0 for a group that has none. */
  of(group: GroupName): number {
    return this.#numbers.get(group) ?? 0;
  }

  /** The lowest numbers that no group ever had, in the order of names; returns those that were given now. */
  give(groups: readonly GroupName[]): ReadonlyMap<GroupName, number> {
    const given = new Map<GroupName, number>();
    const without = groups.filter((group) => !this.#numbers.has(group)).toSorted();
    let next = 1;
    for (const group of without) {
      while (this.#used.has(next)) next += 1;
      // More groups than anybody configures came and went since this machine was started.
      if (next > NUMBER_MAX) throw new Error("all numbers of groups are used up; reboot, or remove the file of votes");
      this.#used.add(next);
      this.#numbers.set(group, next);
      given.set(group, next);
    }
    return given;
  }
}
