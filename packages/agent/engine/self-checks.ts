/**
 * What of its own machine the engine can find broken (requirement B4), once a second and at once where something failed:
 * the orders to the fence, netlink, the IP stack, memory. Each verdict is an input `fitness`, told when it changes.
 *
 * What never worked here since the start counts for nothing: a rule set that forbids it is a choice, not a failure.
 */
import { readFileSync } from "node:fs";
import { getHeapStatistics } from "node:v8";
import { controlGroup } from "./stall-cause.ts";
import type { Input } from "@holdfast/core/effects.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { native } from "@holdfast/linux/load.ts";
import { OwnDatagram } from "@holdfast/linux/packet/own-datagram.ts";

/** How often in a row until it counts: failed, and working again. */
const FAILED_TIMES = 2;
const WORKED_TIMES = 3;
const MEMORY_EVERY = 5;
const SCARCE_SHARE = 0.95;
const PLENTY_SHARE = 0.9;
const MB = 1_000_000;

export interface SelfCheckParts {
  /** An order to the fence that changes nothing. */
  readonly fence: () => Result<void, string>;
  /** A question to the kernel by netlink. */
  readonly netlink: () => Result<void, string>;
  /** This node's own addresses on its links, where the interface is up. */
  readonly addresses: () => readonly IpAddress[];
  /** Whether others hear each other by IP, and nobody hears this node. */
  readonly deadStack: () => "none" | "somebody's" | "own";
  readonly input: (input: Input) => void;
}

/** One kind of failure over time. */
class Verdict {
  readonly what: string;
  #failed = 0;
  #worked = 0;
  #ever = false;
  #unfit = false;

  constructor(what: string) {
    this.what = what;
  }

  /** The input when the verdict changes. `times`: how often it must have failed. */
  take(result: Result<void, string>, times = FAILED_TIMES): Input | undefined {
    if (result.ok) {
      this.#ever = true;
      this.#failed = 0;
      this.#worked += 1;
      if (!this.#unfit || this.#worked < WORKED_TIMES) return undefined;
      this.#unfit = false;
      return { kind: "fitness", what: this.what, fit: true, detail: "it works again" };
    }
    this.#worked = 0;
    this.#failed += 1;
    if (this.#unfit || !this.#ever || this.#failed < times) return undefined;
    this.#unfit = true;
    return { kind: "fitness", what: this.what, fit: false, detail: result.error };
  }
}

export class SelfChecks {
  readonly #parts: SelfCheckParts;
  readonly #fence = new Verdict("fence");
  readonly #netlink = new Verdict("netlink");
  readonly #stack = new Verdict("ip-stack");
  readonly #outside = new Verdict("ip-network");
  readonly #memory = new Verdict("memory");
  readonly #own = new Map<IpAddress, OwnDatagram>();
  #seconds = 0;
  #scarce = false;

  constructor(parts: SelfCheckParts) {
    this.#parts = parts;
  }

  /** Once a second. */
  run(): void {
    this.#seconds += 1;
    this.#tell(this.#fence.take(this.#parts.fence(), 1));
    this.#tell(this.#netlink.take(this.#parts.netlink()));
    const stack = this.#askStack();
    if (stack !== undefined) this.#tell(this.#stack.take(stack));
    const outside = this.#parts.deadStack() === "own";
    const text = "the other nodes hear each other by IP, this one hears and is heard without IP only";
    this.#tell(this.#outside.take(outside ? failure(text) : success(undefined)));
    if (this.#seconds % MEMORY_EVERY === 0) this.#tell(this.#memory.take(this.#lookAtMemory()));
  }

  /** An order to the fence failed: was it the order, or is it all of them? */
  fenceSuspected(): void {
    this.#tell(this.#fence.take(this.#parts.fence(), 1));
  }

  #tell(input: Input | undefined): void {
    if (input !== undefined) this.#parts.input(input);
  }

  /** Of what was asked a second ago; then it asks again. Undefined: nothing was asked. */
  #askStack(): Result<void, string> | undefined {
    const addresses = this.#parts.addresses();
    for (const [address, own] of this.#own) {
      if (addresses.includes(address)) continue;
      own.close();
      this.#own.delete(address);
    }
    const answers = [...this.#own.values()].map((own) => own.answered());
    for (const address of addresses) this.#open(address);
    for (const own of this.#own.values()) own.ask();
    // One address that works: it is not the stack.
    return answers.find((answer) => answer.ok) ?? answers[0];
  }

  #open(address: IpAddress): void {
    if (this.#own.has(address)) return;
    try {
      this.#own.set(address, new OwnDatagram(native, address));
    } catch {
      // It left the machine just now; the next second knows.
    }
  }

  #lookAtMemory(): Result<void, string> {
    const scarce = [heapUse(), groupUse()].find(
      (use) => use !== undefined && use.used > (this.#scarce ? PLENTY_SHARE : SCARCE_SHARE) * use.limit,
    );
    this.#scarce = scarce !== undefined;
    if (scarce === undefined) return success(undefined);
    const { of, used, limit } = scarce;
    return failure(`its ${of} is nearly used up (${Math.round(used / MB)} of ${Math.round(limit / MB)} MB)`);
  }

  close(): void {
    for (const own of this.#own.values()) own.close();
    this.#own.clear();
  }
}

interface Use {
  readonly of: string;
  readonly used: number;
  readonly limit: number;
}

function heapUse(): Use {
  const { used_heap_size, heap_size_limit } = getHeapStatistics();
  return { of: "heap", used: used_heap_size, limit: heap_size_limit };
}

/** What cannot be taken back from it: the rest of a control group is cache. */
function groupUse(): Use | undefined {
  const folder = controlGroup();
  try {
    const limit = Number(readFileSync(`${folder}/memory.max`, "utf8"));
    if (!Number.isFinite(limit)) return undefined;
    const stat = readFileSync(`${folder}/memory.stat`, "utf8");
    const of = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
    return { of: "control group's memory", used: of("anon") + of("kernel") + of("shmem"), limit };
  } catch {
    return undefined;
  }
}
