/** `lab demo` after the lab is up: two real failures of the owner, watched by a client, and back. */
import { EXIT } from "@holdfast/api/schema.ts";
import { readAction } from "./actions.ts";
import type { Lab, Say } from "./lab.ts";
import { describeObservation, observe, steadyOwner } from "./observe.ts";
import type { Observation } from "./observe.ts";
import type { End } from "./protocol.ts";
import { labStatus, nodesLine } from "./status.ts";

const REST_MS = 30_000;

export async function demonstrate(lab: Lab, say: Say): Promise<End> {
  await lab.heal();
  await lab.rest(REST_MS);
  const { service } = lab.topology;
  say(`${service.group} ${service.address} is on ${await steadyOwner(lab)}; client asks it every millisecond`);
  say(`     ${nodesLine(await labStatus(lab), service.group)}`);
  const seen: Observation[] = [];
  for (const fault of ["unplug", "kill"] as const) {
    const owner = await steadyOwner(lab);
    const action = readAction(lab, fault, [owner], owner);
    say(`${action.title} ...`);
    seen.push(await watched(lab, say, owner, true, action.perform));
    say("healing ...");
    seen.push(
      await watched(lab, say, await steadyOwner(lab), false, async () => {
        await lab.heal();
        await lab.rest(REST_MS);
      }),
    );
  }
  const well = seen.every((each) => each.violations.length === 0 && each.after !== undefined);
  return {
    code: well ? EXIT.done : EXIT.outage,
    result: { schema: "holdfast.lab-demo/1", observations: seen },
  };
}

async function watched(
  lab: Lab,
  say: Say,
  owner: string,
  moves: boolean,
  perform: () => Promise<void>,
): Promise<Observation> {
  const seen = await observe(lab, owner, moves, perform);
  say(`     ${nodesLine(await labStatus(lab), lab.topology.service.group)}`);
  describeObservation(seen).forEach(say);
  return seen;
}
