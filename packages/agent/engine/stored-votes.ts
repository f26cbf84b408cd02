/** The JSON of the voter's file as values: a checksum says that it was written whole, not that this version wrote it. */
import type { VoterRecord } from "@holdfast/core/effects.ts";
import { type Ballot, ROUND_MAX } from "@holdfast/core/ownership/lease/ballot.ts";
import { isIdentity, isName } from "@holdfast/core/units/names.ts";
import type { GroupName, KernelId } from "@holdfast/core/units/names.ts";

/** No lease is longer (ownership.md S2): a record that says so would keep its group from everybody for ever. */
const LEASE_MAX_MS = 5000;

export interface FileHeader {
  readonly kernel: KernelId;
  readonly abstain_until: number;
}

export interface StoredRecord {
  readonly kernel: KernelId;
  readonly group: GroupName;
  readonly record: VoterRecord;
}

/** Undefined for anything else. */
export function asFileHeader(value: unknown): FileHeader | undefined {
  const header = fields(value);
  const valid = isIdentityText(header["kernel"]) && Number.isFinite(header["abstain_until"]);
  return valid ? (value as FileHeader) : undefined;
}

/** Undefined for anything else, and for a lease that cannot be at `now`. */
export function asStoredRecord(value: unknown, now: number): StoredRecord | undefined {
  const stored = fields(value);
  const { promised, accepted, closed } = fields(stored["record"]);
  const valid =
    isIdentityText(stored["kernel"]) &&
    isNameText(stored["group"]) &&
    (promised === undefined || isBallot(promised)) &&
    (accepted === undefined || isAccepted(accepted, now)) &&
    Array.isArray(closed) &&
    closed.every(isBallot);
  return valid ? (value as StoredRecord) : undefined;
}

function isBallot(value: unknown): value is Ballot {
  const { round, node, boot } = fields(value);
  return isCount(round) && round <= ROUND_MAX && isNameText(node) && isIdentityText(boot);
}

function isAccepted(value: unknown, now: number): boolean {
  const { ballot, holder, number, expires } = fields(value);
  const { node, kernel } = fields(holder);
  const possible = typeof expires === "number" && expires <= now + LEASE_MAX_MS;
  return isBallot(ballot) && isNameText(node) && isIdentityText(kernel) && isCount(number) && possible;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isNameText(value: unknown): boolean {
  return typeof value === "string" && isName(value);
}

function isIdentityText(value: unknown): boolean {
  return typeof value === "string" && isIdentity(value);
}
