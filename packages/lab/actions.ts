/** The faults and moves a lab knows, each as what it does and whether the service must end up on another node. */
import { EXIT } from "@holdfast/api/schema.ts";
import { moveGroup } from "./cluster.ts";
import { LabError } from "./directory.ts";
import * as faults from "./faults.ts";
import type { Lab } from "./lab.ts";
import { CABLES } from "./topology.ts";
import type { CableName } from "./topology.ts";

export interface Action {
  /** What is going on, for a person: "unplugging n1 (service)". */
  readonly title: string;
  /** Another node than the owner must answer at the end. */
  readonly moves: boolean;
  readonly perform: () => Promise<void>;
}

const MOVE_TIMEOUT_MS = 10_000;

type Build = (lab: Lab, args: readonly string[], owner: string | undefined) => Action;

const ACTIONS = {
  move: (lab, [group, target], owner) => move(lab, required(group, "move"), target, owner),
  unplug: (lab, [name, which = "service"], owner) => {
    const node = nodeIn(lab, name, "unplug");
    const cables = which === "all" ? cablesOf(lab, node) : [cableIn(lab, node, which, "unplug")];
    const moves = node === owner && (which === "all" || (which === "service" && !hasStandby(lab, node)));
    return network(lab, `unplugging ${node} (${which})`, moves, faults.unplug(lab.faults, node, cables));
  },
  mute: (lab, [name, which = "service"], owner) => {
    const node = nodeIn(lab, name, "mute");
    const cable = cableIn(lab, node, which, "mute");
    const moves = node === owner && which === "service" && !hasStandby(lab, node);
    return network(lab, `muting ${node} (${which})`, moves, faults.mute(lab.faults, node, [cable]));
  },
  network: (lab) => network(lab, "ending the lan", false, faults.deadNetwork(lab.faults, lab.nodeNames)),
  freeze: (lab, [name], owner) => {
    const node = nodeIn(lab, name, "freeze");
    return daemon(`freezing ${node}`, node === owner, () => lab.daemon(node).freeze());
  },
  kill: (lab, [name], owner) => {
    const node = nodeIn(lab, name, "kill");
    return daemon(`killing ${node}`, node === owner, () => lab.daemon(node).kill());
  },
  stop: (lab, [name], owner) => {
    const node = nodeIn(lab, name, "stop");
    return daemon(`stopping ${node}`, node === owner, () => lab.daemon(node).stop());
  },
  poweroff: (lab, [name], owner) => {
    const node = nodeIn(lab, name, "poweroff");
    return powerOff(lab, node, node === owner);
  },
  partition: (lab, [first, second]) => {
    const [a, b] = [nodeIn(lab, first, "partition"), nodeIn(lab, second, "partition")];
    return network(lab, `cutting ${a} and ${b} from each other`, false, faults.partition(lab.faults, a, b));
  },
  "one-way": (lab, [first, second]) => {
    const [from, to] = [nodeIn(lab, first, "one-way"), nodeIn(lab, second, "one-way")];
    return network(lab, `dropping frames from ${from} to ${to}`, false, faults.oneWay(lab.faults, from, to));
  },
  isolate: (lab, [name], owner) => {
    const node = nodeIn(lab, name, "isolate");
    const next = faults.isolate(lab.faults, node, lab.nodeNames);
    return network(lab, `cutting ${node} from the other nodes`, node === owner, next);
  },
  loss: (lab, [text]) => {
    const loss = percent(text);
    return network(lab, `losing ${loss}% between the nodes`, false, { ...lab.faults, loss });
  },
} as const satisfies Record<string, Build>;

export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as readonly ActionName[];

/** Reads the action's arguments; throws LabError on what they can not be. `owner` is who answers the client. */
export function readAction(lab: Lab, name: ActionName, args: readonly string[], owner: string | undefined): Action {
  const build: Build = ACTIONS[name];
  return build(lab, args, owner);
}

function nodeIn(lab: Lab, name: string | undefined, action: string): string {
  return lab.daemon(required(name, action)).node;
}

function hasStandby(lab: Lab, node: string): boolean {
  return lab.topology.nodes.find((each) => each.name === node)?.standby !== undefined;
}

function cablesOf(lab: Lab, node: string): readonly CableName[] {
  return CABLES.filter((cable) => cable !== "standby" || hasStandby(lab, node));
}

function cableIn(lab: Lab, node: string, which: string, action: string): CableName {
  if (which === "service") return "lan";
  if (which === "standby" && hasStandby(lab, node)) return "standby";
  if (which === "standby") throw new LabError(`${node} has no standby adapter: start the lab with --standby`);
  throw new LabError(
    `${action} takes "service"${action === "unplug" ? ', "standby" or "all"' : ' or "standby"'}, not "${which}"`,
  );
}

function network(lab: Lab, title: string, moves: boolean, next: faults.Faults): Action {
  return { title, moves, perform: () => lab.setFaults(next) };
}

function daemon(title: string, moves: boolean, perform: () => unknown): Action {
  return {
    title,
    moves,
    perform: () => {
      perform();
      return Promise.resolve();
    },
  };
}

function powerOff(lab: Lab, node: string, moves: boolean): Action {
  const perform = async () => {
    // The rules cut everything at one instant; only then may the processes notice.
    await lab.setFaults(faults.powerOff(lab.faults, node));
    lab.daemon(node).kill();
    lab.daemon(node).forget();
  };
  return { title: `switching ${node} off`, moves, perform };
}

function move(lab: Lab, group: string, target: string | undefined, owner: string | undefined): Action {
  if (target !== undefined) lab.daemon(target);
  const perform = async () => {
    // The owner knows most; any other node will do.
    const ask = [...lab.daemons.values()]
      .toSorted((a, b) => Number(b.node === owner) - Number(a.node === owner))
      .find((each) => each.state === "running");
    if (!ask) throw new LabError("no daemon is running that could be asked to move");
    const outcome = await moveGroup(ask.files.socket, group, target, MOVE_TIMEOUT_MS);
    if (outcome.code !== "done") throw new LabError(`${group} was not moved (${outcome.code}): ${outcome.text}`);
  };
  return {
    title: `moving ${group}${target ? ` to ${target}` : ""}`,
    moves: target !== owner,
    perform,
  };
}

function required(text: string | undefined, action: string): string {
  if (text === undefined) throw new LabError(`${action} needs another argument; see: holdfast lab help`);
  return text;
}

function percent(text: string | undefined): number {
  if (text === undefined || !/^\d{1,3}$/.test(text) || Number(text) > 100)
    throw new LabError(`loss takes a whole number from 0 to 100, not "${text ?? ""}"`);
  return Number(text);
}

/** Exit code of what was seen: two answering nodes are an outage, and so is a client without answers. */
export function exitCode(seen: {
  readonly violations: readonly unknown[];
  readonly after: string | undefined;
}): number {
  return seen.violations.length > 0 || seen.after === undefined ? EXIT.outage : EXIT.done;
}
