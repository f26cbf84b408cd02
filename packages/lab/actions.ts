/** The faults and moves a lab knows, each as what it does and whether the service must end up on another node. */
import { EXIT } from "@holdfast/api/schema.ts";
import { moveGroup } from "./cluster.ts";
import { LabError } from "./directory.ts";
import * as faults from "./faults.ts";
import type { Lab } from "./lab.ts";
import { LINKS } from "./topology.ts";

export interface Action {
  /** What is going on, for a person: "unplugging n1 (service)". */
  readonly title: string;
  /** Another node than the owner must answer at the end. */
  readonly moves: boolean;
  readonly perform: () => Promise<void>;
}

const MOVE_TIMEOUT_MS = 10_000;

export const ACTION_NAMES = [
  "move",
  "unplug",
  "freeze",
  "kill",
  "stop",
  "poweroff",
  "partition",
  "one-way",
  "isolate",
  "loss",
] as const;
export type ActionName = (typeof ACTION_NAMES)[number];

/** Reads the action and its arguments; throws LabError on what it can not be. `owner` is who answers the client. */
export function readAction(
  lab: Lab,
  name: ActionName,
  args: readonly string[],
  owner: string | undefined,
): Action {
  const node = (at: number): string => lab.daemon(required(args[at], name)).node;
  const hitsOwner = (hit: string) => hit === owner;
  switch (name) {
    case "move":
      return move(lab, required(args[0], name), args[1], owner);
    case "unplug": {
      const which = args[1] ?? "service";
      if (which !== "service" && which !== "all")
        throw new LabError(`unplug takes "service" or "all", not "${which}"`);
      const links = which === "all" ? LINKS : (["lan"] as const);
      const target = node(0);
      return network(
        lab,
        `unplugging ${target} (${which})`,
        hitsOwner(target),
        faults.unplug(lab.faults, target, links),
      );
    }
    case "freeze":
      return daemon(`freezing ${node(0)}`, hitsOwner(node(0)), () => lab.daemon(node(0)).freeze());
    case "kill":
      return daemon(`killing ${node(0)}`, hitsOwner(node(0)), () => lab.daemon(node(0)).kill());
    case "stop":
      return daemon(`stopping ${node(0)}`, hitsOwner(node(0)), () => lab.daemon(node(0)).stop());
    case "poweroff":
      return powerOff(lab, node(0), hitsOwner(node(0)));
    case "partition":
      return network(
        lab,
        `cutting ${node(0)} and ${node(1)} from each other`,
        false,
        faults.partition(lab.faults, node(0), node(1)),
      );
    case "one-way":
      return network(
        lab,
        `dropping frames from ${node(0)} to ${node(1)}`,
        false,
        faults.oneWay(lab.faults, node(0), node(1)),
      );
    case "isolate":
      return network(
        lab,
        `cutting ${node(0)} from the other nodes`,
        hitsOwner(node(0)),
        faults.isolate(lab.faults, node(0), lab.nodeNames),
      );
    case "loss":
      return network(lab, `losing ${args[0]}% between the nodes`, false, {
        ...lab.faults,
        loss: percent(args[0]),
      });
  }
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

function move(
  lab: Lab,
  group: string,
  target: string | undefined,
  owner: string | undefined,
): Action {
  if (target !== undefined) lab.daemon(target);
  const perform = async () => {
    // The owner knows most; any other node will do.
    const ask = [...lab.daemons.values()]
      .toSorted((a, b) => Number(b.node === owner) - Number(a.node === owner))
      .find((each) => each.state === "running");
    if (!ask) throw new LabError("no daemon is running that could be asked to move");
    const outcome = await moveGroup(ask.files.socket, group, target, MOVE_TIMEOUT_MS);
    if (outcome.code !== "done")
      throw new LabError(`${group} was not moved (${outcome.code}): ${outcome.text}`);
  };
  return {
    title: `moving ${group}${target ? ` to ${target}` : ""}`,
    moves: target !== owner,
    perform,
  };
}

function required(text: string | undefined, action: string): string {
  if (text === undefined)
    throw new LabError(`${action} needs another argument; see: holdfast lab help`);
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
