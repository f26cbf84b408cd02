/**
 * The fence: this node answers for a group's addresses only while the kernel itself counts down a deadline that a commit
 * set (ownership.md section 4). Everything a daemon does to it while it runs is one datagram on lo, a few microseconds;
 * netlink is for the start, for interfaces, and for putting it back when somebody removed it.
 *
 * Tables carry the flags OWNER and PERSIST where the kernel has them (6.9): then no other process can remove them, and
 * they outlive the daemon. Elsewhere their removal is noticed and they are put back, closed.
 */
import { createHash } from "node:crypto";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { check, errnoName, native } from "./load.ts";
import { Connection, type Refusal, refusalText } from "./nftables/connection.ts";
import { adoptTable, deleteTable, ensureTable, flushSet, getTable, listChains, listElements, newTable } from "./nftables/expressions.ts";
import {
  COMMAND,
  coverInterface,
  type FenceRules,
  NETDEV,
  removeInterfaceChains,
  tableContents,
  TABLES,
  uncoverInterface,
} from "./nftables/fence-rules.ts";
import { type Answer, eachAttribute, MESSAGE, messageType, parseAttributes, type Request, textOf } from "./nftables/message.ts";

export { type FencedGroup, type FenceRules } from "./nftables/fence-rules.ts";

const TABLE_OWNER = 2;
const TABLE_PERSIST = 4;
/** Raised with every change of the rules, so that a newer daemon does not adopt an older one's. */
const LAYOUT = 1;

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_IP = 0;
const IP_RECVERR = 11;

export interface FenceInterface {
  readonly index: number;
  readonly name: string;
}

export interface FenceOptions extends FenceRules {
  readonly interfaces: readonly FenceInterface[];
  /** `none`: do without OWNER and PERSIST, as on a kernel before 6.9 (for tests). */
  readonly flags?: "best" | "none";
}

/** What a start found in the kernel. */
export type FenceStart =
  /** The tables of the daemon before, its open groups still open. */
  | "adopted"
  /** Nothing, or tables of another configuration: all closed. */
  | "installed";

export class Fence {
  readonly start: FenceStart;
  /** Other processes cannot remove the tables, and they outlive the daemon. */
  readonly owned: boolean;
  readonly #connection: Connection;
  readonly #rules: FenceRules;
  readonly #digest: Buffer;
  readonly #flags: number;
  readonly #interfaces: Map<number, string>;
  readonly #socket: number;
  readonly #datagram = new Uint8Array(1);
  readonly #address: Buffer;
  #events: Connection | undefined;

