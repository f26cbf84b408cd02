/** What a witness gave in one cluster, kept in a file that outlives the process (ownership.md V2): by group, as the daemon does. */
import { GroupNumbers } from "../engine/group-numbers.ts";
import { VoteStore } from "../engine/vote-store.ts";
import type { VoterRecord } from "@holdfast/core/effects.ts";
import { ABSTAIN_MS } from "@holdfast/core/node/state.ts";
import { EMPTY_RECORD } from "@holdfast/core/ownership/lease/voter.ts";
import type { GroupName, KernelId } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { after, type Instant } from "@holdfast/core/units/time.ts";

export class Votes {
  /** Undefined: nothing valid of this kernel, so the witness abstains in this cluster. */
  readonly records: ReadonlyMap<GroupName, VoterRecord> | undefined;
  readonly #store: VoteStore;
  readonly #numbers: GroupNumbers;

  /** Throws the system's error when the file can be neither opened nor made. */
  constructor(file: string, kernel: KernelId, now: Instant) {
    this.#store = VoteStore.open(file, kernel);
    const { records, numbers } = this.#store.load(now, after(now, ABSTAIN_MS));
    this.records = records;
    this.#numbers = new GroupNumbers(numbers);
  }

  /** Groups of the configuration have a place in the file before anything is given. Throws the system's error. */
  makeRoom(groups: readonly GroupName[]): void {
    for (const [group, number] of this.#numbers.give(groups)) this.#store.save(number, group, EMPTY_RECORD);
  }

  save(group: GroupName, record: VoterRecord): Result<void, string> {
    try {
      this.#store.save(this.#numbers.of(group), group, record);
      return success(undefined);
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error));
    }
  }

  close(): void {
    this.#store.close();
  }
}
