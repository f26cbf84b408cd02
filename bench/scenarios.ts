/** The faults: what each does to the owner, what heals it, and how long it is watched. */
import { setTimeout as delay } from "node:timers/promises";
import { runCommand } from "@holdfast/lab/command.ts";
import { LabError } from "@holdfast/lab/directory.ts";
import * as faults from "@holdfast/lab/faults.ts";
import type { Lab } from "@holdfast/lab/lab.ts";
import { flood } from "./flood.ts";
import { PRODUCTS } from "./plan.ts";
import type { BenchTiming, FaultName, ProductName } from "./plan.ts";
import type { Product } from "./product.ts";

export interface Bench {
  readonly lab: Lab;
  readonly product: Product;
  readonly timing: BenchTiming;
}

export interface Scenario {
  /** Another node than the owner must answer at the end. */
  readonly moves: boolean;
  /** Which products run it with failback to the preferred node switched on. */
  readonly failback: readonly ProductName[];
  /** Done, but not watched, before the fault. */
  readonly before?: (bench: Bench, owner: string) => Promise<void>;
  /** The reason when the product cannot do it. */
  readonly perform: (bench: Bench, owner: string) => Promise<string | void>;
  readonly heal?: (bench: Bench, owner: string) => Promise<void>;
  /** Watched at least so long after `perform` has returned. */
  readonly hold_ms: (timing: BenchTiming) => number;
}

/** What a fault that is over in a moment may still do. */
const BRIEF_MS = 800;
const briefly = (): number => BRIEF_MS;
/** What two owners do "for good" shows in this time after the second one came. */
const LONG_MS = 1500;
const long = ({ dead_ms }: BenchTiming): number => LONG_MS + dead_ms;

/** Before every other rule, lo included. Only `add`: nft(8) 1.1.0 crashes when it reads the heartbeat filter's sets. */
function passIp(policy: "drop" | "accept"): readonly string[] {
  const chains = ["input", "output"].map(
    (hook) => `add chain inet deadip ${hook} { type filter hook ${hook} priority -500; policy ${policy}; }`,
  );
  return ["nft", ["add table inet deadip", ...chains].join("; ")];
}

function inNode(node: string, words: readonly string[]): Promise<string> {
  return runCommand("ip", ["netns", "exec", node, ...words]);
}

const calm = (bench: Bench): Promise<void> => bench.lab.setFaults(faults.NO_FAULTS);

/** A fault of the network alone: the daemons run on. */
function network(next: (lab: Lab, owner: string) => faults.Faults, hold_ms: Scenario["hold_ms"] = briefly): Scenario {
  return {
    moves: true,
    failback: [],
    perform: ({ lab }, owner) => lab.setFaults(next(lab, owner)),
    heal: calm,
    hold_ms,
  };
}

/** The owner's daemon dies or ends, and is started again to heal. */
function death(perform: Scenario["perform"], hold_ms: Scenario["hold_ms"] = briefly): Scenario {
  return {
    moves: true,
    failback: [],
    perform,
    heal: ({ product }, owner) => Promise.resolve(product.start(owner)),
    hold_ms,
  };
}

/** The owner's service adapter fails, and the owner stays. */
function adapterFault(next: (lab: Lab, owner: string) => faults.Faults, hold_ms: Scenario["hold_ms"]): Scenario {
  return {
    moves: false,
    failback: [],
    // An adapter that has just failed settles for longer each time: daemons that begin anew know of no failure.
    before: async ({ lab, product }, owner) => {
      await product.configure(product.failbackOn);
      await product.rest(owner);
      await onServiceAdapter(lab, owner);
      await lab.traffic.steady(await lab.traffic.position(), 300, undefined, 15_000);
    },
    perform: ({ lab }, owner) => lab.setFaults(next(lab, owner)),
    heal: calm,
    hold_ms,
  };
}

export const LOSS_MS = 20_000;

