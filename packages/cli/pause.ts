/** `holdfast pause [GROUP] --for 1h` and `resume`: freezes what the cluster does by itself while somebody works on the nodes. */
import { EXIT, type GroupStatus, type Status } from "@holdfast/api/schema.ts";
import { act, type ActOptions } from "./act.ts";
import { CommandFailure, type Context } from "./command.ts";
import { duration } from "./words.ts";

export interface PauseOptions extends ActOptions {
  readonly for_ms: number;
  readonly reason: string;
}

export function pause(context: Context, group: string | undefined, options: PauseOptions): Promise<number> {
  const { for_ms, reason } = options;
  return act(context, options, {
    path: "/v1/pause",
    body: { ...(group === undefined ? {} : { group }), for_ms, reason },
    plan: (status) => pausePlan(status, group, for_ms),
  });
}

export function resume(context: Context, group: string | undefined, options: ActOptions): Promise<number> {
  return act(context, options, {
    path: "/v1/resume",
    body: group === undefined ? {} : { group },
    plan: (status) => resumePlan(status, group),
  });
}

export function pausePlan(status: Status, name: string | undefined, for_ms: number): readonly string[] {
  const groups = concerned(status, name);
  const names = groups.map((group) => group.name).join(" ");
  const lines = [
    `pause ${names} for ${duration(for_ms)}: no node takes over when the owner dies, nothing fails back, nothing moves by itself`,
    "move, drain and a stop of the daemon do what they always do; the pause ends by itself, or by: holdfast resume",
  ];
  for (const group of groups) {
    if (group.owner === null) lines.push(`! ${group.name} has no owner now, and will have none while it is paused`);
    if (group.pause_remaining_ms !== null)
      lines.push(`${group.name} is paused already, for ${duration(group.pause_remaining_ms)} more: that is replaced`);
  }
  return lines;
}

export function resumePlan(status: Status, name: string | undefined): readonly string[] {
  const paused = concerned(status, name).filter((group) => group.pause_remaining_ms !== null);
  if (paused.length === 0) return [name === undefined ? "no group is paused" : `${name} is not paused`];
  const lines = paused.map(
    (group) => `resume ${group.name}: ${duration(group.pause_remaining_ms ?? 0)} before its time`,
  );
  for (const group of paused)
    if (group.owner === null) lines.push(`${group.name} has no owner: another node takes it over at once`);
  return lines;
}

function concerned(status: Status, name: string | undefined): readonly GroupStatus[] {
  if (name === undefined) return status.groups;
  const group = status.groups.find((candidate) => candidate.name === name);
  if (group) return [group];
  const known = status.groups.map((candidate) => candidate.name).join(", ");
  throw new CommandFailure(EXIT.usage, "unknown-group", `there is no group named ${name}`, `there are: ${known}`);
}
