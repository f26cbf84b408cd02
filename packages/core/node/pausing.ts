/**
 * Automation that an operator has frozen: while a group is paused nobody but its last owner stands for it, and the cluster
 * moves it by no choice of its own. The lease goes on as ever: a pause only keeps nodes from asking, so two owners are no
 * more possible than without it. Every node adopts what has the highest stamp, and tells it on.
 */
import { happened } from "./events.ts";
import { tellNonsense } from "./impostors.ts";
import { finishRequest } from "./requests.ts";
import { LONGEST_PAUSE_MS, type Pause } from "./pauses.ts";
import { type Group, type NodeState, tellEverybody } from "./state.ts";
import type { StoredPause } from "../effects.ts";
import type { Peer } from "../membership/peer.ts";
import type { Ineligibility, OperatorAction, OperatorRequest, PauseReport } from "../wire/messages.ts";
import { durationText } from "../ownership/lease/timing.ts";
import type { NodeName } from "../units/names.ts";
import { after, between, type Instant } from "../units/time.ts";

const STAMP_MAX = 0xffff_ffff;
/**
 * Of two reports with one stamp the longer counts, but not by what the way of a message makes of it: or each would add its
 * way to the other's for ever.
 */
const SAME_MS = 5000;
/** What keeps a node from owning, and is left as it is: the operator works there. */
const FROZEN: ReadonlySet<Ineligibility> = new Set<Ineligibility>([
  "",
  "interface-down",
  "adapters-failed",
  "address-failed",
  "yielded",
]);

export function isPaused({ pause }: Group): boolean {
  return pause.until !== undefined;
}

/** It would have to stand against the pause: nobody but the last owner may. */
export function heldBack(state: NodeState, group: Group): boolean {
  return isPaused(group) && group.lastOwner !== state.self.name;
}

/** The cluster's own choice to move the group is not taken; an operator's (drain, stop, reload) is. */
export function staysByPause(group: Group, unfit: Ineligibility): boolean {
  return isPaused(group) && FROZEN.has(unfit);
}

/** Who answers now. Kept on disk while paused: it alone may take the group again. */
export function ownedBy(state: NodeState, group: Group, owner: NodeName, now: Instant): void {
  if (group.lastOwner === owner) return;
  group.lastOwner = owner;
  if (isPaused(group)) save(state, now);
}

export function pauseReport({ pause }: Group, now: Instant): PauseReport {
  return { stamp: pause.stamp, remaining_ms: left(pause, now) };
}

function left({ until }: Pause, now: Instant): number {
  return until === undefined ? 0 : Math.max(0, Math.ceil(between(now, until)));
}

/** Pauses and resumptions of years; what is further ahead was damaged, and nobody could ever resume after it. */
const STAMP_LEAP = 2 ** 16;

/** What a peer says of the pause: the highest stamp counts; of two with one stamp the one that lasts longer. */
export function hearPause(state: NodeState, group: Group, peer: Peer, report: PauseReport, now: Instant): void {
  const { pause } = group;
  if (report.stamp > pause.stamp + STAMP_LEAP) return tellNonsense(state, peer, "a pause that is far ahead", now);
  const remaining_ms = Math.min(report.remaining_ms, LONGEST_PAUSE_MS);
  if (report.stamp < pause.stamp || report.stamp === 0) return;
  if (report.stamp === pause.stamp) {
    const own_ms = pauseReport(group, now).remaining_ms;
    if (remaining_ms <= own_ms + SAME_MS) return;
  }
  group.pause = { stamp: report.stamp, until: remaining_ms === 0 ? undefined : after(now, remaining_ms) };
  save(state, now);
}

/** Pauses that are over by themselves: told by the first of the live nodes alone. */
export function expirePauses(state: NodeState, group: Group, now: Instant): void {
  if (group.pause.until === undefined || now < group.pause.until) return;
  // Those that began together end in one sentence.
  const ended = [...state.groups.values()].filter(({ pause }) => pause.until !== undefined && now >= pause.until);
  for (const each of ended) each.pause = { ...each.pause, until: undefined };
  save(state, now);
  const [teller] = state.cluster.nodes.filter(
    ({ name }) => name === state.self.name || state.peers.get(name)?.alive === true,
  );
  if (teller?.name !== state.self.name) return;
  const [first] = ended;
  happened(state, now, {
    code: "group-pause-expired",
    level: "warning",
    ...(ended.length === 1 && first !== undefined ? { group: first.config.name } : {}),
    text: `the pause of ${namesOf(ended)} is over by itself: nodes take over and move as ever`,
  });
}

