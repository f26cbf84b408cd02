/**
 * The lease enforced by the kernel (ownership.md section 4): a group answers only while `alive` in nf_tables says so,
 * whatever becomes of this daemon. Rules: fence-ts. Renewals are datagrams to ourselves whose fate tells the outcome.
 */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import type { FenceState } from "@holdfast/core/wire/messages.ts";
import { writeChange } from "./fence-change.ts";
import { FenceModes } from "./fence-modes.ts";
import { ARM, changeDuration, COMMIT } from "./fence-orders.ts";
import { checkNumbers, coveredKey, egressChain, INET, ingressChain, NETDEV, portKey, TABLES } from "./fence-plan.ts";
import type { FencePlan, Station } from "./fence-plan.ts";
import { RenewalSocket } from "./fence-renewals.ts";
import { readGroups, readPredecessors, readRemaining, readStates } from "./fence-states.ts";
import { writeInterface, writeTables } from "./fence-rules.ts";
import {
  adopt,
  emptySets,
  isInForce,
  ourTables,
  outcome,
  OWNED,
  verifyElements,
  verifyTables,
} from "./fence-tables.ts";
import { writeCovered, writeUncover } from "./fence-uncovered.ts";
import { MessageWriter } from "./netlink/message.ts";
import type { Message } from "./netlink/message.ts";
import { EventSocket, RequestSocket } from "./netlink/socket.ts";
import type { NetlinkError } from "./netlink/socket.ts";
import { Batch, GROUP_NFTABLES, messageKind, NETLINK_NETFILTER, NEW_GENERATION } from "./nftables/batch.ts";
import { eventAuthor, eventTable, listChains, listElements } from "./nftables/tables.ts";
import type { FoundTable } from "./nftables/tables.ts";
import type { Native } from "./native.ts";

export type { FencedGroup, FencePlan, Station } from "./fence-plan.ts";

