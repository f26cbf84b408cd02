/** What the engine watches of itself and its machine: that it was not run, that time jumped, that something is broken. */
import { monotonic } from "./clock.ts";
import type { Runtime } from "./runtime.ts";
import { SelfChecks } from "./self-checks.ts";
import { StallCauses } from "./stall-cause.ts";
import type { NodeConfig } from "@holdfast/core/cluster.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { NodeState } from "@holdfast/core/node.ts";
import { deadStack } from "@holdfast/core/node/stack.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";

/** A wall clock that moved by less is only slewed. */
const CLOCK_STEP_MS = 100;
const SAMPLE_EVERY_S = 5;

export interface OwnWatchParts {
  readonly runtime: Runtime;
  readonly adapters: Adapters;
  /** An order to the fence that changes nothing. */
  readonly fence: () => Result<void, string>;
  readonly state: () => NodeState;
  readonly input: (input: Input) => void;
}

export class OwnWatch {
  readonly #parts: OwnWatchParts;
  readonly #causes = new StallCauses(monotonic);
  readonly #checks: SelfChecks;
  #seconds = 0;
  #wallOffset = Date.now() - monotonic();

  constructor(parts: OwnWatchParts) {
    const { adapters, fence, state, input } = parts;
    this.#parts = parts;
    this.#checks = new SelfChecks({
      fence,
      netlink: () => adapters.answers(),
      addresses: () => ownAddresses(state().self, adapters),
      deadStack: () => deadStack(state(), monotonic()),
      input,
    });
  }

  /** Wall clock minus monotonic clock, in milliseconds, as it was told last. */
  get wallOffset(): number {
    return this.#wallOffset;
  }

  /** The loop was woken, so late: before anything else of the turn. */
  lookBack(late_ms: number): void {
    const { runtime, input, state } = this.#parts;
    const for_ms = runtime.paused();
    if (for_ms > 0) input({ kind: "paused", for_ms });
    else if (late_ms > state().cluster.timing.heartbeat / 2)
      input({ kind: "stalled", cause: this.#causes.cause(late_ms) });
  }

  /** Once a second. */
  second(): void {
    this.#seconds += 1;
    if (this.#seconds % SAMPLE_EVERY_S === 0) this.#causes.sample();
    this.#checks.run();
    const offset = Date.now() - monotonic();
    if (Math.abs(offset - this.#wallOffset) <= CLOCK_STEP_MS) return;
    this.#wallOffset = offset;
    this.#parts.input({ kind: "wallClock", offset_ms: offset });
  }

  /** What came of an order to the fence; a failure may be that of all orders. */
  ordered(result: Result<void, string>): Result<void, string> {
    if (!result.ok) this.#checks.fenceSuspected();
    return result;
  }

  /** Something changed on which the fence's orders depend. */
  fenceSuspected(): void {
    this.#checks.fenceSuspected();
  }
}

/** On its links, where the interface that has them is up. */
function ownAddresses(self: NodeConfig, adapters: Adapters): readonly IpAddress[] {
  const present = adapters.all().flatMap(({ up, addresses }) => (up ? addresses.map(({ address }) => address) : []));
  return Object.values(self.links).filter((address) => present.includes(address));
}
