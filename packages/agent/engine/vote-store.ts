/**
 * The voter's memory, which outlives the daemon and not the kernel (ownership.md V2): a file on tmpfs with two slots for
 * each group, written in turn and checked by a CRC, so that a write cut short by a crash leaves the one before.
 *
 * Written before every answer, by one pwrite of some hundred bytes and no fsync: what must survive is the daemon's end,
 * and the page cache does. A file of another kernel (a reboot, another network namespace) counts for nothing.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { asFileHeader, asStoredRecord, type FileHeader, type StoredRecord } from "./stored-votes.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import type { GroupName, KernelId } from "@holdfast/core/units/names.ts";

const MAGIC = 0x48465630;
const SLOT_BYTES = 4096;
const HEADER_BYTES = 16;
/** The kernel's name and until when this voter abstains, before the groups' slots. */
const FILE_HEADER_SLOTS = 2;
const GROUPS_MAX = 65_535;

export interface LoadedVotes {
  /** Undefined: nothing valid of this kernel, so the voter has to abstain. */
  readonly records: ReadonlyMap<GroupName, VoterRecord> | undefined;
  /** Each group's number so far, those of groups that were removed included; empty with a new file. */
  readonly numbers: ReadonlyMap<GroupName, number>;
}

export class VoteStore {
  readonly #descriptor: number;
  readonly #kernel: KernelId;
  readonly #sequences = new Map<number, number>();
  readonly #buffer = Buffer.alloc(SLOT_BYTES);

  private constructor(descriptor: number, kernel: KernelId) {
    this.#descriptor = descriptor;
    this.#kernel = kernel;
  }

  /** Opens or makes the file; throws the system's error when it can do neither. */
  static open(path: string, kernel: KernelId): VoteStore {
    return new VoteStore(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600), kernel);
  }

  /**
   * The records of this kernel. Without any the file is begun anew, and `abstainUntil` (on the kernel's monotonic clock,
   * in milliseconds) is kept with it: a daemon that restarts before then must abstain too.
   */
  load(now: number, abstainUntil: number): LoadedVotes {
    const header = asFileHeader(this.#readLatest(0));
    if (header?.kernel !== this.#kernel) return this.#beginAnew(abstainUntil, new Map());
    const records = new Map<GroupName, VoterRecord>();
    const numbers = new Map<GroupName, number>();
    let valid = header.abstain_until <= now;
    const slots = Math.floor(fstatSync(this.#descriptor).size / SLOT_BYTES) + 1;
    for (let number = 1; number < Math.min(slots / 2, GROUPS_MAX + 1); number++) {
      const found = this.#readLatest(number);
      if (found === undefined) continue;
      const stored = asStoredRecord(found, now);
      if (stored?.kernel === this.#kernel) {
        records.set(stored.group, stored.record);
        numbers.set(stored.group, number);
      }
      // What this voter gave is not known: it has to abstain, for all groups alike.
      valid &&= stored !== undefined;
    }
    return valid ? { records, numbers } : this.#beginAnew(abstainUntil, numbers);
  }

  #beginAnew(abstainUntil: number, numbers: LoadedVotes["numbers"]): LoadedVotes {
    ftruncateSync(this.#descriptor, 0);
    this.#sequences.clear();
    this.#write(0, { kernel: this.#kernel, abstain_until: abstainUntil } satisfies FileHeader);
    return { records: undefined, numbers };
  }

  /** Keep a group's record; `number` is the group's (group-numbers.ts), and its slot. Throws the system's error. */
  save(number: number, group: GroupName, record: VoterRecord): void {
    this.#write(number, { kernel: this.#kernel, group, record } satisfies StoredRecord);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #write(number: number, value: FileHeader | StoredRecord): void {
    const sequence = (this.#sequences.get(number) ?? 0) + 1;
    const length = this.#buffer.write(JSON.stringify(value), HEADER_BYTES, "utf8");
    if (length + HEADER_BYTES >= SLOT_BYTES) throw new Error(`the record of group ${number} does not fit its slot`);
    this.#buffer.writeUInt32BE(MAGIC, 0);
    this.#buffer.writeUInt32BE(sequence, 4);
    this.#buffer.writeUInt32BE(length, 8);
    this.#buffer.writeUInt32BE(checksum(this.#buffer, length), 12);
    const slot = FILE_HEADER_SLOTS * number + (sequence % 2);
    const written = writeSync(this.#descriptor, this.#buffer, 0, HEADER_BYTES + length, slot * SLOT_BYTES);
    if (written !== HEADER_BYTES + length)
      throw new Error(`only ${written} of ${HEADER_BYTES + length} bytes were written`);
    this.#sequences.set(number, sequence);
  }

  #readLatest(number: number): unknown {
    let latest: { readonly sequence: number; readonly value: unknown } | undefined;
    for (const half of [0, 1]) {
      const found = this.#readSlot(FILE_HEADER_SLOTS * number + half);
      if (found !== undefined && (latest === undefined || found.sequence > latest.sequence)) latest = found;
    }
    if (latest !== undefined) this.#sequences.set(number, latest.sequence);
    return latest?.value;
  }

  #readSlot(slot: number): { readonly sequence: number; readonly value: unknown } | undefined {
    const bytes = Buffer.alloc(SLOT_BYTES);
    const read = readSync(this.#descriptor, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES);
    if (read < HEADER_BYTES || bytes.readUInt32BE(0) !== MAGIC) return undefined;
    const length = bytes.readUInt32BE(8);
    if (length > read - HEADER_BYTES || bytes.readUInt32BE(12) !== checksum(bytes, length)) return undefined;
    try {
      return {
        sequence: bytes.readUInt32BE(4),
        value: JSON.parse(bytes.toString("utf8", HEADER_BYTES, HEADER_BYTES + length)),
      };
    } catch {
      return undefined;
    }
  }
}

/** Over everything but itself. */
function checksum(bytes: Buffer, length: number): number {
  return crc32(bytes.subarray(HEADER_BYTES, HEADER_BYTES + length), crc32(bytes.subarray(0, 12)));
}
