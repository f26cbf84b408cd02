/** What control says to the engine, checked field by field: control is not trusted, and the core takes what it gets as it is. */
import type { ToEngine } from "../channel.ts";
import type { EventLevel, OperatorAction } from "@holdfast/core/wire/messages.ts";
import { isName } from "@holdfast/core/units/names.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";

/** Longer texts are cut: what a node says of itself is kept in memory and sent to every other. */
const TEXT_MAX = 1000;
const TIMEOUT_MAX_MS = 3_600_000;
const DIGEST = /^[0-9a-f]{8}$/;
const LEVELS: readonly string[] = ["info", "warning", "alarm"] satisfies EventLevel[];

type Fields = Readonly<Record<string, unknown>>;

/** Undefined for a line that is no message. Never throws. */
export function parseControlLine(line: string): ToEngine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const message = fields(value);
  if (message === undefined) return undefined;
  const { kind } = message;
  return isText(kind) && Object.hasOwn(PARSERS, kind) ? PARSERS[kind as ToEngine["kind"]](message) : undefined;
}

/** One for each kind there is. */
const PARSERS: Readonly<Record<ToEngine["kind"], (message: Fields) => ToEngine | undefined>> = {
  listening: () => ({ kind: "listening" }),
  view: ({ id }) => (isId(id) ? { kind: "view", id } : undefined),
  trouble: parseTrouble,
  request: parseRequest,
  reload: ({ id, dryRun, digest, confirm_ms }) => {
    if (!isId(id) || typeof dryRun !== "boolean") return undefined;
    if (confirm_ms !== undefined && !(isTimeout(confirm_ms) && confirm_ms >= 1)) return undefined;
    const agreed = isText(digest) && DIGEST.test(digest) ? digest : undefined;
    return { kind: "reload", id, dryRun, digest: agreed, confirm_ms };
  },
  confirm: ({ id }) => (isId(id) ? { kind: "confirm", id } : undefined),
  restart: ({ id, timeout_ms }) =>
    isId(id) && isTimeout(timeout_ms) ? { kind: "restart", id, timeout_ms } : undefined,
};

function parseTrouble({ code, text, level }: Fields): ToEngine | undefined {
  if (!isText(code) || !isName(code) || !isText(text) || !isLevel(level)) return undefined;
  return { kind: "trouble", code, text: text.slice(0, TEXT_MAX), level };
}

function parseRequest({ id, target, action, timeout_ms }: Fields): ToEngine | undefined {
  const asked = parseAction(fields(action) ?? {});
  if (asked === undefined || !isId(id) || !isText(target) || !isName(target) || !isTimeout(timeout_ms))
    return undefined;
  return { kind: "request", id, target, action: asked, timeout_ms };
}

function parseAction(action: Fields): OperatorAction | undefined {
  const { kind, group, target, node, reason } = action;
  if (kind === "acknowledge") return { kind };
  if (kind === "pause" || kind === "resume") return parsePause(kind, action);
  if (kind === "move") {
    if (!isText(group) || !isName(group)) return undefined;
    if (target === undefined || target === null) return { kind, group: group as GroupName, target: undefined };
    return isText(target) && isName(target)
      ? { kind, group: group as GroupName, target: target as NodeName }
      : undefined;
  }
  if (!isText(node) || !isName(node)) return undefined;
  if (kind === "undrain") return { kind, node: node as NodeName };
  if (kind !== "drain" || !isText(reason)) return undefined;
  return { kind, node: node as NodeName, reason: reason.slice(0, TEXT_MAX) };
}

function parsePause(kind: "pause" | "resume", { group, for_ms, reason }: Fields): OperatorAction | undefined {
  if (group !== undefined && group !== null && (!isText(group) || !isName(group))) return undefined;
  const of = isText(group) ? (group as GroupName) : undefined;
  if (kind === "resume") return { kind, group: of };
  const isTime = typeof for_ms === "number" && Number.isInteger(for_ms) && for_ms >= 1 && for_ms <= 0xffff_ffff;
  return isTime && isText(reason) ? { kind, group: of, for_ms, reason: reason.slice(0, TEXT_MAX) } : undefined;
}

function fields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isTimeout(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= TIMEOUT_MAX_MS;
}

function isLevel(value: unknown): value is EventLevel {
  return isText(value) && LEVELS.includes(value);
}
