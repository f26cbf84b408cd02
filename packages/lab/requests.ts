/** What the supervisor does for each command. */
import { spawn } from "node:child_process";
import { EXIT } from "@holdfast/api/schema.ts";
import { ACTION_NAMES, exitCode, readAction } from "./actions.ts";
import type { ActionName } from "./actions.ts";
import { demonstrate } from "./demo.ts";
import { LabError } from "./directory.ts";
import type { Lab, Say } from "./lab.ts";
import { onLines } from "./lines.ts";
import { MEASURED_FAULTS, measure, measurementTable } from "./measure.ts";
import type { MeasuredFault } from "./measure.ts";
import { describeObservation, observe, steadyOwner } from "./observe.ts";
import type { End, Request } from "./protocol.ts";
import { labStatus, statusLines } from "./status.ts";

const READY_MS = 20_000;

export async function perform(lab: Lab, request: Request, say: Say): Promise<End> {
  const { command, args } = request;
  if ((ACTION_NAMES as readonly string[]).includes(command)) return act(lab, command as ActionName, args, say);
  switch (command) {
    case "ready":
      return ready(lab);
    case "status": {
      const status = await labStatus(lab);
      statusLines(status).forEach(say);
      return { code: status.violations.length > 0 ? EXIT.outage : EXIT.done, result: status };
    }
    case "heal":
      return heal(lab, say);
    case "measure":
      return measureCommand(lab, args, say);
    case "demo":
      return demonstrate(lab, say);
    case "exec":
      return execute(lab, args, say);
    case "down":
      return { code: EXIT.done, result: { down: lab.name } };
    default:
      throw new LabError(`the lab knows no command "${command}"`);
  }
}

/** Answers when the cluster is at rest and the client served; without daemons at once. */
async function ready(lab: Lab): Promise<End> {
  if (!lab.options.daemons) return { code: EXIT.done, result: { owner: null, nodes: lab.nodeNames } };
  await lab.rest(READY_MS);
  return { code: EXIT.done, result: { owner: await steadyOwner(lab), nodes: lab.nodeNames } };
}

async function act(lab: Lab, name: ActionName, args: readonly string[], say: Say): Promise<End> {
  const owner = await lab.owner(100, 1000);
  const action = readAction(lab, name, args, owner);
  say(`${action.title} ...`);
  const seen = await observe(lab, owner, action.moves, action.perform);
  describeObservation(seen).forEach(say);
  return {
    code: exitCode(seen),
    result: { schema: "holdfast.lab-fault/1", did: action.title, ...seen },
  };
}

async function heal(lab: Lab, say: Say): Promise<End> {
  const owner = await lab.owner(100, 1000);
  say("healing ...");
  const seen = await observe(lab, owner, false, async () => {
    await lab.heal();
    await lab.rest(READY_MS);
  });
  describeObservation(seen).forEach(say);
  return {
    code: exitCode(seen),
    result: { schema: "holdfast.lab-fault/1", did: "healing", ...seen },
  };
}

async function measureCommand(lab: Lab, args: readonly string[], say: Say): Promise<End> {
  const [what = "all", runs = "5"] = args;
  const faults = what === "all" ? MEASURED_FAULTS : MEASURED_FAULTS.filter((each) => each === (what as MeasuredFault));
  if (faults.length === 0)
    throw new LabError(`"${what}" can not be measured; measure all or one of ${MEASURED_FAULTS.join(", ")}`);
  if (!/^[1-9]\d{0,2}$/.test(runs)) throw new LabError(`--runs takes a number from 1 to 999, not "${runs}"`);
  const { code, result } = await measure(lab, faults, Number(runs), say);
  measurementTable(result).forEach(say);
  return { code, result };
}

/** Runs a program inside a node, the client or the switch ("switch"). */
function execute(lab: Lab, args: readonly string[], say: Say): Promise<End> {
  const [where, ...words] = args;
  const stations = [...lab.nodeNames, "client", "watch", "switch"];
  if (where === undefined || !stations.includes(where) || words.length === 0) {
    throw new LabError(`exec takes one of ${stations.join(", ")} and a command`);
  }
  const [file, ...rest] = where === "switch" ? words : ["ip", "netns", "exec", where, ...words];
  return new Promise((resolve, reject) => {
    const child = spawn(file as string, rest, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) onLines(stream, say);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? EXIT.failed, result: { exit: code } }));
  });
}