type PauseAction = Extract<OperatorAction, { kind: "pause" | "resume" }>;

export function servePause(state: NodeState, request: OperatorRequest, action: PauseAction, now: Instant): void {
  const groups = concerned(state, action);
  if (groups.length === 0) {
    const text = action.group === undefined ? "there is no group" : `there is no group ${action.group}`;
    return finishRequest(state, request, "refused", text);
  }
  if (action.kind === "pause" && action.for_ms > LONGEST_PAUSE_MS) {
    const text = `a pause ends after ${durationText(LONGEST_PAUSE_MS)} at the latest`;
    return finishRequest(state, request, "refused", text);
  }
  if (action.kind === "resume" && !groups.some(isPaused))
    return finishRequest(state, request, "done", `${namesOf(groups)} ${areOrIs(groups)} not paused`);
  if (groups.some(({ pause }) => pause.stamp === STAMP_MAX))
    return finishRequest(state, request, "failed", "paused and resumed too often: restart every daemon");
  const until = action.kind === "pause" ? after(now, action.for_ms) : undefined;
  for (const group of groups) group.pause = { stamp: group.pause.stamp + 1, until };
  save(state, now);
  happened(state, now, {
    code: action.kind === "pause" ? "group-paused" : "group-resumed",
    level: action.kind === "pause" ? "warning" : "info",
    ...(action.group === undefined ? {} : { group: action.group }),
    text: sentence(state, action, groups),
  });
  tellEverybody(state);
  settlePauses(state);
}

function sentence(state: NodeState, action: PauseAction, groups: readonly Group[]): string {
  const names = action.group ?? (groups.length === 1 ? namesOf(groups) : "every group");
  if (action.kind === "resume") return `${names} resumed on ${state.self.name}: nodes take over and move as ever`;
  const reason = action.reason === "" ? "" : `: ${action.reason}`;
  return `${names} paused on ${state.self.name} for ${durationText(action.for_ms)}${reason}`;
}

/** Each beat: a request is done when every live node has it that may own. */
export function settlePauses(state: NodeState): void {
  for (const { request, outcome } of state.served) {
    const { action } = request;
    if (outcome !== undefined || (action.kind !== "pause" && action.kind !== "resume")) continue;
    const groups = concerned(state, action);
    if (!groups.every((group) => isKnownToAll(state, group))) continue;
    const what = action.kind === "pause" ? `paused for ${durationText(action.for_ms)}` : "resumed";
    const absent = state.cluster.nodes.filter(({ name }) => state.peers.get(name)?.alive === false);
    const unheard =
      absent.length === 0 ? "" : `; ${absent.map(({ name }) => name).join(", ")} will hear of it when back`;
    finishRequest(state, request, "done", `${namesOf(groups)} ${areOrIs(groups)} ${what}${unheard}`);
  }
}

function isKnownToAll(state: NodeState, group: Group): boolean {
  const { prefer } = group.config;
  for (const { config, alive, last, groups } of state.peers.values()) {
    // A node of the first version knows no pause, and one that never owns need not.
    if (!alive || (last?.version ?? 0) < 2 || !prefer.includes(config.name)) continue;
    if ((groups.get(group.config.name)?.pause.stamp ?? 0) < group.pause.stamp) return false;
  }
  return true;
}

function concerned(state: NodeState, { group }: PauseAction): readonly Group[] {
  const all = [...state.groups.values()].filter(({ leaving }) => !leaving);
  return group === undefined ? all : all.filter(({ config }) => config.name === group);
}

const NAMED_MAX = 5;

function namesOf(groups: readonly Group[]): string {
  const names = groups.slice(0, NAMED_MAX).map(({ config }) => config.name);
  const more = groups.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}

function areOrIs(groups: readonly Group[]): string {
  return groups.length === 1 ? "is" : "are";
}

/** Also what ended: a node that was away must not bring an old pause back. */
function save(state: NodeState, now: Instant): void {
  const pauses: StoredPause[] = [];
  for (const { config, pause, lastOwner } of state.groups.values()) {
    if (pause.stamp === 0) continue;
    const until_ms = pause.until === undefined ? undefined : Math.round(pause.until + state.wallOffset_ms);
    const { stamp } = pause;
    pauses.push({ group: config.name, stamp, until_ms, remaining_ms: left(pause, now), owner: lastOwner });
  }
  state.effects.push({ kind: "savePauses", pauses });
}
