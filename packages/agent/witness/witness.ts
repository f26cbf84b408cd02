/** Many clusters on one socket: who a datagram is for, who is woken when, what is read again at SIGHUP. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { monotonic } from "./clock.ts";
import type { Entries, Entry } from "./entries.ts";
import { Voter } from "./voter.ts";
import { Votes } from "./votes.ts";
import { clusterId } from "../seal/keys.ts";
import { AT, HEADER_BYTES } from "../seal/header.ts";
import type { LocalEvent } from "@holdfast/core/effects.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { KernelId } from "@holdfast/core/units/names.ts";
import { type Instant, NEVER } from "@holdfast/core/units/time.ts";

export interface WitnessOptions {
  /** Where the votes are kept: on tmpfs, or anywhere that outlives the process. */
  readonly stateDirectory: string;
  readonly kernel: KernelId;
  readonly software: string;
  readonly send: (address: IpAddress, port: number, datagram: Uint8Array) => void;
  /** One line for the operator. */
  readonly log: (level: "info" | "warning" | "alarm", text: string) => void;
  /** Call `wake` at this time, and not at the one named before. */
  readonly wakeAt: (deadline: Instant) => void;
}

interface Served {
  readonly voter: Voter;
  readonly votes: Votes;
}

export class Witness {
  readonly #options: WitnessOptions;
  /** By sub-directory. */
  readonly #served = new Map<string, Served>();
  /** By the id in a datagram's header: names may meet. */
  #byId: ReadonlyMap<number, readonly Voter[]> = new Map();
  #wakeAt: Instant = NEVER;
  #unknown = 0;
  #waking = false;

  constructor(options: WitnessOptions) {
    this.#options = options;
    mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  }

  get voters(): readonly Voter[] {
    return [...this.#served.values()].map(({ voter }) => voter);
  }

  /** Takes the entries over: what did not change is not touched. What is bad stays as it runs, if it does. */
  serve({ good, bad }: Entries): void {
    for (const { directory, text } of bad) {
      const stays = this.#served.has(directory) ? "; it is served as before" : "";
      this.#options.log("alarm", `${directory} is not taken${stays}: ${text.trimEnd()}`);
    }
    const wanted = new Set([...good, ...bad].map((entry) => entry.directory));
    for (const directory of this.#served.keys()) if (!wanted.has(directory)) this.#end(directory);
    for (const entry of good) {
      const served = this.#served.get(entry.directory);
      if (served === undefined) this.#begin(entry);
      else this.#change(served, entry);
    }
    const byId = new Map<number, Voter[]>();
    for (const voter of this.voters) {
      const id = clusterId(voter.cluster.name);
      byId.set(id, [...(byId.get(id) ?? []), voter]);
    }
    this.#byId = byId;
    this.#options.log("info", `${this.#served.size} clusters served, ${bad.length} not`);
  }

  #begin(entry: Entry): void {
    const { kernel, software, stateDirectory, send, log } = this.#options;
    const { cluster, directory } = entry;
    try {
      const votes = new Votes(join(stateDirectory, votesName(entry)), kernel, monotonic());
      votes.makeRoom(cluster.groups.map((group) => group.name));
      const tell = (event: LocalEvent): void => this.#tell(directory, event);
      const wakeAt = (deadline: Instant): void => this.#deadline(deadline);
      const voter = new Voter({ entry, votes, kernel, software, send, tell, wakeAt });
      this.#served.set(directory, { voter, votes });
      voter.start();
      const abstains = voter.abstaining ? ", abstains at first: it has no record of its votes" : "";
      log("info", `${directory}: ${entry.node} of cluster ${cluster.name}, config ${cluster.digest}${abstains}`);
    } catch (error) {
      log("alarm", `${directory} is not served: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #change({ voter }: Served, entry: Entry): void {
    const obstacles = voter.change(entry);
    if (obstacles.length === 0) return;
    this.#options.log("alarm", `${entry.directory} is served as before: ${obstacles.join("; ")}`);
  }

  #end(directory: string): void {
    this.#served.get(directory)?.votes.close();
    this.#served.delete(directory);
    this.#options.log("warning", `${directory} is served no more`);
  }

  #tell(directory: string, event: LocalEvent): void {
    const { voter } = this.#served.get(directory) ?? {};
    // The nodes tell of themselves.
    if (voter !== undefined && event.node !== voter.entry.node) return;
    this.#options.log(event.level, `${directory}: ${event.text} [${event.code}]`);
  }

  /** Never throws for what the bytes hold. */
  received(datagram: Uint8Array, from: string, port: number): void {
    const voters = datagram.length < HEADER_BYTES ? undefined : this.#byId.get(clusterOf(datagram));
    if (voters === undefined) {
      this.#unknown += 1;
      return;
    }
    for (const voter of voters) if (voter.received(datagram, from, port)) return;
  }

  /** Time has come for some. */
  wake(): void {
    this.#wakeAt = NEVER;
    this.#waking = true;
    const now = monotonic();
    let next = NEVER;
    for (const { voter } of this.#served.values()) {
      if (voter.deadline <= now) voter.tick();
      if (voter.latest < next) next = voter.latest;
    }
    this.#waking = false;
    this.#deadline(next);
  }

  #deadline(deadline: Instant): void {
    if (this.#waking || deadline >= this.#wakeAt) return;
    this.#wakeAt = deadline;
    this.#options.wakeAt(deadline);
  }

  /** Once a second: what was dropped is told. */
  housekeeping(): void {
    for (const voters of this.#byId.values()) {
      const [only] = voters;
      if (voters.length === 1) only?.tellRejections();
      else for (const voter of voters) voter.forgetRejections();
    }
  }

  /** Datagrams of clusters that are not served, since the last call. */
  takeUnknown(): number {
    const unknown = this.#unknown;
    this.#unknown = 0;
    return unknown;
  }
}

function clusterOf(datagram: Uint8Array): number {
  return new DataView(datagram.buffer, datagram.byteOffset).getUint32(AT.cluster);
}

/**
 * A directory that gets another name, or another cluster, has no record of its votes: then it abstains. Two clusters may have
 * one name.
 */
function votesName({ directory, cluster }: Entry): string {
  return `${cluster.name}-${createHash("sha256").update(directory).digest("hex").slice(0, 16)}.votes`;
}
