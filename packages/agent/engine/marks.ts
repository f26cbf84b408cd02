/** What control kept in the state directory for the next daemon. What cannot be read does not keep the node from serving. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { StoredPause } from "@holdfast/core/effects.ts";
import { isName } from "@holdfast/core/units/names.ts";

export interface Marks {
  /** Why this node is drained; undefined: it is not. */
  readonly drained: string | undefined;
  readonly pauses: readonly StoredPause[];
}

export function readMarks(stateDirectory: string): Marks {
  return { drained: readDrained(stateDirectory), pauses: readPauses(stateDirectory) };
}

function readDrained(stateDirectory: string): string | undefined {
  const text = read(join(stateDirectory, "drained"));
  if (text === undefined) return undefined;
  try {
    const mark = JSON.parse(text) as { readonly reason?: unknown };
    return typeof mark.reason === "string" ? mark.reason : "no reason given";
  } catch {
    return "the drain mark is damaged";
  }
}

/** A damaged file means no pause: the other nodes tell of those there are. */
export function readPauses(stateDirectory: string): readonly StoredPause[] {
  const text = read(join(stateDirectory, "paused"));
  if (text === undefined) return [];
  try {
    const { pauses } = JSON.parse(text) as { readonly pauses?: unknown };
    return Array.isArray(pauses) ? pauses.filter(isStoredPause).map(plain) : [];
  } catch {
    return [];
  }
}

function isStoredPause(value: unknown): value is StoredPause {
  if (typeof value !== "object" || value === null) return false;
  const { group, stamp, until_ms, remaining_ms, owner } = value as Record<string, unknown>;
  const isStamp = Number.isInteger(stamp) && (stamp as number) >= 1 && (stamp as number) <= 0xffff_ffff;
  const isTime = until_ms === undefined || (typeof until_ms === "number" && Number.isFinite(until_ms));
  const isLeft = typeof remaining_ms === "number" && remaining_ms >= 0;
  const isOwner = owner === undefined || (typeof owner === "string" && isName(owner));
  return typeof group === "string" && isName(group) && isStamp && isTime && isLeft && isOwner;
}

function plain({ group, stamp, until_ms, remaining_ms, owner }: StoredPause): StoredPause {
  return { group, stamp, until_ms, remaining_ms, owner };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
