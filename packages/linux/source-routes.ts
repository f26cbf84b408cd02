/**
 * Packets from a virtual address leave by the adapter that carries it (requirement A8): with two adapters in one network the
 * main table knows only one way there. A rule for each address leads to a table of its adapter, which is the main table with
 * the other adapters of that network replaced (source-tables.ts).
 *
 * Rules and tables are marked as ours by their protocol; nobody else's are touched. An earlier daemon's are taken over.
 */
import { constants } from "node:os";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Adapters } from "./adapters.ts";
import type { Native } from "./native.ts";
import { NETLINK_ROUTE } from "./netlink/links.ts";
import { type Message, MessageWriter } from "./netlink/message.ts";
import {
  changeRoutes,
  DELETE_ROUTE,
  GROUP_IPV4_ROUTE,
  GROUP_IPV6_ROUTE,
  listRoutes,
  MAIN_TABLE,
  NEW_ROUTE,
  type OwnRoute,
  parseRoute,
  type Route,
  type RouteChange,
} from "./netlink/routes.ts";
import {
  changeRules,
  GROUP_IPV4_RULE,
  GROUP_IPV6_RULE,
  listSourceRules,
  type RuleChange,
  type SourceRule,
} from "./netlink/rules.ts";
import { describe, EventSocket, RequestSocket } from "./netlink/socket.ts";
import {
  type MainRoute,
  type NamedHop,
  networkOf,
  RouteMemory,
  sourceTable,
  type TableOrder,
} from "./source-tables.ts";

/** RTPROT_ of our routes and rules; 104 is nobody's in /etc/iproute2/rt_protos. */
export const SOURCE_PROTOCOL = 104;
/** Behind an operator's own rules, before the main table (32766). */
export const SOURCE_PRIORITY = 32400;
/** Tables of ours are numbered from here by the index of the adapter. */
export const SOURCE_TABLES = 0x68660000;
const TABLES = 0x10000;

/** Reading and comparing takes some microseconds each, in a turn of the loop that also sends heartbeats. */
const MOST_ROUTES = 1000;
/** Changes of routes come in bunches. */
const SETTLE_MS = 100;
/** A main table that is too long changes often. */
const SETTLE_LONG_MS = 10_000;

const { EEXIST, ENOENT, ESRCH, E2BIG } = constants.errno;

/** An adapter that carries, or may come to carry, virtual addresses. */
export interface SourceAdapter {
  readonly interface: string;
  /** Other adapters of this machine in the same network. */
  readonly others: readonly string[];
  /** The virtual addresses it may carry. */
  readonly addresses: readonly { readonly address: IpAddress; readonly prefixLength: number }[];
}

/** A virtual address that is here, and where. */
export interface SourcePlace {
  readonly address: IpAddress;
  readonly interface: string;
}

export class SourceRoutes {
  readonly #native: Native;
  readonly #adapters: Adapters;
  readonly #trouble: (text: string) => void;
  readonly #writer = new MessageWriter();
  readonly #memory = new RouteMemory();
  #socket: RequestSocket | undefined;
  /** Its own, by which events tell who asked for a change. */
  #port = 0;
  #settle_ms = SETTLE_MS;
  #heard: EventSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #prepared: readonly SourceAdapter[] = [];
  /** Undefined until it is known what an earlier daemon's addresses are worth. */
  #places: readonly SourcePlace[] | undefined;
  /** As the kernel has them, by address: a packet's way is asked of the first that fits. */
  #rules = new Map<IpAddress, number>();
  #told = "";

  /** `trouble` is told what could not be done, once until it changes. */
  constructor(native: Native, adapters: Adapters, trouble: (text: string) => void) {
    this.#native = native;
    this.#adapters = adapters;
    this.#trouble = trouble;
  }

  /**
   * The adapters whose tables are to be ready: a swap then changes no more than rules. Without any, what an earlier daemon
   * left is removed. Its rules are left alone until the first `place` tells what is still here.
   */
  prepare(adapters: readonly SourceAdapter[]): void {
    this.#prepared = adapters;
    if (adapters.length > 0) this.#listen();
    this.#sync();
  }