/** Those that are over in a moment; `load` is apart (load.ts). */
export const SCENARIOS: Readonly<Record<Exclude<FaultName, "load">, Scenario>> = {
  kill: death(({ product }, owner) => Promise.resolve(product.kill(owner)), long),
  freeze: {
    moves: true,
    failback: [],
    perform: ({ product }, owner) => Promise.resolve(product.freeze(owner)),
    heal: ({ product }, owner) => Promise.resolve(product.thaw(owner)),
    hold_ms: long,
  },
  poweroff: {
    moves: true,
    failback: [],
    perform: async ({ lab, product }, owner) => {
      // The rules cut everything at one instant; only then may the processes notice.
      await lab.setFaults(faults.powerOff(lab.faults, owner));
      product.kill(owner);
      await product.forget(owner);
    },
    heal: async (bench, owner) => {
      await calm(bench);
      bench.product.start(owner);
    },
    hold_ms: briefly,
  },
  unplug: network((lab, owner) => faults.unplug(lab.faults, owner, ["lan"])),
  swap: adapterFault((lab, owner) => faults.unplug(lab.faults, owner, ["lan"]), briefly),
  silent: adapterFault((lab, owner) => faults.mute(lab.faults, owner, ["lan"]), long),
  link: { ...network((lab, owner) => faults.unplug(lab.faults, owner, ["priv"]), long), moves: false },
  cut: network((lab, owner) => faults.silence(lab.faults, owner)),
  isolate: network((lab, owner) => faults.isolate(lab.faults, owner, lab.nodeNames), long),
  deadip: {
    moves: true,
    failback: [],
    before: async ({ lab, product }, owner) => {
      await product.wire(true);
      await product.rest(owner);
      await lab.traffic.steady(await lab.traffic.position(), 300, owner, 15_000);
    },
    perform: async (_, owner) => void (await inNode(owner, passIp("drop"))),
    heal: async ({ product }, owner) => {
      await inNode(owner, passIp("accept"));
      await product.wire(false);
    },
    hold_ms: long,
  },
  crash: {
    moves: false,
    failback: [],
    perform: ({ product }, owner) => product.crash(owner),
    hold_ms: (timing) => BRIEF_MS + 2 * timing.dead_ms,
  },
  stop: death(({ product }, owner) => Promise.resolve(product.stop(owner))),
  move: {
    moves: true,
    // keepalived moves on demand only with preemption: a lower priority is what it has for a command.
    failback: ["keepalived"],
    perform: ({ product }, owner) => product.move(owner),
    heal: ({ product }, owner) => product.moveBack(owner),
    hold_ms: briefly,
  },
  failback: {
    moves: false,
    failback: PRODUCTS,
    before: async ({ lab, product }, owner) => {
      product.stop(owner);
      await lab.traffic.steady(await lab.traffic.position(), 300, owner, 15_000);
    },
    perform: async ({ lab, product }, owner) => {
      product.start(owner);
      await servedBy(lab, owner);
    },
    hold_ms: briefly,
  },
  reload: {
    moves: false,
    failback: [],
    perform: ({ product }, owner) => product.reload(owner),
    heal: ({ product }) => product.unload(),
    hold_ms: briefly,
  },
  flood: { moves: false, failback: [], perform: (bench, owner) => flood(bench, owner, false), hold_ms: briefly },
  forged: { moves: false, failback: [], perform: (bench, owner) => flood(bench, owner, true), hold_ms: briefly },
  loss: {
    moves: false,
    failback: [],
    perform: ({ lab }) => lab.setFaults({ ...lab.faults, loss: 30 }),
    heal: calm,
    hold_ms: () => LOSS_MS,
  },
};

/** By which adapter the address is does not show outside. */
async function onServiceAdapter(lab: Lab, node: string): Promise<void> {
  const end = performance.now() + 30_000;
  const { address } = lab.topology.service;
  while (performance.now() < end) {
    const shown = await runCommand("ip", ["-n", node, "address", "show", "dev", "eth0"]);
    if (shown.includes(` ${address}/`)) return;
    await delay(20);
  }
  throw new LabError(`${address} is not on the service adapter of ${node} after 30 s`);
}

async function servedBy(lab: Lab, node: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const { node: now } = await lab.traffic.steady(await lab.traffic.position(), 50, undefined, 1000);
    if (now === node) return;
  }
  throw new LabError(`${node} does not serve after 30 s`);
}
