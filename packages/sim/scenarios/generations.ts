/**
 * Voters come and go, and T changes, while everything else goes wrong (ownership.md G1 to G5): an operator writes a
 * configuration with one voter more or less, or with another T, each node takes it over when its own rules allow, and daemons start again with old files and new ones.
 */
import { calm } from "./calm.ts";
import { clusterOf, RATE_ERROR, SETTINGS, type Times } from "./clusters.ts";
import { disturb } from "./disturbances.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import type { Cluster, Timing } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

/** Machines there are; voters are some of them. */
const MACHINES = 5;
const VOTERS_MIN = 2;
/** Things the operator tries between two faults. */
const TRIES = 4;
const LEASES = 120;
/** The share of generations that change T and not the voters. */
const OTHER_LEASE = 0.3;
/** Leases that faults rest at the end of a round of reloads, so that there is a next one. */
const ROUND_LEASES = 12;

export const generations: Scenario = {
  name: "generations",
  about:
    "voters are added and removed one at a time, T changes, nodes reload and restart at any moment, with all other faults",
  run: (seed, options) => generationsWorld(seed, options),
};

function generationsWorld(seed: number, options: ScenarioOptions = {}): Outcome {
  // The longer of two leases is what the world's bounds are made from.
  const times = (seed % 3 === 0 ? SETTINGS[1] : SETTINGS[3]) as Times;
  const shorter = (seed % 3 === 0 ? SETTINGS[0] : SETTINGS[2]) as Times;
  const everybody = clusterOf(MACHINES, ["web"], times);
  const world = new VirtualCluster(everybody, seed, RATE_ERROR, options.plant);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  options.begin?.(world);
  const operator = new Operator(world, everybody, clusterOf(MACHINES, ["web"], shorter).timing);
  operator.begin(3 + (seed % 2));
  const { dead } = world.cluster.timing;
  world.run(4 * dead);
  world.network.faults.duplicate = 0.1;
  const loss = world.pick([0, 0.05, 0.2]);
  const slow = world.pick([0, 0.02, 0.1]);
  const freeze = world.pick([0, 0.0005, 0.002]);
  const crash = world.pick([0, 0.0003]);
  const end = world.now + (options.leases ?? LEASES) * dead;
  for (let request = 1; world.now < end && !world.over; request++) {
    const rest = Math.floor(request / ROUND_LEASES) % 2 === 1;
    Object.assign(world.faults, { loss: rest ? 0 : loss, slow: rest ? 0 : slow, slow_ms: 3 * dead });
    world.freeze = { probability: rest ? 0 : freeze, longest_ms: 2 * dead, crash: rest ? 0 : crash };
    if (rest) world.cut.clear();
    for (let i = 0; i < TRIES && !world.over; i++) {
      world.run((world.random() * 2 * dead) / TRIES);
      operator.work();
    }
    if (!rest) disturb(world, request, 0.02);
  }
  operator.finish();
  return calm(world);
}

class Operator {
  readonly #world: VirtualCluster;
  readonly #everybody: Cluster;
  readonly #timings: readonly [Timing, Timing];
  /** The newest configuration that a running node took over, and one that is offered to them. */
  #entered: Cluster;
  #offered: Cluster;

  constructor(world: VirtualCluster, everybody: Cluster, shorter: Timing) {
    this.#world = world;
    this.#timings = [everybody.timing, shorter];
    this.#everybody = everybody;
    this.#entered = everybody;
    this.#offered = everybody;
  }

  begin(voters: number): void {
    this.#entered = this.#with(
      1,
      this.#everybody.nodes.slice(0, voters).map((node) => node.name),
      this.#timings[0],
    );
    this.#offered = this.#entered;
    for (const node of this.#world.nodes.values()) node.cluster = this.#entered;
    this.#world.startAll();
  }

  /** One thing: write the next configuration, reload a node, or start a machine that is new in it. */
  work(): void {
    if (this.#world.over) return;
    const name = this.#world.pick([...this.#world.nodes.keys()]);
    const node = this.#world.node(name);
    if (this.#offered === this.#entered && this.#world.random() < 0.4) this.#write();
    if (node.daemon === undefined) {
      // Its file is the newest that is in force, or an old one that nobody replaced.
      if (this.#world.random() < 0.7) node.cluster = this.#entered;
      this.#world.start(name);
    } else if (this.#isGone(name)) {
      this.#world.input(name, { kind: "stop" });
    } else if (this.#world.reload(name, this.#offered, this.#world.plant.reloadsAnything)) {
      this.#entered = this.#offered;
    }
  }

  /** Every machine has the newest configuration; who may not take it over is started again with it. */
  finish(): void {
    for (const node of this.#world.nodes.values()) {
      const current = node.daemon?.state.cluster === this.#entered;
      node.cluster = this.#entered;
      if (!current) this.#world.kill(node.name);
    }
  }

  #isGone(name: NodeName): boolean {
    return !this.#entered.nodes.some((node) => node.name === name);
  }

  #write(): void {
    const voters = this.#entered.nodes.map((node) => node.name);
    const { timing } = this.#entered;
    if (Object.keys(this.#world.plant).length === 0 && this.#world.random() < OTHER_LEASE) {
      const other = this.#timings[timing === this.#timings[0] ? 1 : 0];
      this.#offered = this.#with(this.#entered.generation + 1, voters, other);
      return this.#count("lease changes");
    }
    this.#count("voter changes");
    const others = this.#everybody.nodes.map((node) => node.name).filter((name) => !voters.includes(name));
    const adds = others.length > 0 && (voters.length <= VOTERS_MIN || this.#world.random() < 0.5);
    const leaving = this.#world.pick(voters);
    const next = adds ? [...voters, this.#world.pick(others)] : voters.filter((name) => name !== leaving);
    // G1 broken: one leaves and another comes in the same generation.
    const another = this.#world.pick(others);
    if (this.#world.plant.changesTwoVoters === true && others.length > 0)
      next.splice(0, next.length, ...voters.filter((name) => name !== leaving), another);
    this.#offered = this.#with(this.#entered.generation + 1, next, timing);
  }

  #count(called: string): void {
    const { disturbances } = this.#world;
    disturbances.set(called, (disturbances.get(called) ?? 0) + 1);
  }

  #with(generation: number, voters: readonly NodeName[], timing: Timing): Cluster {
    const nodes = this.#everybody.nodes.filter((node) => voters.includes(node.name));
    const prefer = nodes.map((node) => node.name);
    const groups = this.#everybody.groups.map((group) => ({ ...group, prefer }));
    const digest = generation.toString(16).padStart(8, "0");
    return { ...this.#everybody, generation, digest, nodes, groups, timing };
  }
}
