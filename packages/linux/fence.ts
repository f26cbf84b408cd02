/**
 * The lease enforced by the kernel (ownership.md section 4): a group answers only while `alive` in nf_tables says so,
 * whatever becomes of this daemon. Rules: fence-rules.ts. Renewals are datagrams to ourselves whose fate tells the outcome.
 */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { errnoName } from "./load.ts";
import * as rules from "./fence-rules.ts";
import { ARP, chainId, INET, NETDEV, TABLES } from "./fence-rules.ts";
import type { FencePlan } from "./fence-rules.ts";
import { RenewalSocket } from "./fence-renewals.ts";
import { MessageWriter } from "./netlink/message.ts";
import type { Message } from "./netlink/message.ts";
import { describe, EventSocket, RequestSocket } from "./netlink/socket.ts";
import type { NetlinkError } from "./netlink/socket.ts";
import {
  Batch,
  GROUP_NFTABLES,
  messageKind,
  NETLINK_NETFILTER,
  NEW_GENERATION,
  TABLE_OWNER,
  TABLE_PERSIST,
} from "./nftables/batch.ts";
import { countRules, eventAuthor, eventTable, listChains, listElements, listTables } from "./nftables/tables.ts";
import type { FoundTable } from "./nftables/tables.ts";
import type { Native } from "./native.ts";

export type { FencedGroup, FencePlan } from "./fence-rules.ts";

const { EOPNOTSUPP, EPERM, EBUSY, ENOENT, EINVAL } = constants.errno;
const OWNED = TABLE_OWNER | TABLE_PERSIST;

/** Another node on one of our interfaces. */
export interface Station {
  readonly interface: number;
  readonly mac: Mac;
}

export interface FenceOptions extends FencePlan {
  /** "none": without ownership of the tables, as on kernels before 6.9. Default: owned where the kernel can. */
  readonly flags?: "owner" | "none";
}

/**
 * Opens the fence: adopts tables of the same plan (an open group stays open, nothing stays armed), else replaces what
 * is there, closed, in one transaction. `lo` is covered; the caller covers every other interface.
 * Errors name what the kernel refused; tables of another living daemon are among them.
 */