  /** Desired state: a rule for each of these addresses whose adapter is prepared, and no other. */
  place(places: readonly SourcePlace[]): void {
    const isFirst = this.#places === undefined;
    this.#places = places;
    if (isFirst) this.#tell(this.#readRules());
    if (this.#prepared.length + this.#rules.size > 0) this.#tell(this.#applyRules());
  }

  /** Something changed about this interface: its routes went with it, or may be put again. */
  adapterChanged(name: string): void {
    if (!this.#prepared.some((each) => each.interface === name || each.others.includes(name))) return;
    const adapter = this.#adapters.byName(name);
    if (adapter === undefined || adapter.down === "administratively") this.#memory.wentDown(name);
    this.#soon();
  }

  /** Removes all rules and tables of ours. */
  clear(): void {
    this.#prepared = [];
    this.#places = [];
    this.#sync();
    this.close();
  }

  /** Leaves rules and tables to the next daemon. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#heard?.close();
    this.#heard = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  #listen(): void {
    const groups = [GROUP_IPV4_ROUTE, GROUP_IPV6_ROUTE, GROUP_IPV4_RULE, GROUP_IPV6_RULE];
    this.#heard ??= new EventSocket(
      this.#native,
      NETLINK_ROUTE,
      groups,
      (message) => {
        if (this.#concerns(message)) this.#soon();
      },
      () => this.#soon(),
    );
  }

  /** Whatever we did ourselves does not, nor do other tables. */
  #concerns(message: Message): boolean {
    if (message.port === this.#port) return false;
    if (message.type !== NEW_ROUTE && message.type !== DELETE_ROUTE) return true;
    const table = parseRoute(message)?.table;
    return table === MAIN_TABLE || (table !== undefined && isOurs(table));
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sync();
    }, this.#settle_ms);
  }

  #requests(): RequestSocket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = new RequestSocket(this.#native, NETLINK_ROUTE);
    this.#socket = socket;
    this.#port = socket.port;
    return socket;
  }

