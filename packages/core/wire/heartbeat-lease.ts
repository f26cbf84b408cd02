/** Lease entries of a heartbeat as bytes: type, length, then the fields in the order of docs/protocol.md. */
import { type Mac, macBytes, macFromBytes } from "../units/mac.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Ballot, Holder } from "../ownership/lease/ballot.ts";
import type { BootId, GroupName, KernelId, NodeName } from "../units/names.ts";
import type { LeaseEntry, RefuseReason } from "./messages.ts";

/** The type octet of each kind; never reused for another meaning. */
const TYPES = {
  prepare: 1,
  promise: 2,
  propose: 3,
  grant: 4,
  refuse: 5,
  release: 6,
  released: 7,
  offer: 8,
  ready: 9,
  nominate: 10,
} as const satisfies Record<LeaseEntry["kind"], number>;

const REASONS: readonly [RefuseReason, ...RefuseReason[]] = ["held", "promised", "closed", "abstaining", "generation"];

export function writeBallot(out: ByteWriter, ballot: Ballot): void {
  out.u32(ballot.round);
  out.name(ballot.node);
  out.hex(ballot.boot);
}

export function readBallot(from: ByteReader): Ballot {
  const round = from.u32("ballot.round");
  const node = from.name("ballot.node") as NodeName;
  return { round, node, boot: from.hex(8, "ballot.boot") as BootId };
}

function writeHolder(out: ByteWriter, holder: Holder): void {
  out.name(holder.node);
  out.hex(holder.kernel);
}

function readHolder(from: ByteReader): Holder {
  const node = from.name("holder.node") as NodeName;
  return { node, kernel: from.hex(8, "holder.kernel") as KernelId };
}

function writeMacs(out: ByteWriter, macs: readonly Mac[]): void {
  out.u8(macs.length);
  for (const mac of macs) out.raw(macBytes(mac));
}

function readMacs(from: ByteReader, count: number, field: string): readonly Mac[] {
  const macs: Mac[] = [];
  for (let left = count; left > 0 && from.error === undefined; left--) macs.push(macFromBytes(from.raw(6, field)));
  return macs;
}

export function writeLeaseEntry(out: ByteWriter, entry: LeaseEntry): void {
  out.u8(TYPES[entry.kind]);
  const mark = out.begin();
  out.name(entry.group);
  if (entry.kind === "nominate") writeBallot(out, entry.fromBallot);
  writeBallot(out, entry.ballot);
  switch (entry.kind) {
    case "promise":
    case "released":
      break;
    case "offer":
      writeMacs(out, entry.macs);
      break;
    case "prepare":
    case "release":
      writeHolder(out, entry.holder);
      break;
    case "propose":
      out.u48(entry.number);
      writeHolder(out, entry.holder);
      out.saturated16(entry.lease_ms);
      break;
    case "grant":
      out.u48(entry.number);
      break;
    case "refuse":
      writeBallot(out, entry.promised);
      out.name(entry.owner);
      out.saturated16(Math.ceil(entry.remaining_ms));
      out.u8(REASONS.indexOf(entry.reason));
      break;
    case "ready":
      writeHolder(out, entry.holder);
      out.hex(entry.boot);
      writeMacs(out, entry.macs);
      break;
    case "nominate":
      writeHolder(out, entry.holder);
      out.hex(entry.holderBoot);
      break;
    default:
      entry satisfies never;
  }
  out.end(mark);
}

/** Undefined for a type this version does not know: it is skipped. */
export function readLeaseEntry(from: ByteReader): LeaseEntry | undefined {
  const type = from.u8("lease.type");
  const part = from.part(from.u16("lease.length"), "lease");
  if (type === 0 || type > TYPES.nominate) return undefined;
  const entry = readKnown(type, part);
  from.finish(part, "lease");
  return entry;
}

// Fields are read in the order of the bytes: object literals evaluate from left to right.
function readKnown(type: number, from: ByteReader): LeaseEntry | undefined {
  const group = from.name("lease.group") as GroupName;
  const ballot = readBallot(from);
  switch (type) {
    case TYPES.prepare:
      return { kind: "prepare", group, ballot, holder: readHolder(from) };
    case TYPES.promise:
      return { kind: "promise", group, ballot };
    case TYPES.propose: {
      const number = from.u48("propose.number");
      return { kind: "propose", group, ballot, number, holder: readHolder(from), lease_ms: from.u16("propose.lease") };
    }
    case TYPES.grant:
      return { kind: "grant", group, ballot, number: from.u48("grant.number") };
    case TYPES.refuse: {
      const promised = readBallot(from);
      const owner = from.optionalName("refuse.owner") as NodeName | undefined;
      const remaining_ms = from.u16("refuse.remaining");
      return {
        kind: "refuse",
        group,
        ballot,
        promised,
        owner,
        remaining_ms,
        reason: from.word(REASONS, "refuse.reason"),
      };
    }
    case TYPES.release:
      return { kind: "release", group, ballot, holder: readHolder(from) };
    case TYPES.released:
      return { kind: "released", group, ballot };
    case TYPES.offer:
      return { kind: "offer", group, ballot, macs: readMacs(from, from.u8("offer.macs"), "offer.mac") };
    case TYPES.ready: {
      const holder = readHolder(from);
      const boot = from.hex(8, "ready.boot") as BootId;
      return { kind: "ready", group, ballot, holder, boot, macs: readMacs(from, from.u8("ready.macs"), "ready.mac") };
    }
    case TYPES.nominate: {
      const next = readBallot(from);
      const holder = readHolder(from);
      return {
        kind: "nominate",
        group,
        fromBallot: ballot,
        ballot: next,
        holder,
        holderBoot: from.hex(8, "nominate.boot") as BootId,
      };
    }
    default:
      return undefined;
  }
}
