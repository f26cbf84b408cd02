/** `holdfast move GROUP [NODE]`: hands a group over, without a lost packet when both nodes are well. Leaves no rule behind. */
import { EXIT, type Status } from "@holdfast/api/schema.ts";
import { act, type ActOptions, nodeOf } from "./act.ts";
import { CommandFailure, type Context } from "./command.ts";

export function move(
  context: Context,
  group: string,
  target: string | undefined,
  options: ActOptions,
): Promise<number> {
  const body = target === undefined ? { group } : { group, target };
  return act(context, options, { path: "/v1/move", body, plan: (status) => movePlan(status, group, target) });
}

export function movePlan(status: Status, name: string, target: string | undefined): readonly string[] {
  const group = status.groups.find((candidate) => candidate.name === name);
  if (!group) {
    const known = status.groups.map((candidate) => candidate.name).join(", ");
    throw new CommandFailure(EXIT.usage, "unknown-group", `there is no group named ${name}`, `there are: ${known}`);
  }
  const to = target ?? group.standbys[0];
  const node = to === undefined ? undefined : nodeOf(status, to);
  const addresses = group.addresses.join(" ");
  const lines = [`move ${name} (${addresses}) from ${group.owner ?? "nobody"} to ${to ?? "nobody: it has no standby"}`];
  if (node && node.state !== "up") lines.push(`! ${node.name} is ${node.state}: the move will be refused`);
  else if (to !== undefined && to !== group.owner && !group.standbys.includes(to)) {
    lines.push(`! ${to} is no standby of ${name} now: the move will be refused (holdfast why ${name})`);
  }
  if (group.pause_remaining_ms !== null) lines.push(`! ${name} is paused: it moves now all the same, and stays there`);
  const left = group.standbys.filter((standby) => standby !== to);
  if (left.length > 0) lines.push(`other standbys: ${left.join(" ")}`);
  return lines;
}
