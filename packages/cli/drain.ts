/** `holdfast drain NODE`: moves everything off a node and keeps it empty, also over a restart, until `undrain`. */
import type { Status } from "@holdfast/api/schema.ts";
import { act, type ActOptions, nodeOf } from "./act.ts";
import type { Context } from "./command.ts";

export function drain(context: Context, node: string, reason: string, options: ActOptions): Promise<number> {
  return act(context, options, {
    path: "/v1/drain",
    body: { node, reason },
    plan: (status) => drainPlan(status, node),
  });
}

export function drainPlan(status: Status, name: string): readonly string[] {
  const node = nodeOf(status, name);
  const owned = status.groups.filter((group) => group.owner === name);
  const lines = [`drain ${name}: it owns nothing until: holdfast undrain ${name}`];
  for (const group of owned) {
    const to = group.standbys[0];
    lines.push(
      to ? `move ${group.name} from ${name} to ${to}` : `! ${group.name} has no standby and would have no owner`,
    );
  }
  if (owned.length === 0) lines.push(`it owns no group now`);
  const last = status.groups.filter(
    (group) => group.owner !== name && group.standbys.length === 1 && group.standbys[0] === name,
  );
  for (const group of last) lines.push(`! ${group.name} has no other standby than ${name}`);
  if (node.drained) lines.push(`it is drained already`);
  return lines;
}
