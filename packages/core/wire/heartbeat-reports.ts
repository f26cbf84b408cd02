/** Heard and group reports, events, requests and outcomes of a heartbeat as bytes, in the order of docs/protocol.md. */
import { isName } from "../units/names.ts";
import { readBallot, writeBallot } from "./heartbeat-lease.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { BootId, GroupName, LinkName, NodeName } from "../units/names.ts";
import type {
  ClusterEvent,
  EventLevel,
  FenceState,
  GroupReport,
  HeardReport,
  Ineligibility,
  OperatorAction,
  OperatorOutcome,
  OperatorRequest,
  OutcomeCode,
} from "./messages.ts";

/** Bytes of UTF-8 in an event's text, a drain's reason and an outcome's text; longer ones are cut. */
export const EVENT_TEXT_BYTES = 200;
export const REASON_BYTES = 200;
export const OUTCOME_TEXT_BYTES = 600;

// A word's place in its list is its code on the wire: append, never reorder.
const FENCES: readonly [FenceState, ...FenceState[]] = ["closed", "relay", "open", "forward"];
const INELIGIBILITIES: readonly [Ineligibility, ...Ineligibility[]] = [
  "",
  "witness",
  "not-preferred",
  "drained",
  "stopping",
  "interface-down",
  "address-failed",
  "generation",
  "crashing",
  "adapters-failed",
  "unfit",
  "yielded",
];
/** What version 1 knows of them; the others are "interface-down" there. */
const INELIGIBILITIES_1 = INELIGIBILITIES.slice(0, 9) as [Ineligibility, ...Ineligibility[]];
const LEVELS: readonly [EventLevel, ...EventLevel[]] = ["info", "warning", "alarm"];
const OUTCOMES: readonly [OutcomeCode, ...OutcomeCode[]] = ["done", "failed", "refused", "timeout"];
const ACTIONS = { move: 1, drain: 2, undrain: 3, pause: 4, resume: 5, acknowledge: 6 } as const satisfies Record<
  OperatorAction["kind"],
  number
>;

export function writeHeard(out: ByteWriter, heard: HeardReport, version: number): void {
  out.name(heard.peer);
  out.name(heard.link);
  out.saturated16(heard.age_ms);
  out.saturated16(Math.min(heard.loss_permille, 1000));
  out.saturated32(heard.roundTrip_us);
  if (version >= 2) out.saturated32(heard.jitter_us);
}

export function readHeard(from: ByteReader, version: number): HeardReport {
  const peer = from.name("heard.peer") as NodeName;
  const link = from.name("heard.link") as LinkName;
  const age_ms = from.u16("heard.age");
  const loss_permille = from.u16("heard.loss");
  if (loss_permille > 1000) from.fail("value", "heard.loss");
  const roundTrip_us = from.u32("heard.roundTrip");
  return { peer, link, age_ms, loss_permille, roundTrip_us, jitter_us: version >= 2 ? from.u32("heard.jitter") : 0 };
}

export function writeGroup(out: ByteWriter, report: GroupReport, version: number): void {
  const ineligible = INELIGIBILITIES.indexOf(report.ineligible);
  out.name(report.group);
  out.u8(FENCES.indexOf(report.fence));
  const known = version >= 2 || ineligible < INELIGIBILITIES_1.length;
  out.u8(known ? ineligible : INELIGIBILITIES_1.indexOf("interface-down"));
  out.name(report.owner);
  out.u8(report.ballot === undefined ? 0 : 1);
  if (report.ballot !== undefined) writeBallot(out, report.ballot);
  out.saturated16(Math.ceil(report.remaining_ms));
  if (version < 2) return;
  out.u8(Math.min(report.adapter, 255));
  out.u32(report.pause.stamp);
  out.saturated32(Math.ceil(report.pause.remaining_ms));
}

const NOT_PAUSED = { stamp: 0, remaining_ms: 0 };

export function readGroup(from: ByteReader, version: number): GroupReport {
  const group = from.name("group.name") as GroupName;
  const fence = from.word(FENCES, "group.fence");
  const ineligible = from.word(version >= 2 ? INELIGIBILITIES : INELIGIBILITIES_1, "group.ineligible");
  const owner = from.optionalName("group.owner") as NodeName | undefined;
  const ballot = from.flag("group.ballot") ? readBallot(from) : undefined;
  const remaining_ms = from.u16("group.remaining");
  const report = { group, fence, ineligible, owner, ballot, remaining_ms };
  if (version < 2) return { ...report, adapter: 0, pause: NOT_PAUSED };
  const adapter = from.u8("group.adapter");
  const pause = { stamp: from.u32("group.pause.stamp"), remaining_ms: from.u32("group.pause.remaining") };
  return { ...report, adapter, pause };
}

