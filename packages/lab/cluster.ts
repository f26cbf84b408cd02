/** What the nodes' own daemons say, over their control sockets. */
import { request } from "node:http";
import type { Outcome, Status } from "@holdfast/api/schema.ts";

const PATIENCE_MS = 2000;

/** The answer as JSON; rejects when nobody listens, nothing comes in two seconds, or it is no JSON. */
function call(
  socket: string,
  method: "GET" | "POST",
  path: string,
  body: unknown,
  timeout_ms: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    };
    const asked = request(
      { socketPath: socket, method, path, headers, timeout: timeout_ms, agent: false },
      (response) => {
        let data = "";
        response.setEncoding("utf8").on("data", (part: string) => (data += part));
        response.on("error", reject).on("end", () => {
          try {
            resolve(JSON.parse(data));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      },
    );
    asked.on("timeout", () =>
      asked.destroy(new Error(`no answer on ${socket} within ${timeout_ms} ms`)),
    );
    asked.on("error", reject);
    asked.end(text);
  });
}

/** Undefined when the node's daemon does not answer. */
export async function nodeStatus(socket: string): Promise<Status | undefined> {
  try {
    const status = (await call(socket, "GET", "/v1/status", undefined, PATIENCE_MS)) as Status;
    return Array.isArray(status.nodes) && Array.isArray(status.groups) ? status : undefined;
  } catch {
    return undefined;
  }
}

/** Asks a node to move a group; rejects with the daemon's reason when it is not done. */
export async function moveGroup(
  socket: string,
  group: string,
  target: string | undefined,
  timeout_ms: number,
): Promise<Outcome> {
  const body = target === undefined ? { group } : { group, target };
  return (await call(socket, "POST", "/v1/move", body, timeout_ms)) as Outcome;
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
    if (!seen || seen.state !== "owned")
      return `${node} says ${group} is ${seen?.state ?? "unknown"}`;
    if (seen.standbys.length < members - 1)
      return `${node} sees ${seen.standbys.length} of ${members - 1} standbys of ${group}`;
    owners.add(seen.owner);
  }
  return owners.size > 1
    ? `the nodes name different owners of ${group}: ${[...owners].join(", ")}`
    : undefined;
}
