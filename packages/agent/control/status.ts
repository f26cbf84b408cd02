/** What `status` shows, made from the engine's view and the history; silence of the engine is never dressed as a good state. */
import type { EngineView } from "../channel.ts";
import type { Alarm, EngineStatus, Event, GroupStatus, NodeStatus, Status } from "@holdfast/api/schema.ts";
import type { GroupView, NodeView, PeerView } from "@holdfast/core/view.ts";
import { adapterStatus } from "./adapter-status.ts";
import { healthOf, warningsOf } from "./health.ts";
import { linkRows, nodeLinks } from "./link-table.ts";
import { lastMove } from "./ownership-change.ts";
import type { Seen } from "./view-source.ts";

export interface StatusContext {
  readonly events: readonly Event[];
  readonly alarms: readonly Alarm[];
  /** Why the history is not on disk. */
  readonly trouble: string | undefined;
  /** Of this node's software. */
  readonly version: string;
  /** Wall clock, milliseconds since 1970. */
  readonly wall_ms: number;
}

export function status(seen: Seen, context: StatusContext): Status {
  const { view, age_ms, stale } = seen;
  const rows = linkRows(seen);
  const base = {
    schema: "holdfast.status/1",
    cluster: view.cluster,
    node: view.node,
    quorum: view.quorum && !stale,
    available: view.available,
    alone: view.alone && !stale,
    generation: view.generation,
    config: view.digest,
    config_differs: stale ? [] : differing(view),
    engine_age_ms: age_ms,
    engine: engineStatus(seen.engine),
    timing: {
      heartbeat_ms: view.timing.heartbeat,
      dead_ms: view.timing.dead,
      window_ms: view.timing.window,
      keep_ms: view.timing.keep,
    },
    nodes: view.nodes.map((node) =>
      nodeStatus(seen, node, stale ? [] : nodeLinks(seen, rows, node.name), context.version),
    ),
    groups: view.groups.map((group) => groupStatus(group, stale, context)),
    alarms: context.alarms,
  } as const;
  return {
    ...base,
    health: healthOf(base, rows, stale),
    warnings: warningsOf(seen, base, rows, context),
  };
}

function engineStatus(engine: EngineView): EngineStatus {
  const { boot, pid, bundled, lateness, crashes } = engine;
  return {
    boot,
    pid,
    bundled,
    real_time: engine.notRealTime === undefined,
    not_real_time_because: engine.notRealTime ?? null,
    ready_ms: engine.ready_ms,
    first_renewal_ms: engine.firstRenewal_ms ?? null,
    crashes,
    unconfirmed_ms: engine.unconfirmed_ms ?? null,
    lateness,
  };
}

/** Live nodes that work from another configuration. */
function differing(view: NodeView): readonly string[] {
  const others = view.nodes.filter((node) => node.alive && node.digest !== undefined && node.digest !== view.digest);
  return others.map((node) => node.name);
}

function nodeStatus(
  { view, age_ms, stale }: Seen,
  node: PeerView,
  links: NodeStatus["links"],
  version: string,
): NodeStatus {
  const heard = node.age_ms ?? null;
  return {
    name: node.name,
    role: node.role,
    alive: node.alive && !stale,
    state: stale ? "unknown" : nodeState(node),
    age_ms: heard === null ? null : Math.round(heard) + (stale ? age_ms : 0),
    heard_by: node.heardBy ?? [],
    links,
    drained: node.drained,
    drain_reason: node.drainReason ?? null,
    failing: stale ? [] : failing(view, node),
    // Of the engine: control may have been started again out of a package that is newer.
    version: node.about?.software ?? (node.self ? version : ""),
    adapters: stale ? [] : adapterStatus(node),
    keys: (node.about?.keys ?? []).map((id) => id.toString(16).padStart(8, "0")),
  };
}

function nodeState(node: PeerView): NodeStatus["state"] {
  if (!node.alive) return "down";
  if (node.stopping) return "stopping";
  if (node.drained) return "drained";
  if (node.stalled) return "stalled";
  if (node.abstaining) return "abstaining";
  if (node.reluctant) return "reluctant";
  return "up";
}

const FAILURES: ReadonlySet<string> = new Set([
  "interface-down",
  "adapters-failed",
  "address-failed",
  "generation",
  "crashing",
  "yielded",
  "unfit",
]);

/** What keeps a live node from owning a group that prefers it, each once. */
function failing(view: NodeView, node: PeerView): readonly string[] {
  const words = new Set<string>();
  for (const group of view.groups) {
    const word = group.candidates.find((candidate) => candidate.node === node.name)?.ineligible;
    if (word !== undefined && FAILURES.has(word)) words.add(word);
  }
  return [...words];
}

function groupStatus(group: GroupView, stale: boolean, { events, wall_ms }: StatusContext): GroupStatus {
  const since = group.since_ms ?? null;
  const remaining_ms = group.pause?.remaining_ms ?? null;
  return {
    name: group.name,
    owner: stale ? null : (group.owner ?? null),
    term: group.term,
    since_ms: stale || since === null || !group.owner ? null : Math.round(since),
    addresses: group.addresses,
    standbys: stale ? [] : group.standbys,
    adapter: group.adapter,
    state: stale ? "unknown" : groupState(group),
    by_voters: group.byVoters ?? false,
    addresses_restored: group.addressesRestored,
    paused_until: remaining_ms === null ? null : new Date(wall_ms + remaining_ms).toISOString(),
    pause_remaining_ms: remaining_ms,
    pause_text: remaining_ms === null ? null : pauseText(events, group.name),
    last_move: lastMove(events, group.name),
  };
}

function pauseText(events: readonly Event[], name: string): string | null {
  const told = events.findLast(({ code, group }) => code === "group-paused" && (group === name || group === null));
  return told?.text ?? null;
}

function groupState(group: GroupView): GroupStatus["state"] {
  if (group.claimed.length > 1) return "two-owners";
  if (group.moving) return "moving";
  return group.owner ? "owned" : "unowned";
}
