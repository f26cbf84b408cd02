/** Every scenario by its name. */
import { adapters } from "./adapters.ts";
import { available, hold } from "./alone.ts";
import { fleet } from "./fleet.ts";
import { generations } from "./generations.ts";
import { handOver } from "./hand-over.ts";
import { hostile, members, sealed } from "./hostile.ts";
import type { Scenario } from "./scenario.ts";
import { loss, oneLink, quiet } from "./steady.ts";

export const SCENARIOS: readonly Scenario[] = [
  hostile,
  sealed,
  members,
  available,
  hold,
  handOver,
  generations,
  quiet,
  oneLink,
  loss,
  fleet,
  adapters,
];

export function scenarioNamed(name: string): Scenario | undefined {
  return SCENARIOS.find((scenario) => scenario.name === name);
}
