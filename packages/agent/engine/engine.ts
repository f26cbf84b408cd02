/**
 * The engine's turn: inputs go to the core one at a time, its effects are performed in order, and what they bring back
 * is taken before anything else. Everything here happens in one turn of the loop; nothing waits.
 */
import type { Effect, Input, StoredPause } from "@holdfast/core/effects.ts";
import { nextDeadline, type NodeState, step } from "@holdfast/core/node.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { GroupName, InterfaceName, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { Instant } from "@holdfast/core/units/time.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { unreachable } from "@holdfast/core/units/unreachable.ts";

/** What the engine performs effects with. Every one of these may fail; a failure is an input. */
export interface Adapters {
  /** The monotonic clock, read anew at every call (V1: after the datagram was received). */
  readonly now: () => Instant;
  readonly send: (to: NodeName, link: LinkName, heartbeat: Heartbeat) => void;
  readonly arm: (group: GroupName, number: number) => Result<void, string>;
  readonly commit: (group: GroupName, number: number) => Result<void, string>;
  readonly close: (group: GroupName, armed: readonly number[]) => Result<void, string>;
  readonly forward: (group: GroupName, armed: readonly number[], macs: readonly Mac[]) => Result<void, string>;
  readonly relay: (group: GroupName, macs: readonly Mac[], for_ms: number) => Result<void, string>;
  readonly passConnections: (group: GroupName, macs: readonly Mac[], for_ms: number) => void;
  readonly resetConnections: (group: GroupName) => void;
  readonly saveVotes: (effect: Extract<Effect, { kind: "saveVotes" }>) => Result<void, string>;
  /**
   * Brings this node's MAC address in each of the group's segments; none when one of them has none. Undefined: they are not
   * usable yet, and `addressesPlaced` comes by itself.
   */
  readonly placeAddresses: (
    group: GroupName,
    wanted: boolean,
    adapters: readonly InterfaceName[],
  ) => Result<readonly Mac[] | undefined, string>;
  readonly announce: (effect: Extract<Effect, { kind: "announce" }>) => void;
  readonly stopAnnouncing: (group: GroupName) => void;
  readonly record: (effect: Extract<Effect, { kind: "record" }>) => void;
  readonly reply: (effect: Extract<Effect, { kind: "reply" }>) => void;
  readonly saveDrained: (reason: string | undefined) => void;
  readonly savePauses: (pauses: readonly StoredPause[]) => void;
  readonly probe: (effect: Extract<Effect, { kind: "probe" }>) => void;
  /** Each that can tell comes back as the input `framesCounted`. */
  readonly countFrames: (interfaces: readonly InterfaceName[]) => void;
  readonly forgetGroup: (group: GroupName) => void;
  readonly exit: () => void;
  /** Wake the loop at this time for a `tick`. */
  readonly wakeAt: (deadline: Instant) => void;
}

export class Engine {
  readonly state: NodeState;
  readonly #adapters: Adapters;
  readonly #queue: Input[] = [];
  /** What effects brought back: taken before any other input, also one that came while they were performed. */
  readonly #results: Input[] = [];
  #running = false;

  constructor(state: NodeState, adapters: Adapters) {
    this.state = state;
    this.#adapters = adapters;
  }

  /** Take inputs that came together, one after the other, and everything that follows from each. */
  input(...inputs: readonly Input[]): void {
    this.#queue.push(...inputs);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        for (const effect of step(this.state, next, this.#adapters.now())) this.#perform(effect);
      }
    } finally {
      this.#running = false;
    }
    this.#adapters.wakeAt(nextDeadline(this.state, this.#adapters.now()));
  }

  #next(): Input | undefined {
    return this.#results.shift() ?? this.#queue.shift();
  }

  #perform(effect: Effect): void {
    const adapters = this.#adapters;
    switch (effect.kind) {
      case "send":
        for (const link of effect.links) adapters.send(effect.to, link, effect.heartbeat);
        return;
      case "saveVotes": {
        const saved = adapters.saveVotes(effect);
        if (!saved.ok) this.#results.push({ kind: "saveFailed", group: effect.group, detail: saved.error });
        return;
      }
      case "placeAddresses": {
        const { group } = effect;
        const placed = adapters.placeAddresses(group, effect.wanted, effect.adapters);
        if (!placed.ok) this.#results.push({ kind: "addressesFailed", group, detail: placed.error });
        else if (effect.wanted && placed.value !== undefined)
          this.#results.push({ kind: "addressesPlaced", group, macs: placed.value });
        return;
      }
      case "flush":
        this.#results.push({ kind: "flush" });
        return;
      case "announce":
        return adapters.announce(effect);
      case "stopAnnouncing":
        return adapters.stopAnnouncing(effect.group);
      case "passConnections":
        return adapters.passConnections(effect.group, effect.macs, effect.for_ms);
      case "resetConnections":
        return adapters.resetConnections(effect.group);
      case "record":
        return adapters.record(effect);
      case "reply":
        return adapters.reply(effect);
      case "saveDrained":
        return adapters.saveDrained(effect.reason);
      case "savePauses":
        return adapters.savePauses(effect.pauses);
      case "probe":
        return adapters.probe(effect);
      case "countFrames":
        return adapters.countFrames(effect.interfaces);
      case "forgetGroup":
        return adapters.forgetGroup(effect.group);
      case "exit":
        return adapters.exit();
      default:
        return void this.#results.push(...this.#moveFence(effect));
    }
  }

  /** Every move of the fence brings its outcome back; a failed `arm` only that. */
  #moveFence(effect: Extract<Effect, { kind: "arm" | "commit" | "close" | "forward" | "relay" }>): Input[] {
    const { arm, commit, close, forward, relay } = this.#adapters;
    const { group } = effect;
    switch (effect.kind) {
      case "arm": {
        const { number } = effect;
        const done = arm(group, number);
        return done.ok ? [] : [{ kind: "armFailed", group, number, detail: done.error }];
      }
      case "commit": {
        const { number } = effect;
        const done = commit(group, number);
        return [
          done.ok ? { kind: "committed", group, number } : { kind: "commitRefused", group, number, detail: done.error },
        ];
      }
      case "close": {
        const done = close(group, effect.armed);
        return [done.ok ? { kind: "closed", group } : { kind: "closeFailed", group, detail: done.error }];
      }
      case "forward": {
        const done = forward(group, effect.armed, effect.macs);
        return [done.ok ? { kind: "forwarded", group } : { kind: "forwardFailed", group, detail: done.error }];
      }
      case "relay": {
        const done = relay(group, effect.macs, effect.for_ms);
        return [done.ok ? { kind: "relaying", group } : { kind: "relayFailed", group, detail: done.error }];
      }
      default:
        return unreachable(effect);
    }
  }
}