export function openFence(native: Native, options: FenceOptions): Result<Fence, string> {
  for (const group of options.groups) {
    if (!Number.isInteger(group.number) || group.number < 1 || group.number > 65_535)
      return failure(`fence: group number ${group.number} is not within 1 to 65535`);
  }
  try {
    const fence = new Fence(native, options);
    const opened = fence.open();
    if (opened.ok) return success(fence);
    fence.dispose();
    return opened;
  } catch (error) {
    return failure(`fence: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Removes the tables, whoever left them: the addresses are then unfenced. For uninstalling and tests. */
export function removeFence(native: Native): Result<void, string> {
  const socket = new RequestSocket(native, NETLINK_NETFILTER);
  const writer = new MessageWriter();
  try {
    const found = ourTables(socket, writer);
    if (!found.ok) return found;
    if (found.value.length === 0) return success(undefined);
    const adopted = adopt(socket, writer, found.value);
    if (!adopted.ok) return adopted;
    const batch = new Batch(writer);
    for (const table of found.value) batch.deleteTable(table);
    return outcome("removing the fence", batch.commit(socket));
  } finally {
    socket.close();
  }
}

export class Fence {
  readonly #native: Native;
  readonly #plan: FencePlan;
  readonly #writer = new MessageWriter();
  readonly #socket: RequestSocket;
  readonly #renewals: RenewalSocket;
  readonly #port: number;
  /** Interfaces with chains of their own, by index. */
  readonly #covered = new Map<number, string>();
  #tableFlags: number;
  #events: EventSocket | undefined;
  #changedBy: string | undefined;
  #adopted = false;

  /** Use openFence. Throws when a socket cannot be had. */
  constructor(native: Native, options: FenceOptions) {
    const { groups, window_ms, keep_ms, uid } = options;
    this.#native = native;
    this.#plan = { groups, window_ms, keep_ms, uid };
    this.#tableFlags = options.flags === "none" ? 0 : OWNED;
    this.#socket = new RequestSocket(native, NETLINK_NETFILTER);
    this.#port = this.#socket.port;
    this.#renewals = new RenewalSocket(native);
  }

  /** True when the kernel keeps others from changing the tables (Linux 6.9). */
  get owned(): boolean {
    return this.#tableFlags !== 0;
  }

  /** True when the tables of an earlier daemon with the same plan were taken over. */
  get adopted(): boolean {
    return this.#adopted;
  }

  /** F1: the number may be committed within the window. Arming an armed number again leaves its deadline. */
  arm(group: number, number: number): Result<void, string> {
    return this.#renewals.send(rules.RENEW_ARM, group, number);
  }

  /** F2: opens the group for `keep_ms`, if exactly this number is armed. */
  commit(group: number, number: number): Result<void, string> {
    return this.#renewals.send(rules.RENEW_COMMIT, group, number);
  }

  /** F3: nothing can be committed any more, then the group is shut. It counts when it returns ok. */
  close(group: number, armed: readonly number[]): Result<void, string> {
    for (const number of armed) {
      const disarmed = this.#renewals.send(rules.RENEW_DISARM, group, number);
      if (!disarmed.ok) return disarmed;
    }
    return this.#renewals.send(rules.RENEW_CLOSE, group, 0);
  }

  /**
   * F4: nothing can be committed any more, then what arrives for the group at an interface goes on to the station of `to`
   * there (destination and source MAC rewritten), for as long as `alive` lasts: its deadline stays. ARP and neighbour
   * discovery fall silent. What the group's own programs still answer leaves. Ends with `close` only; a commit is refused.
   */
  forward(_group: number, _armed: readonly number[], _to: readonly Station[]): Result<void, string> {
    return failure("fence: forwarding is not built yet");
  }

  /**
   * F5: shut, but frames that come from a station of `from` are answered for `for_ms`, at most 65535; no ARP, no neighbour
   * discovery. Repeating it starts its time over. The first commit and every close end it.
   */
  relay(_group: number, _from: readonly Station[], _for_ms: number): Result<void, string> {
    return failure("fence: relaying is not built yet");
  }

  /**
   * Open, but TCP segments of connections that did not begin since the relay (no SYN seen here) go to the station of `to`,
   * for `for_ms`; 0 ends it at once, and so does every close. For groups with `drain` only.
   */
  passConnections(_group: number, _to: readonly Station[], _for_ms: number): Result<void, string> {
    return failure("fence: passing connections on is not built yet");
  }

  /** Called by openFence. */
  open(): Result<void, string> {
    const found = ourTables(this.#socket, this.#writer);
    if (!found.ok) return found;
    if (found.value.length > 0) {
      const adopted = adopt(this.#socket, this.#writer, found.value);
      if (!adopted.ok) return adopted;
    }
    if (this.#isSame(found.value)) {
      const taken = this.#takeOver();
      if (taken.ok) return taken;
    }
    return this.#replace(found.value);
  }

  /**
   * Fences one interface by chains of its own, from when on it is under the lease instead of shut. Repeating it is
   * harmless. A renamed interface, or another one under this index, is covered anew.
   */
  coverInterface(index: number, name: string): Result<void, string> {
    const known = this.#covered.get(index);
    if (known === name) return success(undefined);
    if (known !== undefined) this.uncoverInterface(index);
    const batch = new Batch(this.#writer);
    rules.writeInterface(batch, index, name);
    rules.writeCovered(batch, index, name);
    const done = outcome(`fencing ${name}`, batch.commit(this.#socket));
    if (done.ok) this.#covered.set(index, name);
    return done;
  }

  /** The interface has gone, or has another name. Until it is covered again its fenced addresses are shut. */
  uncoverInterface(index: number): Result<void, string> {
    const name = this.#covered.get(index);
    if (name === undefined) return success(undefined);
    this.#covered.delete(index);
    const uncovered = new Batch(this.#writer);
    rules.writeUncover(uncovered, index, name);
    const done = outcome(`unfencing ${name}`, uncovered.commit(this.#socket), ENOENT);
    // Kernels before 6.16 removed the chains together with the interface.
    for (const chain of [rules.ingressChain(index, name), rules.egressChain(index, name)]) {
      new Batch(this.#writer).deleteChain(NETDEV, chain).commit(this.#socket);
    }
    return done;
  }

  /** Milliseconds left of each open group; groups that are shut are absent. */
  remaining(): Result<ReadonlyMap<number, number>, string> {
    const elements = listElements(this.#socket, this.#writer, NETDEV, "alive");
    if (!elements.ok) return failure(`fence: reading the open groups: ${describe(elements.error)}`);
    const open = new Map<number, number>();
    for (const { key, expires_ms } of elements.value) {
      if (expires_ms > 0) open.set(((key[0] ?? 0) << 8) | (key[1] ?? 0), expires_ms);
    }
    return success(open);
  }

  /** Whether the kernel still holds what was installed: undefined, or what is wrong. */
  verify(): string | undefined {
    const found = ourTables(this.#socket, this.#writer);
    if (!found.ok) return found.error;
    if (!this.#isSame(found.value)) return "tables are missing or not ours";
    const expected = rules.expectedRules(this.#plan);
    for (const [index, name] of this.#covered) {
      // An interface that has gone took its chains with it; its event comes.
      if (this.#native.interfaceIndex(name) !== index) continue;
      const { ingress, egress } = rules.rulesOfInterface(name);
      expected.set(chainId(NETDEV, rules.ingressChain(index, name)), ingress);
      expected.set(chainId(NETDEV, rules.egressChain(index, name)), egress);
    }
    return this.#verifyRules(expected) ?? this.#verifyElements();
  }

  /**
   * Calls back after somebody else took rules of the fence away and they were put back, closed (F7); the text names
   * who. When putting back failed the text says so, and the next change tries again.
   */
  watch(vanished: (detail: string) => void): void {
    this.#events ??= new EventSocket(
      this.#native,
      NETLINK_NETFILTER,
      [GROUP_NFTABLES],
      (message) => this.#heard(message, vanished),
      () => this.#repair("unknown: events were lost", vanished),
    );
  }

  /** Closes the sockets. Owned tables stay, without an owner, until the next daemon adopts them. */
  dispose(): void {
    this.#events?.close();
    this.#renewals.close();
    this.#socket.close();
  }

  #isSame(found: readonly FoundTable[]): boolean {
    const digest = rules.digestOf(this.#plan);
    return (
      found.length === TABLES.length &&
      found.every(
        (table) =>
          Buffer.compare(table.digest, digest) === 0 &&
          (table.flags & TABLE_PERSIST) === (this.#tableFlags & TABLE_PERSIST),
      )
    );
  }

  /** Reads which interfaces an earlier daemon covered, and disarms everything (F6). */
  #takeOver(): Result<void, string> {
    const chains = listChains(this.#socket, this.#writer, NETDEV);
    const covered = listElements(this.#socket, this.#writer, INET, "covered");
    if (!chains.ok || !covered.ok) return failure("fence: reading the tables of an earlier daemon");
    this.#covered.clear();
    for (const { key } of covered.value) {
      const name = Buffer.from(key.subarray(4)).toString("utf8").replace(/\0.*$/s, "");
      const index = this.#native.interfaceIndex(name);
      const present = [rules.ingressChain(index, name), rules.egressChain(index, name)].every((chain) =>
        chains.value.includes(chain),
      );
      if (index > 0 && present && Buffer.compare(key, rules.coveredKey(index, name)) === 0)
        this.#covered.set(index, name);
    }
    const broken = this.verify();
    if (broken !== undefined) return failure(`fence: ${broken}`);
    const flushed = outcome(
      "disarming",
      new Batch(this.#writer).flushSet(NETDEV, "armed").commit(this.#socket),
      ENOENT,
    );
    if (flushed.ok) this.#adopted = true;
    return flushed;
  }

  /** Everything anew and shut, in one transaction: no packet meets neither the old nor the new. */
  #replace(old: readonly FoundTable[]): Result<void, string> {
    const first = this.#install(old);
    if (
      first.length > 0 &&
      this.#tableFlags !== 0 &&
      first.some((error) => error.errno === EOPNOTSUPP || error.errno === EINVAL)
    ) {
      // Before Linux 6.9 there is no PERSIST, and OWNER alone would take the tables away with a dead daemon.
      this.#tableFlags = 0;
      return outcome("installing the fence", this.#install(old));
    }
    return outcome("installing the fence", first);
  }

  #install(old: readonly FoundTable[]): NetlinkError[] {
    const interfaces = new Map(
      [...this.#covered].filter(([index, name]) => this.#native.interfaceIndex(name) === index),
    );
    interfaces.set(this.#native.interfaceIndex("lo"), "lo");
    const batch = new Batch(this.#writer);
    for (const table of old) batch.deleteTable(table);
    rules.writeTables(batch, this.#plan, this.#tableFlags);
    for (const [index, name] of interfaces) {
      rules.writeInterface(batch, index, name);
      rules.writeCovered(batch, index, name);
    }
    const errors = batch.commit(this.#socket);
    if (errors.length > 0) return errors;
    this.#covered.clear();
    for (const [index, name] of interfaces) this.#covered.set(index, name);
    return [];
  }

  #verifyRules(expected: ReadonlyMap<string, number>): string | undefined {
    const found = new Map<string, number>();
    for (const table of TABLES) {
      const counted = countRules(this.#socket, this.#writer, table);
      if (!counted.ok) return `reading rules: ${describe(counted.error)}`;
      for (const [chain, count] of counted.value) found.set(chainId(table, chain), count);
    }
    for (const [chain, count] of expected) {
      if (found.get(chain) !== count) return `chain ${chain} has ${found.get(chain) ?? 0} rules instead of ${count}`;
    }
    return undefined;
  }

  #verifyElements(): string | undefined {
    const addresses = this.#plan.groups.flatMap((group) => group.addresses);
    const v6 = addresses.filter((address) => address.includes(":")).length;
    const v4 = addresses.length - v6;
    const covered = this.#covered.size;
    for (const [table, set, count] of [
      [NETDEV, "v4", v4],
      [NETDEV, "v6", v6],
      [INET, "v4", v4],
      [INET, "v6", v6],
      [ARP, "v4", v4],
      [INET, "covered", covered],
      [ARP, "covered", covered],
    ] as const) {
      const elements = listElements(this.#socket, this.#writer, table, set);
      if (!elements.ok) return `reading set ${set}: ${describe(elements.error)}`;
      if (elements.value.length !== count)
        return `set ${set} has ${elements.value.length} elements instead of ${count}`;
    }
    return undefined;
  }

  #heard(message: Message, vanished: (detail: string) => void): void {
    const kind = messageKind(message.type);
    if (kind === undefined || message.port === this.#port) return;
    if (kind === NEW_GENERATION) {
      if (this.#changedBy !== undefined) this.#repair(eventAuthor(message), vanished);
      this.#changedBy = undefined;
      return;
    }
    const table = eventTable(message);
    if (table !== undefined && TABLES.some((ours) => ours.family === table.family && ours.name === table.name))
      this.#changedBy = "changed";
  }

  #repair(author: string, vanished: (detail: string) => void): void {
    const broken = this.verify();
    if (broken === undefined) return;
    const found = ourTables(this.#socket, this.#writer);
    const done = found.ok ? this.#replace(found.value) : found;
    vanished(
      done.ok
        ? `${broken}; removed by ${author}; installed again, closed`
        : `${broken}; removed by ${author}; NOT installed again: ${done.error}`,
    );
  }
}

function ourTables(socket: RequestSocket, writer: MessageWriter): Result<FoundTable[], string> {
  const tables = listTables(socket, writer);
  if (!tables.ok) return failure(`fence: reading the tables: ${describe(tables.error)}`);
  return success(
    tables.value.filter((found) => TABLES.some((ours) => ours.family === found.family && ours.name === found.name)),
  );
}

/** Becomes the owner of tables whose owner has gone (PERSIST alone is left of their flags); one that lives refuses, frozen or not. */
function adopt(socket: RequestSocket, writer: MessageWriter, tables: readonly FoundTable[]): Result<void, string> {
  const owned = tables.filter((table) => (table.flags & OWNED) !== 0 && table.owner !== socket.port);
  if (owned.length === 0) return success(undefined);
  const batch = new Batch(writer);
  for (const table of owned) batch.adoptTable(table, OWNED);
  const errors = batch.commit(socket);
  const first = errors[0];
  if (first === undefined) return success(undefined);
  if (first.errno === EPERM || first.errno === EBUSY) {
    return failure(
      `fence: another holdfast in this network namespace owns the tables (netlink port ${owned[0]?.owner}); stop it first, it may be frozen`,
    );
  }
  return outcome("taking over the fence", errors);
}

function outcome(what: string, errors: readonly NetlinkError[], ignored?: number): Result<void, string> {
  const first = errors.find((error) => error.errno !== ignored);
  if (first === undefined) return success(undefined);
  const hint = first.errno === EPERM ? `; ${errnoName(-EPERM)}: CAP_NET_ADMIN is needed` : "";
  return failure(`fence: ${what}: ${describe(first)}${hint}`);
}