  private constructor(options: FenceOptions, connection: Connection, flags: number) {
    this.#rules = options;
    this.#connection = connection;
    this.#flags = flags;
    this.owned = flags !== 0;
    this.#digest = digestOf(options);
    this.#interfaces = new Map(options.interfaces.map(({ index, name }) => [index, name]));
    this.#socket = check("fence socket", native.socket(AF_INET, SOCK_DGRAM, 0));
    // With it a datagram that the fence drops makes send(2) fail with ENOBUFS: the answer to arm and commit.
    check("fence socket", native.setsockopt(this.#socket, SOL_IP, IP_RECVERR, Uint8Array.of(1, 0, 0, 0)));
    this.#address = Buffer.from([AF_INET, 0, 0, 0, 127, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    this.start = this.#adopt() ? "adopted" : this.#install();
  }

  /** Finds the fence of an earlier daemon or makes a closed one. Throws an Error that says what the kernel refused. */
  static open(options: FenceOptions): Fence {
    const connection = new Connection();
    try {
      return new Fence(options, connection, options.flags === "none" ? 0 : bestFlags(connection));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** F1: opens the window W for this number. */
  arm(group: number, number: number): Result<void, string> {
    return this.#tell(COMMAND.arm, group, number);
  }

  /** F2: the group is open for K from now, if exactly this number is armed. */
  commit(group: number, number: number): Result<void, string> {
    return this.#tell(COMMAND.commit, group, number);
  }

  /** F3: nothing of the group can be committed any more, then it is closed. */
  close(group: number, armed: readonly number[]): Result<void, string> {
    for (const number of armed) {
      const disarmed = this.#tell(COMMAND.disarm, group, number);
      if (!disarmed.ok) return disarmed;
    }
    return this.#tell(COMMAND.close, group, 0);
  }

  #tell(command: number, group: number, number: number): Result<void, string> {
    this.#datagram[0] = command;
    this.#address.writeUInt16BE(group, 2);
    this.#address.writeUInt16BE(number & 0xffff, 6);
    const sent = native.send(this.#socket, this.#datagram, this.#address);
    if (sent >= 0) return success(undefined);
    return failure(errnoName(sent) === "ENOBUFS" ? "the fence refused it" : `datagram to the fence: ${errnoName(sent)}`);
  }

  /** An interface appeared (it has been closed since its first packet) or was renamed. */
  coverInterface(index: number, name: string): Result<void, string> {
    if (this.#interfaces.get(index) === name) return success(undefined);
    if (this.#interfaces.has(index)) this.uncoverInterface(index);
    const covered = this.#connection.transaction(coverInterface(index, name));
    if (!covered.ok) return failure(`interface ${name}: ${refusalText(covered.error)}`);
    this.#interfaces.set(index, name);
    return success(undefined);
  }

  /** An interface is gone. The kernel may have removed its chains already. */
  uncoverInterface(index: number): void {
    if (!this.#interfaces.delete(index)) return;
    this.#connection.transaction(uncoverInterface(index));
    this.#connection.transaction(removeInterfaceChains(index));
  }

  /** The groups that are open, by number, and for how many milliseconds yet. */
  remaining(): Result<ReadonlyMap<number, number>, string> {
    const found = this.#connection.ask(listElements(NETDEV, "alive"));
    if (!found.ok) return failure(refusalText(found.error));
    const open = new Map<number, number>();
    for (const answer of found.value) {
      for (const [group, left] of elementsOf(answer)) if (left > 0) open.set(group, left);
    }
    return success(open);
  }

  /**
   * Calls back when the rule set was damaged by another process and has been put back, closed (F7); `detail` says by
   * whom, as far as the kernel tells. Also when it could not be put back.
   */
  watch(reinstalled: (detail: string) => void): void {
    const events = new Connection();
    events.subscribe();
    this.#events = events;
    native.poll(events.descriptor, 1, (status) => {
      // Overrun: what happened is not known, so look.
      let damage = status < 0 ? "too many changes of the packet filter to follow" : undefined;
      for (const answer of events.receive()) damage ??= this.#damageBy(answer);
      if (damage === undefined || this.#isWhole()) return;
      try {
        this.#install();
        reinstalled(damage);
      } catch (error) {
        reinstalled(`${damage}; it could not be put back: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  }

  #damageBy(answer: Answer): string | undefined {
    const type = messageType(answer);
    if (type === undefined || answer.port === this.#connection.port) return undefined;
    const removals: readonly number[] = [MESSAGE.deleteTable, MESSAGE.deleteChain, MESSAGE.deleteRule, MESSAGE.deleteSet, MESSAGE.deleteElement];
    if (!removals.includes(type) || textOf(parseAttributes(answer.body, 4).get(1)) !== NETDEV.name) return undefined;
    return `removed by the process with netlink port ${answer.port}`;
  }

  /** All tables with our digest, all chains, all rules: what somebody else's change may have left. */
  #isWhole(): boolean {
    const chains = this.#chains();
    if (chains === undefined || ![...this.#interfaces.keys()].every((index) => chains.has(index))) return false;
    const expected = expectedUse(this.#rules, this.#interfaces.size);
    return TABLES.every((table) => {
      const found = this.#connection.ask(getTable(table));
      const body = found.ok ? found.value[0]?.body : undefined;
      if (body === undefined || !isOurs(body, this.#digest)) return false;
      const use = parseAttributes(body, 4).get(3);
      return use === undefined || Buffer.from(use).readUInt32BE(0) >= (expected.get(table.family) ?? 0);
    });
  }

  /** Interfaces that have their chains; undefined when the table is gone. */
  #chains(): ReadonlySet<number> | undefined {
    const found = this.#connection.ask(listChains(NETDEV));
    if (!found.ok) return undefined;
    const covered = new Map<number, number>();
    for (const { body } of found.value) {
      const chain = parseAttributes(body, 4);
      const match = /^(in|out)-(\d+)$/.exec(textOf(chain.get(3)));
      if (match === null || textOf(chain.get(1)) !== NETDEV.name) continue;
      const index = Number(match[2]);
      covered.set(index, (covered.get(index) ?? 0) + 1);
    }
    return new Set([...covered].filter(([, chains]) => chains === 2).map(([index]) => index));
  }

  /** Take over the tables of the daemon before when they are what we would make: what is open stays open. */
  #adopt(): boolean {
    for (const table of TABLES) {
      const found = this.#connection.ask(getTable(table));
      const body = found.ok ? found.value[0]?.body : undefined;
      if (body === undefined || !isOurs(body, this.#digest)) return false;
    }
    const chains = this.#chains();
    if (chains === undefined) return false;
    const gone = [...chains].filter((index) => !this.#interfaces.has(index));
    const missing = [...this.#interfaces].filter(([index]) => !chains.has(index));
    const adoption = this.#connection.transaction([
      ...TABLES.map((table) => adoptTable(table, this.#flags)),
      flushSet(NETDEV, "armed"),
      ...missing.flatMap(([index, name]) => coverInterface(index, name)),
    ]);
    if (!adoption.ok) {
      if (isHeldByAnother(adoption.error)) throw new Error(heldByAnother(adoption.error));
      return false;
    }
    for (const index of gone) {
      this.#connection.transaction(uncoverInterface(index));
      this.#connection.transaction(removeInterfaceChains(index));
    }
    return true;
  }

  /** Replace whatever is there by a closed fence, in one transaction. */
  #install(): FenceStart {
    const requests: Request[] = [
      ...TABLES.flatMap((table) => [ensureTable(table, this.#flags), deleteTable(table), newTable(table, this.#flags, this.#digest)]),
      ...tableContents(this.#rules),
      ...[...this.#interfaces].flatMap(([index, name]) => coverInterface(index, name)),
    ];
    const done = this.#connection.transaction(requests);
    if (done.ok) return "installed";
    if (isHeldByAnother(done.error)) throw new Error(heldByAnother(done.error));
    throw new Error(`the kernel did not take the fence: ${refusalText(done.error)}`);
  }

  /** Take the fence away altogether: for tests and for uninstalling; a daemon that stops leaves it closed. */
  remove(): Result<void, string> {
    const done = this.#connection.transaction(TABLES.map(deleteTable));
    return done.ok ? done : failure(refusalText(done.error));
  }

  /** Give the tables up without removing them. */
  disconnect(): void {
    this.#events?.close();
    native.close(this.#socket);
    this.#connection.close();
  }
}

function digestOf(rules: FenceRules): Buffer {
  const groups = rules.groups.map(({ number, addresses }) => [number, ...addresses]);
  const meaning = JSON.stringify([LAYOUT, groups, rules.window_ms, rules.keep_ms, rules.uid]);
  return createHash("sha256").update(meaning).digest();
}

function isOurs(table: Uint8Array, digest: Buffer): boolean {
  const userData = parseAttributes(table, 4).get(6);
  return userData !== undefined && digest.equals(userData);
}

/** Chains, sets and so on that a whole table counts at least. */
function expectedUse(rules: FenceRules, interfaces: number): ReadonlyMap<number, number> {
  const [netdev, inet, arp] = TABLES;
  return new Map([
    [netdev?.family ?? 0, 7 + rules.groups.length + 2 * interfaces],
    [inet?.family ?? 0, 5],
    [arp?.family ?? 0, 3],
  ]);
}

/** OWNER and PERSIST when the kernel takes them, tried on a table of a name of our own; otherwise nothing: OWNER alone would end with us. */
function bestFlags(connection: Connection): number {
  const flags = TABLE_OWNER | TABLE_PERSIST;
  const probe = { family: NETDEV.family, name: `holdfast-probe-${process.pid}` };
  return connection.transaction([ensureTable(probe, flags), deleteTable(probe)]).ok ? flags : 0;
}

function isHeldByAnother(refusal: Refusal): boolean {
  return refusal.code === "EPERM" || refusal.code === "EBUSY" || refusal.code === "EOPNOTSUPP";
}

function heldByAnother(refusal: Refusal): string {
  return `the fence belongs to another process (${refusalText(refusal)}): is another holdfast running, or frozen, in this network namespace?`;
}

const ELEMENTS = 3;
const ELEMENT_KEY = 1;
const ELEMENT_EXPIRATION = 5;

function* elementsOf(answer: Answer): Generator<readonly [group: number, left_ms: number]> {
  const list = parseAttributes(answer.body, 4).get(ELEMENTS);
  if (list === undefined) return;
  for (const [, element] of eachAttribute(list)) {
    const fields = parseAttributes(element);
    const key = parseAttributes(fields.get(ELEMENT_KEY) ?? new Uint8Array()).get(1);
    const left = fields.get(ELEMENT_EXPIRATION);
    if (key === undefined || key.length < 2 || left === undefined || left.length < 8) continue;
    yield [Buffer.from(key).readUInt16BE(0), Number(Buffer.from(left).readBigUInt64BE(0))];
  }
}
