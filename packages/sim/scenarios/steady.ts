/** Design section 4, invariant 4: no fault, no move; one of two links faulty, no move; 30 % loss on both links, no move and no gap. */
import { clusterOf, DEFAULT_TIMES, LAN, PRIV, RATE_ERROR, SETTINGS, type Times } from "./clusters.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { VirtualCluster } from "../virtual-cluster.ts";

const LEASES = 200;
const LOSS = 0.3;

export const quiet: Scenario = {
  name: "quiet",
  about: "no fault at all: no move, and the fence never shuts",
  run: (seed, options) => steady(seed, SETTINGS[seed % SETTINGS.length] as Times, () => {}, options),
};

export const oneLink: Scenario = {
  name: "one-link",
  about: "one of two links loses, flaps or is cut: no move, and the fence never shuts",
  run: (seed, options) => steady(seed, SETTINGS[seed % SETTINGS.length] as Times, faultyLink, options),
};

export const loss: Scenario = {
  name: "loss",
  about: "30 % loss on both links, three voters, default timing: no move, and the fence never shuts",
  run: (seed, options) =>
    steady(
      seed,
      DEFAULT_TIMES,
      (world) => {
        world.faults.loss = LOSS;
      },
      options,
    ),
};

function steady(
  seed: number,
  times: Times,
  disturb: (world: VirtualCluster) => void,
  options: ScenarioOptions = {},
): Outcome {
  const nodes = times === DEFAULT_TIMES ? 3 : 3 + (seed % 3);
  const world = new VirtualCluster(clusterOf(nodes, ["web", "db"], times), seed, RATE_ERROR, options.plant);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  options.begin?.(world);
  world.startAll();
  const { dead } = world.cluster.timing;
  world.run(6 * dead);
  const before = { ...world.checkers.owners.counts };
  const end = world.now + (options.leases ?? LEASES) * dead;
  while (world.now < end && !world.over) {
    disturb(world);
    world.run(world.random() * 4 * dead);
    judge(world, before);
  }
  return { world, violations: world.violations, healed_ms: 0, abstained: false };
}

function judge(world: VirtualCluster, before: VirtualCluster["checkers"]["owners"]["counts"]): void {
  const { moves, gaps } = world.checkers.owners.counts;
  if (world.over) return;
  if (moves !== before.moves) world.checkers.report("D4", "a group moved");
  if (gaps !== before.gaps) world.checkers.report("D4", "the fence of an owner was shut for a moment");
  for (const { name } of world.cluster.groups)
    if (world.owner(name) === undefined) world.checkers.report("D4", `${name} has no owner`);
}

/** The priv link keeps working. */
function faultyLink(world: VirtualCluster): void {
  const { cut, linkLoss } = world.network;
  cut.clear();
  linkLoss.clear();
  const bad = world.cluster.links.find((link) => link.name !== PRIV)?.name ?? LAN;
  const dice = world.random();
  if (dice < 0.3) linkLoss.set(bad, world.random());
  else if (dice < 0.9) {
    const names = [...world.nodes.keys()];
    const lone = dice < 0.6 ? world.pick(names) : undefined;
    for (const a of names) for (const b of names) if (lone === undefined || a === lone) cut.add(`${a} ${b} ${bad}`);
  }
}
