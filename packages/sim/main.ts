/**
 * Replays worlds of the simulator, or looks for one that breaks a rule.
 *   npm run sim -- --seed 7                     one world, its digest at the end
 *   npm run sim -- --seed 7 --steps 5000        the same, over after so many steps
 *   npm run sim -- --seed 7 --trace             every input and what came of it
 *   npm run sim -- --find 1-1000                many worlds; stops at the first that breaks a rule
 *   npm run sim -- --scenario NAME ...          another scenario than `hostile`; --list prints them
 *   npm run sim -- --plant NAME ...             with one of the known faults planted, to see it found
 * Exit code 1 when a rule was broken, 2 for options that make no sense.
 */
import { parseArgs } from "node:util";
import { commit } from "./commit.ts";
import { digestOf } from "./digest.ts";
import type { Plant } from "./plant.ts";
import { ADAPTER_PLANTS } from "./plants/adapters.ts";
import { plantsByName } from "./plants/catalogue.ts";
import { SCENARIOS, scenarioNamed } from "./scenarios/catalogue.ts";
import type { Outcome, Scenario } from "./scenarios/scenario.ts";
import { traceLine } from "./trace.ts";

function usage(text: string): number {
  console.error(
    `sim: ${text}; npm run sim -- [--seed N] [--find A-B] [--steps N] [--scenario NAME] [--trace] [--list]`,
  );
  return 2;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      steps: { type: "string" },
      scenario: { type: "string", default: "hostile" },
      find: { type: "string" },
      plant: { type: "string" },
      trace: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  if (values.list) {
    for (const { name, about } of SCENARIOS) console.log(`${name.padEnd(12)} ${about}`);
    return 0;
  }
  const scenario = scenarioNamed(values.scenario);
  if (scenario === undefined) return usage(`no scenario ${values.scenario}`);
  const plants: Readonly<Record<string, Plant>> = { ...plantsByName(), ...ADAPTER_PLANTS };
  const plant = values.plant === undefined ? undefined : plants[values.plant];
  if (plant === undefined && values.plant !== undefined) return usage(`no fault ${values.plant} to plant`);
  const steps = numberOf(values.steps ?? "Infinity");
  if (steps === undefined) return usage(`--steps ${values.steps} is not a number above 0`);
  if (values.find !== undefined) {
    const [from, to] = values.find.split("-").map((text) => numberOf(text));
    if (from === undefined || to === undefined) return usage(`--find ${values.find} is not A-B`);
    return find({ scenario, plant, planted: values.plant }, from, to, steps);
  }
  const seed = numberOf(values.seed ?? "1");
  if (seed === undefined) return usage(`--seed ${values.seed} is not a number above 0`);
  return replay({ scenario, plant, planted: values.plant }, seed, steps, values.trace);
}

interface Chosen {
  readonly scenario: Scenario;
  readonly plant: Plant | undefined;
  readonly planted: string | undefined;
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return value > 0 && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY) ? value : undefined;
}

function planted(plant: Plant | undefined): { readonly plant?: Plant } {
  return plant === undefined ? {} : { plant };
}

function replay(chosen: Chosen, seed: number, stepsMax: number, traced: boolean): number {
  const { scenario, plant } = chosen;
  const outcome = scenario.run(seed, {
    ...planted(plant),
    stepsMax,
    begin: (world) => {
      if (traced) world.trace = (node, input, effects) => console.log(traceLine(world, node, input, effects));
    },
  });
  const { world } = outcome;
  const { moves, gaps } = world.checkers.owners.counts;
  const counts = {
    ...Object.fromEntries(world.disturbances),
    ...world.counts,
    moves,
    gaps,
    messages: world.network.messages,
  };
  const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  console.log(`${scenario.name} seed ${seed}: ${world.events} events, ${world.steps} steps, ${told.join(", ")}`);
  for (const line of outcome.figures ?? []) console.log(`  ${line}`);
  console.log(`digest ${digestOf(world)}`);
  return broken(chosen, seed, outcome) ? 1 : 0;
}

function find(chosen: Chosen, from: number, to: number, stepsMax: number): number {
  const { scenario, plant } = chosen;
  const begun = performance.now();
  let events = 0;
  for (let seed = from; seed <= to; seed++) {
    const outcome = scenario.run(seed, { stepsMax, ...planted(plant) });
    events += outcome.world.events;
    if (broken(chosen, seed, outcome)) return 1;
  }
  const took = (performance.now() - begun) / 1000;
  console.log(`${scenario.name} seeds ${from} to ${to}: no rule broken, ${events} events in ${took.toFixed(1)} s`);
  return 0;
}

function broken({ scenario, planted: name }: Chosen, seed: number, { violations, world }: Outcome): boolean {
  if (violations.length === 0) return false;
  console.log(`RULE BROKEN in scenario ${scenario.name}, seed ${seed}, commit ${commit()}`);
  for (const violation of violations) console.log(`  ${violation}`);
  const same = `--scenario ${scenario.name} --seed ${seed}${name === undefined ? "" : ` --plant ${name}`}`;
  console.log(`  replay: npm run sim -- ${same} --steps ${world.steps} --trace`);
  return true;
}

try {
  process.exitCode = main();
} catch (error) {
  process.exitCode = usage(error instanceof Error ? error.message : String(error));
}
