/**
 * The orders of a planned move (ownership.md F4, F5): each is one datagram that decides, after datagrams that prepare it.
 * Which stations a group has in the kernel is remembered here, since only those known can be removed again.
 */
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import * as order from "./fence-orders.ts";
import type { TimedChain } from "./fence-orders.ts";
import type { Station } from "./fence-plan.ts";
import type { RenewalSocket } from "./fence-renewals.ts";

export const RELAY_MAX_MS = 65_535;
export const PASS_MAX_MS = 600_000;

/** Gives a timed chain another timeout, by netlink. */
export type ChangeDuration = (chain: TimedChain, for_ms: number) => Result<void, string>;

export class FenceModes {
  readonly #renewals: RenewalSocket;
  readonly #changeDuration: ChangeDuration;
  readonly #successors = new StationList(order.SET_SUCCESSOR, order.REMOVE_SUCCESSOR);
  readonly #predecessors = new StationList(order.SET_PREDECESSOR, order.REMOVE_PREDECESSOR);
  readonly #relayed = new StationList(order.ADD_STATION, order.REMOVE_STATION);
  /** The timeouts that the rules have. */
  readonly #durations = new Map<TimedChain, number>();

  constructor(renewals: RenewalSocket, changeDuration: ChangeDuration) {
    this.#renewals = renewals;
    this.#changeDuration = changeDuration;
  }

  /** The tables are new, or of a daemon before this one and emptied: nothing is known of the rules' timeouts. */
  forget(): void {
    for (const list of [this.#successors, this.#predecessors, this.#relayed]) list.forget();
    this.#durations.clear();
  }

  /** The rules of relaying and passing were written anew. */
  forgetDurations(): void {
    this.#durations.clear();
  }

  /** The kernel has these from before. */
  recallPredecessor(group: number, station: Station): void {
    this.#predecessors.recall(group, station);
  }

  close(group: number, armed: readonly number[]): Result<void, string> {
    const disarmed = this.#disarm(group, armed);
    return disarmed.ok ? this.#renewals.send(order.CLOSE, group, 0) : disarmed;
  }

  forward(group: number, armed: readonly number[], to: readonly Station[]): Result<void, string> {
    if (to.length === 0) return failure("fence: forwarding needs to know where the successor is");
    const disarmed = this.#disarm(group, armed);
    if (!disarmed.ok) return disarmed;
    const prepared = this.#successors.replace(this.#renewals, group, to);
    if (!prepared.ok) return prepared;
    // What the successor sends to the group is not sent back to it.
    const known = this.#relayed.replace(this.#renewals, group, to);
    if (!known.ok) return known;
    const done = this.#renewals.send(order.FORWARD, group, 0);
    return done.ok ? done : failure(`${done.error}: forwarding a group that is not open?`);
  }

  relay(group: number, from: readonly Station[], for_ms: number): Result<void, string> {
    if (!isDuration(for_ms, RELAY_MAX_MS)) return failure(`fence: relaying for ${for_ms} ms`);
    if (from.length === 0) return failure("fence: relaying needs to know where the owner is");
    const lasting = this.#lasting("relay", for_ms);
    if (!lasting.ok) return lasting;
    const prepared = this.#relayed.replace(this.#renewals, group, from);
    if (!prepared.ok) return prepared;
    const done = this.#renewals.send(order.RELAY, group, 0);
    return done.ok ? done : failure(`${done.error}: relaying for a group that is open?`);
  }

  passConnections(group: number, to: readonly Station[], for_ms: number): Result<void, string> {
    if (for_ms === 0) return this.#renewals.send(order.END_PASSING, group, 0);
    if (!isDuration(for_ms, PASS_MAX_MS)) return failure(`fence: passing connections on for ${for_ms} ms`);
    const lasting = this.#lasting("pass", for_ms);
    if (!lasting.ok) return lasting;
    const prepared = this.#predecessors.replace(this.#renewals, group, to);
    return prepared.ok ? this.#renewals.send(order.PASS, group, 0) : prepared;
  }

  #disarm(group: number, armed: readonly number[]): Result<void, string> {
    for (const number of armed) {
      const disarmed = this.#renewals.send(order.DISARM, group, number);
      if (!disarmed.ok) return disarmed;
    }
    return success(undefined);
  }

  /** The first time of each duration costs a transaction; a daemon uses one of each. */
  #lasting(chain: TimedChain, for_ms: number): Result<void, string> {
    if (this.#durations.get(chain) === for_ms) return success(undefined);
    this.#durations.delete(chain);
    const changed = this.#changeDuration(chain, for_ms);
    if (changed.ok) this.#durations.set(chain, for_ms);
    return changed;
  }
}

/** The stations of each group in one set of the kernel. */
class StationList {
  readonly #set: number;
  readonly #remove: number;
  /** What the kernel may have, and whether it has exactly that. */
  readonly #known = new Map<number, { readonly stations: readonly Station[]; readonly certain: boolean }>();

  constructor(set: number, remove: number) {
    this.#set = set;
    this.#remove = remove;
  }

  forget(): void {
    this.#known.clear();
  }

  recall(group: number, station: Station): void {
    this.#known.set(group, { stations: [...(this.#known.get(group)?.stations ?? []), station], certain: true });
  }

  /** Sends nothing when nothing changes: setting a station again would leave an instant without it. */
  replace(renewals: RenewalSocket, group: number, wanted: readonly Station[]): Result<void, string> {
    const { stations, certain } = this.#known.get(group) ?? { stations: [], certain: true };
    const gone = stations.filter((old) => !wanted.some((station) => isSame(station, old)));
    const missing = wanted.filter((station) => !certain || !stations.some((old) => isSame(station, old)));
    if (gone.length === 0 && missing.length === 0) return success(undefined);
    this.#known.set(group, { stations: [...gone, ...wanted], certain: false });
    for (const station of gone) {
      const done = renewals.sendStation(this.#remove, group, station);
      if (!done.ok) return done;
    }
    for (const station of missing) {
      const done = renewals.sendStation(this.#set, group, station);
      if (!done.ok) return done;
    }
    this.#known.set(group, { stations: wanted, certain: true });
    return success(undefined);
  }
}

function isSame(a: Station, b: Station): boolean {
  return a.interface === b.interface && a.mac === b.mac;
}

function isDuration(for_ms: number, max_ms: number): boolean {
  return Number.isInteger(for_ms) && for_ms >= 1 && for_ms <= max_ms;
}
