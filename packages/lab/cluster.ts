/** What the nodes' own daemons say, over their control sockets. */
import { ApiFailure, fetchJson, postJson } from "@holdfast/api/client.ts";
import type { Outcome, Status } from "@holdfast/api/schema.ts";
import { LabError } from "./directory.ts";

const PATIENCE_MS = 2000;

/** Undefined when the node's daemon does not answer. */
export async function nodeStatus(socket: string): Promise<Status | undefined> {
  try {
    return await fetchJson<Status>(socket, "/v1/status", PATIENCE_MS);
  } catch (error) {
    if (error instanceof ApiFailure) return undefined;
    throw error;
  }
}

/** Asks a node to move a group; throws LabError with the daemon's reason when the request itself is wrong. */
export async function moveGroup(
  socket: string,
  group: string,
  target: string | undefined,
  timeout_ms: number,
): Promise<Outcome> {
  try {
    return await postJson(socket, "/v1/move", target === undefined ? { group } : { group, target }, timeout_ms);
  } catch (error) {
    throw error instanceof ApiFailure ? new LabError(error.message) : error;
  }
}

/**
 * Why the cluster is not at rest; undefined when it is: every node answers, sees all others alive, and all name the same
 * owner and as many standbys as there are other members.
 */
export function restlessness(
  statuses: ReadonlyMap<string, Status | undefined>,
  group: string,
  members: number,
): string | undefined {
  const owners = new Set<string | null>();
  for (const [node, status] of statuses) {
    if (!status) return `the daemon of ${node} does not answer`;
    const unwell = status.nodes.find((each) => !each.alive || each.state !== "up");
    if (unwell) return `${node} sees ${unwell.name} ${unwell.state}`;
    const seen = status.groups.find((each) => each.name === group);
    if (!seen || seen.state !== "owned") return `${node} says ${group} is ${seen?.state ?? "unknown"}`;
    if (seen.standbys.length < members - 1)
      return `${node} sees ${seen.standbys.length} of ${members - 1} standbys of ${group}`;
    owners.add(seen.owner);
  }
  return owners.size > 1 ? `the nodes name different owners of ${group}: ${[...owners].join(", ")}` : undefined;
}
