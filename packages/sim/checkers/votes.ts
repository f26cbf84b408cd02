/**
 * I3, I4 and the first half of design invariant 2, from what voters keep and what fences do: a commit needs a majority that
 * accepted this very number after it was armed; a lease that is not over changes its holder only by release or nomination,
 * whatever the voter has forgotten; the fence is never open longer than a majority's leases.
 */
import type { Report } from "./report.ts";
import type { VirtualNode } from "../virtual-node.ts";
import type { Accepted, VoterRecord } from "@holdfast/core/effects.ts";
import { type Ballot, type Holder, sameHolder } from "@holdfast/core/ownership/lease/ballot.ts";
import type { LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

/** What a voter has given, in true time: it counts also when the voter has lost its memory. */
interface Given {
  readonly accepted: Accepted;
  readonly until: number;
  /** The voter lost its record since. */
  forgotten: boolean;
  /** What the voter decided since could not be kept, so what it keeps next may be more than one change away. */
  unsaved: boolean;
}

interface Acceptance {
  readonly at: number;
  readonly until: number;
}

/** Requests that are older are forgotten: none can be committed after so many of them. */
const REQUESTS_KEPT = 2000;

export class VotesChecker {
  readonly #report: Report;
  /** By voter and group. */
  readonly #given = new Map<string, Given>();
  /** By request: which voters accepted it, and until when. */
  readonly #requests = new Map<string, Map<string, Acceptance>>();
  readonly #armed = new Map<string, number>();
  /** By boot and number: the ballot that a request was made under. */
  readonly #ballots = new Map<string, Ballot>();
  #lastSaid: LeaseEntry | undefined;
  /** Releases and nominations that were said: "group ballot holder", "group fromBallot ballot". */
  readonly #released = new Set<string>();
  readonly #nominated = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  armed(boot: string, group: GroupName, number: number, now: number): void {
    keep(this.#armed, `${group} ${boot} ${number}`, now);
  }

  /** A voter's record is gone. */
  forgot(voter: VirtualNode, groups: Iterable<GroupName>): void {
    for (const group of groups) {
      const given = this.#given.get(`${voter.name} ${group}`);
      if (given !== undefined) given.forgotten = true;
    }
  }

  /** The ballot of a request that was said; by the time of its commit the holder may have raised it. */
  ballotOf(boot: string, number: number): Ballot | undefined {
    return this.#ballots.get(`${boot} ${number}`);
  }

  /** A request, release or nomination leaves its maker. */
  said(boot: string, entry: LeaseEntry): void {
    // One entry goes to every voter.
    if (entry === this.#lastSaid) return;
    this.#lastSaid = entry;
    if (entry.kind === "propose") keep(this.#ballots, `${boot} ${entry.number}`, entry.ballot);
    if (entry.kind === "release") this.#released.add(releaseKey(entry.group, entry.ballot, entry.holder));
    else if (entry.kind === "nominate") this.#nominated.add(nominationKey(entry.group, entry.fromBallot, entry.ballot));
  }

  notSaved(voter: VirtualNode, group: GroupName): void {
    const given = this.#given.get(`${voter.name} ${group}`);
    if (given !== undefined) given.unsaved = true;
  }

  /** The voter's record was kept: from now on its answer may leave. */
  saved(voter: VirtualNode, group: GroupName, record: VoterRecord, now: number): void {
    const key = `${voter.name} ${group}`;
    const before = this.#given.get(key);
    const { accepted } = record;
    // Who forgot whom it was given to has not given it to anybody else by that.
    if (accepted === undefined && before?.forgotten === true) return;
    if (before?.unsaved === false && before.until > now) this.#checkChange(voter, group, before, accepted, now);
    if (accepted === undefined) {
      this.#given.delete(key);
      return;
    }
    const until = voter.kernel.clock.trueAt(accepted.expires);
    this.#given.set(key, { accepted, until, forgotten: false, unsaved: false });
    const request = requestKey(group, accepted.ballot, accepted.number, accepted.holder.kernel);
    let voters = this.#requests.get(request);
    if (voters === undefined) {
      voters = new Map();
      keep(this.#requests, request, voters);
    }
    if (!voters.has(voter.name)) voters.set(voter.name, { at: now, until });
  }

  /** The fence took a commit: it is open until `openUntil`. */
  committed(
    node: VirtualNode,
    boot: string,
    group: GroupName,
    request: { readonly ballot: Ballot; readonly number: number },
    majority: number,
    openUntil: number,
  ): void {
    const key = requestKey(group, request.ballot, request.number, node.kernel.id);
    const armedAt = this.#armed.get(`${group} ${boot} ${request.number}`) ?? Number.POSITIVE_INFINITY;
    let accepted = 0;
    let covering = 0;
    for (const { at, until } of this.#requests.get(key)?.values() ?? []) {
      if (at < armedAt) continue;
      accepted += 1;
      if (until >= openUntil) covering += 1;
    }
    const what = `${node.name} commits ${group} ${text(request.ballot)} number ${request.number}`;
    if (accepted < majority) this.#report("I3", `${what}, which ${accepted} voters accepted after it was armed`);
    else if (covering < majority)
      this.#report("D2", `${what}: open until ${openUntil.toFixed(2)}, longer than a majority's leases`);
  }

  #checkChange(voter: VirtualNode, group: GroupName, before: Given, accepted: Accepted | undefined, now: number): void {
    const { ballot, holder } = before.accepted;
    if (accepted !== undefined && sameHolder(accepted.holder, holder)) return;
    if (this.#released.has(releaseKey(group, ballot, holder))) return;
    if (accepted !== undefined && this.#nominated.has(nominationKey(group, ballot, accepted.ballot))) return;
    const next = accepted === undefined ? "nobody" : `${accepted.holder.node} by ${text(accepted.ballot)}`;
    const left = (before.until - now).toFixed(2);
    this.#report(
      "I4",
      `voter ${voter.name} gave ${group} to ${next} while ${holder.node} (${text(ballot)}) has ${left} ms left`,
    );
  }
}

function requestKey(group: GroupName, ballot: Ballot, number: number, kernel: string): string {
  return `${group} ${text(ballot)} ${number} ${kernel}`;
}

function releaseKey(group: GroupName, ballot: Ballot, holder: Holder): string {
  return `${group} ${text(ballot)} ${holder.node} ${holder.kernel}`;
}

function nominationKey(group: GroupName, from: Ballot, to: Ballot): string {
  return `${group} ${text(from)} ${text(to)}`;
}

function text(ballot: Ballot): string {
  return `${ballot.round}.${ballot.node}.${ballot.boot}`;
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value);
  if (map.size <= REQUESTS_KEPT) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
