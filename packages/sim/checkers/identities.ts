/** I5: no ballot and no request number of a boot is made twice; a lease is nominated away at most once (N2). */
import type { Report } from "./report.ts";
import type { BootId, NodeName } from "@holdfast/core/units/names.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";

type Made = Extract<LeaseEntry, { kind: "prepare" | "propose" | "nominate" }>;

export class IdentitiesChecker {
  readonly #report: Report;
  readonly #numbers = new Set<string>();
  /** By ballot: for which group, and to whom it was given when it was made for another. */
  readonly #ballots = new Map<string, string>();
  /** By the ballot of the lease that was passed on. */
  readonly #nominations = new Map<string, string>();
  /** By boot and ballot: the request that was said under it, one at a time and rising. */
  readonly #highest = new Map<BootId, number>();
  #checked: LeaseEntry | undefined;

  constructor(report: Report) {
    this.#report = report;
  }

  armed(node: NodeName, boot: BootId, number: number): void {
    const highest = this.#highest.get(boot) ?? 0;
    if (number <= highest) this.#report("I5", `${node} armed number ${number} of boot ${boot} after ${highest}`);
    const key = `${boot} ${number}`;
    if (this.#numbers.has(key)) this.#report("I5", `${node} made number ${number} of boot ${boot} twice`);
    this.#numbers.add(key);
    this.#highest.set(boot, Math.max(highest, number));
    if (this.#numbers.size > 10_000) this.#numbers.clear();
  }

  /** A node says something under a ballot. */
  said(from: NodeName, boot: BootId, entry: LeaseEntry): void {
    if (entry.kind !== "prepare" && entry.kind !== "propose" && entry.kind !== "nominate") return;
    // One entry goes to every voter.
    if (entry === this.#checked) return;
    this.#checked = entry;
    this.#checkBallot(from, boot, entry);
    if (entry.kind !== "nominate") return;
    const passed = `${entry.group} ${text(entry.fromBallot)}`;
    const to = `${text(entry.ballot)} ${entry.holder.node} ${entry.holder.kernel} ${entry.holderBoot}`;
    const before = this.#nominations.get(passed);
    if (before !== undefined && before !== to)
      this.#report("N2", `the lease ${passed} is nominated to ${to} and to ${before}`);
    this.#nominations.set(passed, to);
  }

  #checkBallot(from: NodeName, boot: BootId, entry: Made): void {
    const ballot = text(entry.ballot);
    const use = `${entry.group} for ${entry.holder.node} ${entry.holder.kernel}`;
    const before = this.#ballots.get(ballot);
    if (before === use) return;
    if (before !== undefined) return this.#report("I5", `${from} uses ballot ${ballot} as ${use}, made as ${before}`);
    this.#ballots.set(ballot, use);
    const made = entry.ballot.node === from && entry.ballot.boot === boot;
    if (!made && entry.kind === "prepare") this.#report("I5", `${from} prepares ballot ${ballot} of another maker`);
  }
}

function text(ballot: LeaseEntry["ballot"]): string {
  return `${ballot.round}.${ballot.node}.${ballot.boot}`;
}