  /** Everything that is ours becomes what it should be, whatever the kernel has now. */
  #sync(): void {
    const failed = [...this.#syncTables()];
    if (this.#places !== undefined) failed.push(...this.#readRules(), ...this.#applyRules());
    // A node that needs none of this may have more routes than can be looked through.
    this.#tell(this.#prepared.length > 0 ? failed : []);
  }

  #tell(failed: readonly string[]): void {
    const trouble = failed.join("; ");
    if (trouble !== this.#told && trouble !== "") this.#trouble(trouble);
    this.#told = trouble;
  }

  #syncTables(): readonly string[] {
    const read = this.#readRoutes();
    if (!read.ok) return [read.error];
    const [own, main] = [
      read.value.filter(({ table, protocol }) => isOurs(table) && protocol === SOURCE_PROTOCOL),
      read.value.filter(({ table }) => table === MAIN_TABLE),
    ];
    const wanted = this.#wantedRoutes(main);
    const have = new Map(own.map((route) => [keyOf(route.table, route.destination), route]));
    const changes: RouteChange[] = [];
    for (const route of wanted) {
      const key = keyOf(route.table, route.destination);
      const found = have.get(key);
      have.delete(key);
      if (found === undefined || !isSame(found, route)) changes.push({ kind: "put", route });
    }
    for (const { table, destination } of have.values())
      changes.push({ kind: "delete", route: { table, destination, hop: undefined, metrics: undefined } });
    return changeRoutes(this.#requests(), this.#writer, SOURCE_PROTOCOL, changes)
      .filter(({ change, error }) => change.kind === "put" || error.errno !== ESRCH)
      .map(({ change, error }) => `route to ${change.route.destination}: ${describe(error)}`);
  }

  #readRoutes(): Result<readonly Route[], string> {
    const found: Route[] = [];
    this.#settle_ms = SETTLE_MS;
    for (const family of [4, 6] as const) {
      const listed = listRoutes(this.#requests(), this.#writer, family, MOST_ROUTES);
      if (listed.ok) {
        found.push(...listed.value);
        continue;
      }
      // What is left of the dump would be read before the next answer.
      this.#socket?.close();
      this.#socket = undefined;
      if (listed.error.errno === E2BIG) this.#settle_ms = SETTLE_LONG_MS;
      const text = listed.error.errno === E2BIG ? listed.error.detail : describe(listed.error);
      return failure(`reading the routes: ${text}`);
    }
    return success(found);
  }

  #wantedRoutes(main: readonly Route[]): readonly OwnRoute[] {
    const orders = this.#prepared.flatMap((prepared): TableOrder[] => {
      const adapter = this.#adapters.byName(prepared.interface);
      if (adapter === undefined || adapter.down === "administratively") return [];
      const siblings = new Set([prepared.interface, ...prepared.others]);
      const networks = prepared.addresses.map(({ address, prefixLength }) => networkOf(address, prefixLength));
      return [{ table: tableOf(adapter.index), interface: adapter.name, index: adapter.index, siblings, networks }];
    });
    const watched = new Set(this.#prepared.flatMap((each) => [each.interface, ...each.others]));
    let isFresh = false;
    const works = (name: string): boolean => {
      // Routes go after an interface is down and before it is told: what is lost may be lost for that reason.
      if (!isFresh) this.#adapters.resync();
      isFresh = true;
      const adapter = this.#adapters.byName(name);
      return adapter !== undefined && adapter.down !== "administratively";
    };
    const whole = this.#memory.complete(
      main.map((route) => this.#named(route)),
      watched,
      works,
    );
    return orders.flatMap((order) => sourceTable(order, whole));
  }

  #named({ destination, metric, hops, metrics }: Route): MainRoute {
    const named = hops.map(({ index, gateway }): NamedHop => {
      return { interface: this.#adapters.byIndex(index)?.name ?? "", gateway };
    });
    return { destination, metric, hops: named, metrics };
  }

  #readRules(): readonly string[] {
    const [rules, surplus]: [Map<IpAddress, number>, RuleChange[]] = [new Map(), []];
    for (const family of [4, 6] as const) {
      const listed = listSourceRules(this.#requests(), this.#writer, family, SOURCE_PROTOCOL);
      if (!listed.ok) return [`reading the rules: ${describe(listed.error)}`];
      for (const rule of listed.value) {
        if (rule.priority !== SOURCE_PRIORITY || !isOurs(rule.table) || rules.has(rule.address))
          surplus.push({ kind: "delete", rule });
        else rules.set(rule.address, rule.table);
      }
    }
    this.#rules = rules;
    return this.#changeRules(surplus);
  }

  #applyRules(): readonly string[] {
    const prepared = new Set(this.#prepared.map((each) => each.interface));
    const wanted = new Map<IpAddress, number>();
    for (const place of this.#places ?? []) {
      const index = this.#adapters.byName(place.interface)?.index;
      if (index !== undefined && prepared.has(place.interface)) wanted.set(place.address, tableOf(index));
    }
    const put: RuleChange[] = [];
    const gone: RuleChange[] = [];
    for (const [address, table] of wanted)
      if (this.#rules.get(address) !== table) put.push({ kind: "put", rule: ruleOf(address, table) });
    for (const [address, table] of this.#rules)
      if (wanted.get(address) !== table) gone.push({ kind: "delete", rule: ruleOf(address, table) });
    // Of two rules for one address the first that was put counts: the old one goes last, and then the new one is alone.
    const failed = this.#changeRules([...put, ...gone]);
    this.#rules = wanted;
    return failed;
  }

  #changeRules(changes: readonly RuleChange[]): readonly string[] {
    return changeRules(this.#requests(), this.#writer, SOURCE_PROTOCOL, changes)
      .filter(({ change, error }) => error.errno !== (change.kind === "put" ? EEXIST : ENOENT))
      .map(({ change, error }) => `rule from ${change.rule.address}: ${describe(error)}`);
  }
}

function ruleOf(address: IpAddress, table: number): SourceRule {
  return { address, table, priority: SOURCE_PRIORITY };
}

function tableOf(index: number): number {
  return SOURCE_TABLES + (index % TABLES);
}

function isOurs(table: number): boolean {
  return table >= SOURCE_TABLES && table < SOURCE_TABLES + TABLES;
}

function keyOf(table: number, destination: string): string {
  return `${table} ${destination}`;
}

function isSame(found: Route, wanted: OwnRoute): boolean {
  if (wanted.hop === undefined) return found.kind === "throw";
  const [hop] = found.hops;
  if (found.kind !== "unicast" || found.hops.length !== 1 || hop === undefined) return false;
  if (hop.index !== wanted.hop.index || hop.gateway !== wanted.hop.gateway) return false;
  return Buffer.compare(found.metrics ?? NONE, wanted.metrics ?? NONE) === 0;
}

const NONE = new Uint8Array();
