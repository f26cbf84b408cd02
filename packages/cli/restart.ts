/** `holdfast restart`: replaces this node's engine in place, keeping what it owns, and waits until that is held again. */
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import type { GroupStatus, Outcome, Status } from "@holdfast/api/schema.ts";
import { act, type ActOptions } from "./act.ts";
import type { Context } from "./command.ts";
import { milliseconds } from "./words.ts";

const LOOK_EVERY_MS = 50;

export function restart(context: Context, options: ActOptions): Promise<number> {
  return act(context, options, {
    path: "/v1/restart",
    body: {},
    plan: restartPlan,
    follow: (before) => follow(context, before, options.timeout_ms),
  });
}

export function restartPlan(status: Status): readonly string[] {
  const { node, engine, timing } = status;
  const owned = ownedBy(status, node);
  const lines = [`restart the daemon on ${node} (process ${engine.pid}) in place: the configuration is checked first`];
  if (owned.length === 0) lines.push("it owns no group: nothing moves");
  for (const { name, addresses } of owned)
    lines.push(`${name} (${addresses.join(" ")}) stays on ${node}: its fence is open for ${timing.keep_ms} ms more`);
  const took = engine.ready_ms;
  if (owned.length > 0 && took > timing.keep_ms)
    lines.push(
      `! the last start took ${milliseconds(took)}, longer than the fence stays open: expect a gap, or a move`,
    );
  if (owned.length > 0 && !status.quorum)
    lines.push("! no quorum: what it owns cannot be renewed, before the restart or after it");
  for (const { name, standbys } of owned)
    if (standbys.length === 0) lines.push(`! ${name} has no standby should ${node} not come back`);
  lines.push("followers of this node's events are cut off and may ask again");
  return lines;
}

function ownedBy(status: Status, node: string): readonly GroupStatus[] {
  return status.groups.filter((group) => group.owner === node);
}

/** Until another daemon answers on this socket and has what the one before had. */
async function follow(context: Context, before: Status, timeout_ms: number): Promise<Outcome> {
  const end = performance.now() + timeout_ms;
  let last: Status | undefined;
  while (performance.now() < end) {
    last = (await look(context.socket, before.engine.boot)) ?? last;
    const outcome = last === undefined ? undefined : judge(before, last);
    if (outcome !== undefined) return { schema: "holdfast.outcome/1", events: [], ...outcome };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  const text =
    last === undefined
      ? `no new daemon answers on ${before.node} within ${milliseconds(timeout_ms)}; see: journalctl -u holdfast`
      : `the new daemon on ${before.node} does not hold all of it again: holdfast status`;
  return { schema: "holdfast.outcome/1", code: "timeout", text, events: [] };
}

/** Undefined while nobody answers, or still the one before. */
async function look(socket: string, boot: string): Promise<Status | undefined> {
  try {
    const status = await fetchJson<Status>(socket, "/v1/status", 1000);
    return status.engine.boot === boot ? undefined : status;
  } catch (error) {
    if (error instanceof ApiFailure) return undefined;
    throw error;
  }
}

/** Undefined: too early to say. */
export function judge(before: Status, now: Status): Pick<Outcome, "code" | "text"> | undefined {
  const owned = ownedBy(before, before.node);
  const current = owned.map(({ name }) => now.groups.find((group) => group.name === name));
  const moved = current.filter((group) => group?.owner !== null && group?.owner !== before.node);
  if (moved.length > 0) {
    const where = moved.map((group) => `${group?.name ?? "?"} is on ${group?.owner ?? "no node"}`).join(", ");
    return { code: "failed", text: `${before.node} runs a new daemon, which came back too late: ${where}` };
  }
  const { first_renewal_ms, pid } = now.engine;
  if (current.some((group) => group?.state !== "owned") || (owned.length > 0 && first_renewal_ms === null))
    return undefined;
  const kept = owned.length === 0 ? "it owned nothing" : `it kept ${owned.map(({ name }) => name).join(", ")}`;
  const took = first_renewal_ms === null ? "" : `, first renewal ${milliseconds(first_renewal_ms)} after its start`;
  return { code: "done", text: `${before.node} runs a new daemon (process ${pid}): ${kept}${took}` };
}