export function writeEvent(out: ByteWriter, event: ClusterEvent): void {
  out.name(event.node);
  out.hex(event.boot);
  out.u32(event.number);
  out.u48(event.wall_ms);
  out.u8(LEVELS.indexOf(event.level));
  out.name(eventCode(event.code));
  out.name(event.group);
  out.text(event.text, EVENT_TEXT_BYTES);
}

/** A code has the form of a name. One that has not must not make every peer refuse the whole heartbeat. */
function eventCode(code: string): string {
  if (isName(code)) return code;
  const word = code
    .slice(0, 32)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-");
  return isName(word) ? word : "unnamed";
}

export function readEvent(from: ByteReader): ClusterEvent {
  const node = from.name("event.node") as NodeName;
  const boot = from.hex(8, "event.boot") as BootId;
  const number = from.u32("event.number");
  const wall_ms = from.u48("event.wall");
  const level = from.word(LEVELS, "event.level");
  const code = from.name("event.code");
  const group = from.optionalName("event.group") as GroupName | undefined;
  return { node, boot, number, wall_ms, level, code, group, text: from.text(EVENT_TEXT_BYTES, "event.text") };
}

export function writeRequest(out: ByteWriter, request: OperatorRequest): void {
  out.u8(ACTIONS[request.action.kind]);
  const mark = out.begin();
  out.name(request.origin);
  out.hex(request.boot);
  out.u32(request.number);
  out.name(request.target);
  const action = request.action;
  switch (action.kind) {
    case "move":
      out.name(action.group);
      out.name(action.target);
      break;
    case "drain":
      out.name(action.node);
      out.text(action.reason, REASON_BYTES);
      break;
    case "undrain":
      out.name(action.node);
      break;
    case "pause":
      out.name(action.group);
      out.saturated32(action.for_ms);
      out.text(action.reason, REASON_BYTES);
      break;
    case "resume":
      out.name(action.group);
      break;
    case "acknowledge":
      break;
    default:
      action satisfies never;
  }
  out.end(mark);
}

/** Undefined for an action this version does not know: it is skipped. */
export function readRequest(from: ByteReader): OperatorRequest | undefined {
  const type = from.u8("request.type");
  const part = from.part(from.u16("request.length"), "request");
  if (type === 0 || type > ACTIONS.acknowledge) return undefined;
  const origin = part.name("request.origin") as NodeName;
  const boot = part.hex(8, "request.boot") as BootId;
  const number = part.u32("request.number");
  const target = part.name("request.target") as NodeName;
  const action = readAction(part, type);
  from.finish(part, "request");
  return { origin, boot, number, target, action };
}

function readAction(from: ByteReader, type: number): OperatorAction {
  if (type === ACTIONS.move) {
    const group = from.name("move.group") as GroupName;
    return { kind: "move", group, target: from.optionalName("move.target") as NodeName | undefined };
  }
  if (type === ACTIONS.acknowledge) return { kind: "acknowledge" };
  if (type === ACTIONS.pause || type === ACTIONS.resume) {
    const group = from.optionalName("pause.group") as GroupName | undefined;
    if (type === ACTIONS.resume) return { kind: "resume", group };
    const for_ms = from.u32("pause.for");
    if (for_ms === 0) from.fail("value", "pause.for");
    return { kind: "pause", group, for_ms, reason: from.text(REASON_BYTES, "pause.reason") };
  }
  const node = from.name("drain.node") as NodeName;
  return type === ACTIONS.undrain
    ? { kind: "undrain", node }
    : { kind: "drain", node, reason: from.text(REASON_BYTES, "drain.reason") };
}

export function writeOutcome(out: ByteWriter, outcome: OperatorOutcome): void {
  out.name(outcome.origin);
  out.hex(outcome.boot);
  out.u32(outcome.number);
  out.u8(OUTCOMES.indexOf(outcome.code));
  out.text(outcome.text, OUTCOME_TEXT_BYTES);
}

export function readOutcome(from: ByteReader): OperatorOutcome {
  const origin = from.name("outcome.origin") as NodeName;
  const boot = from.hex(8, "outcome.boot") as BootId;
  const number = from.u32("outcome.number");
  const code = from.word(OUTCOMES, "outcome.code");
  return { origin, boot, number, code, text: from.text(OUTCOME_TEXT_BYTES, "outcome.text") };
}