const { EOPNOTSUPP, ENOENT, EINVAL } = constants.errno;

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
  const numbered = checkNumbers(options);
  if (!numbered.ok) return numbered;
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
  #plan: FencePlan;
  readonly #writer = new MessageWriter();
  readonly #socket: RequestSocket;
  readonly #renewals: RenewalSocket;
  readonly #port: number;
  /** Interfaces with chains of their own, by index. */
  readonly #covered = new Map<number, string>();
  /** Those of them that are ports of other interfaces. */
  readonly #ports = new Set<number>();
  #tableFlags: number;
  #events: EventSocket | undefined;
  #changedBy: string | undefined;
  #adopted = false;
  readonly #modes: FenceModes;

  /** Use openFence. Throws when a socket cannot be had. */
  constructor(native: Native, options: FenceOptions) {
    const { groups, window_ms, keep_ms, uid } = options;
    this.#native = native;
    this.#plan = { groups, window_ms, keep_ms, uid };
    this.#tableFlags = options.flags === "none" ? 0 : OWNED;
    this.#socket = new RequestSocket(native, NETLINK_NETFILTER);
    this.#port = this.#socket.port;
    this.#renewals = new RenewalSocket(native);
    this.#modes = new FenceModes(this.#renewals, (chain, for_ms) => {
      const batch = new Batch(this.#writer);
      changeDuration(batch, chain, for_ms);
      return outcome(`setting the time of ${chain}`, batch.commit(this.#socket));
    });
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
    return this.#renewals.send(ARM, group, number);
  }

  /** F2: opens the group for `keep_ms`, if exactly this number is armed and the group does not forward. */
  commit(group: number, number: number): Result<void, string> {
    return this.#renewals.send(COMMIT, group, number);
  }

  /** Whether orders get through; changes nothing. */
  readonly test = (): Result<void, string> => this.#renewals.test();

  /** F3: nothing can be committed any more, then the group is shut. It counts when it returns ok. */
  close(group: number, armed: readonly number[]): Result<void, string> {
    return this.#modes.close(group, armed);
  }

  /**
   * F4: nothing can be committed any more, then what arrives for the group at an interface goes on to the station of `to`
   * there (destination and source MAC rewritten), for as long as `alive` lasts: its deadline stays. ARP and neighbour
   * discovery fall silent. What the group's own programs still answer leaves. Ends with `close` only; a commit is refused.
   * Refused itself for a group that is not open. At an interface without station packets for the group are dropped.
   */
  forward(group: number, armed: readonly number[], to: readonly Station[]): Result<void, string> {
    return this.#modes.forward(group, armed, to);
  }

  /**
   * F5: shut, but frames that come from a station of `from` are answered for `for_ms`, at most 65535; no ARP, no neighbour
   * discovery. Repeating it starts its time over. The first commit and every close end it. Refused for a group that is
   * open; one that forwards answers these frames itself besides, before and after its deadline.
   */
  relay(group: number, from: readonly Station[], for_ms: number): Result<void, string> {
    return this.#modes.relay(group, from, for_ms);
  }

  /**
   * Open, but TCP segments of connections that did not begin since the relay (no SYN seen here) go to the station of `to`,
   * for `for_ms`, at most 600000; 0 ends it at once, and so do every close and forwarding. For groups with `drain` only.
   */
  passConnections(group: number, to: readonly Station[], for_ms: number): Result<void, string> {
    if (!this.#plan.groups.some(({ number, drain }) => number === group && drain === true))
      return failure(`fence: group ${group} has no drain`);
    return this.#modes.passConnections(group, to, for_ms);
  }

  /** Called by openFence. */
  open(): Result<void, string> {
    const found = ourTables(this.#socket, this.#writer);
    if (!found.ok) return found;
    if (found.value.length > 0) {
      const adopted = adopt(this.#socket, this.#writer, found.value);
      if (!adopted.ok) return adopted;
    }
    if (isInForce(this.#socket, this.#writer, found.value, this.#plan, this.#tableFlags)) {
      const taken = this.#takeOver();
      if (taken.ok) return taken;
    }
    return this.#replace(found.value);
  }

  /**
   * Another plan, in one transaction: what is open stays open, what is armed stays armed. Groups that are gone must have
   * been closed before. When it fails the plan before stays in force.
   */
  change(plan: Omit<FencePlan, "uid">): Result<void, string> {
    const numbered = checkNumbers({ ...plan, uid: this.#plan.uid });
    if (!numbered.ok) return numbered;
    const next = { ...plan, uid: this.#plan.uid };
    const batch = new Batch(this.#writer);
    if (!writeChange(batch, this.#plan, next)) return success(undefined);
    const done = outcome("changing the plan", batch.commit(this.#socket));
    if (!done.ok) return done;
    if (next.window_ms !== this.#plan.window_ms || next.keep_ms !== this.#plan.keep_ms) this.#modes.forgetDurations();
    this.#plan = next;
    return done;
  }

  /**
   * Fences one interface by chains of its own, from when on it is under the lease instead of shut. Repeating it is
   * harmless. A renamed interface, or another one under this index, is covered anew. What a `port` of another interface
   * receives is forwarded or relayed where that one receives it.
   */
  coverInterface(index: number, name: string, port = false): Result<void, string> {
    const known = this.#covered.get(index);
    if (known === name) return this.#setPort(index, port);
    if (known !== undefined) this.uncoverInterface(index);
    const batch = new Batch(this.#writer);
    writeInterface(batch, index, name);
    writeCovered(batch, index, name);
    const done = outcome(`fencing ${name}`, batch.commit(this.#socket));
    if (!done.ok) return done;
    this.#covered.set(index, name);
    return this.#setPort(index, port);
  }

  #setPort(index: number, port: boolean): Result<void, string> {
    if (this.#ports.has(index) === port) return success(undefined);
    const batch = new Batch(this.#writer);
    if (port) batch.elements(NETDEV, "ports", [{ key: portKey(index) }]);
    else batch.deleteElement(NETDEV, "ports", portKey(index));
    const done = outcome(`port ${index}`, batch.commit(this.#socket), port ? undefined : ENOENT);
    if (done.ok && port) this.#ports.add(index);
    else if (done.ok) this.#ports.delete(index);
    return done;
  }

  /** The interface has gone, or has another name. Until it is covered again its fenced addresses are shut. */
  uncoverInterface(index: number): Result<void, string> {
    const name = this.#covered.get(index);
    if (name === undefined) return success(undefined);
    this.#covered.delete(index);
    this.#setPort(index, false);
    const uncovered = new Batch(this.#writer);
    writeUncover(uncovered, index, name);
    const done = outcome(`unfencing ${name}`, uncovered.commit(this.#socket), ENOENT);
    // Kernels before 6.16 removed the chains together with the interface.
    for (const chain of [ingressChain(index, name), egressChain(index, name)]) {
      new Batch(this.#writer).deleteChain(NETDEV, chain).commit(this.#socket);
    }
    return done;
  }

  /** Milliseconds left of each open group; groups that are shut are absent. */
  remaining(): Result<ReadonlyMap<number, number>, string> {
    return readRemaining(this.#socket, this.#writer);
  }

  /** What each group does with packets; groups that are shut are absent. */
  states(): Result<ReadonlyMap<number, FenceState>, string> {
    return readStates(this.#socket, this.#writer);
  }

  /** Whether the kernel still holds what was installed: undefined, or what is wrong. */
  verify(): string | undefined {
    const found = ourTables(this.#socket, this.#writer);
    if (!found.ok) return found.error;
    if (!isInForce(this.#socket, this.#writer, found.value, this.#plan, this.#tableFlags))
      return "tables are missing or not ours";
    // An interface that has gone took its chains with it; its event comes.
    const present = this.#present();
    return (
      verifyTables(this.#socket, this.#writer, this.#plan, present) ??
      verifyElements(this.#socket, this.#writer, this.#plan, this.#covered.size)
    );
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

  /** Reads which interfaces an earlier daemon covered, and disarms everything (F6). */
  #takeOver(): Result<void, string> {
    const chains = listChains(this.#socket, this.#writer, NETDEV);
    const covered = listElements(this.#socket, this.#writer, INET, "covered");
    if (!chains.ok || !covered.ok) return failure("fence: reading the tables of an earlier daemon");
    this.#covered.clear();
    for (const { key } of covered.value) {
      const name = Buffer.from(key.subarray(4)).toString("utf8").replace(/\0.*$/s, "");
      const index = this.#native.interfaceIndex(name);
      const present = [ingressChain(index, name), egressChain(index, name)].every((chain) =>
        chains.value.includes(chain),
      );
      if (index > 0 && present && Buffer.compare(key, coveredKey(index, name)) === 0) this.#covered.set(index, name);
    }
    const broken = this.verify();
    if (broken !== undefined) return failure(`fence: ${broken}`);
    const emptied = this.#dropModes();
    if (emptied.ok) this.#adopted = true;
    return emptied;
  }

  /**
   * F6: nothing stays armed, nothing relays or forwards for a daemon that does not know of it. What forwards is closed,
   * `alive` first (F4). What is open stays open, and so does passing connections on, which ends by its time.
   */
  #dropModes(): Result<void, string> {
    this.#modes.forget();
    const forwarding = readGroups(this.#socket, this.#writer, "forwarding");
    if (!forwarding.ok) return forwarding;
    for (const group of forwarding.value) {
      const closed = this.#modes.close(group, []);
      if (!closed.ok) return closed;
    }
    const emptied = emptySets(this.#socket, this.#writer, ["armed", "relaying", "stations", "successors", "ports"]);
    if (!emptied.ok) return emptied;
    const predecessors = readPredecessors(this.#socket, this.#writer);
    if (!predecessors.ok) return predecessors;
    for (const [group, station] of predecessors.value) this.#modes.recallPredecessor(group, station);
    return success(undefined);
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
    const interfaces = this.#present();
    interfaces.set(this.#native.interfaceIndex("lo"), "lo");
    const batch = new Batch(this.#writer);
    for (const table of old) batch.deleteTable(table);
    writeTables(batch, this.#plan, this.#tableFlags);
    for (const [index, name] of interfaces) {
      writeInterface(batch, index, name);
      writeCovered(batch, index, name);
    }
    const ports = [...this.#ports].filter((index) => interfaces.has(index)).map((index) => ({ key: portKey(index) }));
    if (ports.length > 0) batch.elements(NETDEV, "ports", ports);
    const errors = batch.commit(this.#socket);
    if (errors.length > 0) return errors;
    this.#modes.forget();
    this.#covered.clear();
    for (const [index, name] of interfaces) this.#covered.set(index, name);
    return [];
  }

  #present(): Map<number, string> {
    return new Map([...this.#covered].filter(([index, name]) => this.#native.interfaceIndex(name) === index));
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
