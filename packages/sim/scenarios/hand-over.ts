/**
 * A planned move with one daemon struck at one point between two effects: the seed says which side, where, and whether it
 * is frozen or killed. At worst an outage as for a crash, never two owners; without a strike the fence never shuts.
 */
import { clusterOf, DEFAULT_TIMES, SETTINGS, type Times } from "./clusters.ts";
import type { Outcome, Scenario, ScenarioOptions } from "./scenario.ts";
import { VirtualCluster } from "../virtual-cluster.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

/** Points of a daemon's turns that a move takes, with some beats behind it. */
export const POINTS = 120;
/** Who is struck: nobody, the old owner, the successor, a voter. */
const VICTIMS = [undefined, "n1", "n2", "n3"] as const;

export const handOver: Scenario = {
  name: "hand-over",
  about: "a planned move; one daemon is frozen or killed at a point between two effects that the seed names",
  run: (seed, options) => handOverWorld(seed, options),
};

function handOverWorld(seed: number, options: ScenarioOptions = {}): Outcome {
  const times = (seed % 2 === 0 ? DEFAULT_TIMES : SETTINGS[3]) as Times;
  const drain_ms = seed % 5 === 0 ? 1000 : 0;
  const world = new VirtualCluster(clusterOf(3, ["web"], times, { drain_ms }), seed, 0, options.plant);
  world.stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
  options.begin?.(world);
  world.startAll();
  const { dead, heartbeat } = world.cluster.timing;
  world.run(5 * dead + world.random() * heartbeat);
  const before = world.checkers.owners.counts.gaps;
  const victim = VICTIMS[seed % VICTIMS.length];
  const freeze_ms = seed % 3 === 0 ? undefined : world.random() * 3 * dead;
  if (victim !== undefined)
    world.ambush = { node: victim, points: 1 + (Math.floor(seed / VICTIMS.length) % POINTS), freeze_ms };
  const action = { kind: "move", group: "web" as GroupName, target: "n2" as NodeName } as const;
  world.ask("n1", 1, "n1", action, 4 * dead);
  world.run(6 * dead);
  if (victim === undefined) judgeUndisturbed(world, before);
  if (!world.over && world.node(victim ?? "n1").daemon === undefined) world.start(victim ?? "n1");
  const healed_ms = world.until(() => world.owner("web") !== undefined, dead * 1.01 + 3 * heartbeat);
  if (healed_ms === undefined && !world.over) world.checkers.report("D3", "web: no owner after the move");
  return { world, violations: world.violations, healed_ms, abstained: false };
}

function judgeUndisturbed(world: VirtualCluster, gapsBefore: number): void {
  if (world.over) return;
  const { gaps } = world.checkers.owners.counts;
  if (gaps !== gapsBefore) world.checkers.report("N6", "a planned move left web unanswered");
  if (world.owner("web") !== "n2") world.checkers.report("N5", "web is not on the node it was moved to");
}
