/** The nf_tables expressions the fence is made of (linux/netfilter/nf_tables.h), and what they are made into: rules, chains, sets. */
import { type Attribute, attributes, type Family, FLAG, MESSAGE, nested, type Request, text, u32, u64 } from "./message.ts";

/** Registers of four bytes; `r0` to `r3` together are one of sixteen. */
export const REGISTER = { verdict: 0, r0: 8, r1: 9 } as const;
export const BASE = { link: 0, network: 1, transport: 2 } as const;
export const META = { protocol: 1, inputInterface: 4, outputInterface: 5, socketUser: 10 } as const;

const LIST_ELEMENT = 1;
const DATA_VALUE = 1;
const DATA_VERDICT = 2;

export type Expression = Attribute;

function expression(name: string, ...data: readonly Attribute[]): Expression {
  return nested(LIST_ELEMENT, [1, text(name)], nested(2, ...data));
}

/** Load `length` bytes of the packet. */
export function payload(base: number, offset: number, length: number, register: number = REGISTER.r0): Expression {
  return expression("payload", [1, u32(register)], [2, u32(base)], [3, u32(offset)], [4, u32(length)]);
}

export function meta(key: number, register: number = REGISTER.r0): Expression {
  return expression("meta", [1, u32(register)], [2, u32(key)]);
}

/** Go on with the rule only when the register equals (or, `not`, differs from) the bytes. */
export function equals(value: Uint8Array, register: number = REGISTER.r0): Expression {
  return expression("cmp", [1, u32(register)], [2, u32(0)], nested(3, [DATA_VALUE, value]));
}

export function differs(value: Uint8Array, register: number = REGISTER.r0): Expression {
  return expression("cmp", [1, u32(register)], [2, u32(1)], nested(3, [DATA_VALUE, value]));
}

export function constant(value: Uint8Array, register: number = REGISTER.r0): Expression {
  return expression("immediate", [1, u32(register)], nested(2, [DATA_VALUE, value]));
}

/** Go on only when the key is in the set. */
export function isIn(set: string, register: number = REGISTER.r0): Expression {
  return expression("lookup", [1, text(set)], [2, u32(register)]);
}

export function isNotIn(set: string, register: number = REGISTER.r0): Expression {
  return expression("lookup", [1, text(set)], [2, u32(register)], [5, u32(1)]);
}

/** The verdict that a map has for the key; go on without one. */
export function verdictFrom(map: string, register: number = REGISTER.r0): Expression {
  return expression("lookup", [1, text(map)], [2, u32(register)], [3, u32(REGISTER.verdict)]);
}

/** Add the key to the set for `timeout_ms`, or let an element that is there live that long from now. */
export function updateSet(set: string, timeout_ms: number, register: number = REGISTER.r0): Expression {
  return expression("dynset", [1, text(set)], [3, u32(1)], [4, u32(register)], [6, u64(timeout_ms)]);
}

export function deleteFromSet(set: string, register: number = REGISTER.r0): Expression {
  return expression("dynset", [1, text(set)], [3, u32(2)], [4, u32(register)]);
}

export function counter(): Expression {
  return expression("counter");
}

/** NF_DROP, NF_ACCEPT, NFT_JUMP. */
const VERDICT = { drop: 0, accept: 1, jump: -3 } as const;

export function drop(): Expression {
  return verdict(VERDICT.drop);
}

export function accept(): Expression {
  return verdict(VERDICT.accept);
}

export function jump(chain: string): Expression {
  return verdict(VERDICT.jump, chain);
}

function verdict(code: number, chain?: string): Expression {
  return expression("immediate", [1, u32(REGISTER.verdict)], nested(2, verdictData(code, chain)));
}

function verdictData(code: number, chain?: string): Attribute {
  const target: Attribute[] = chain === undefined ? [] : [[2, text(chain)]];
  return nested(DATA_VERDICT, [1, u32(code)], ...target);
}

/** Where the requests of one table go. */
export interface Table {
  readonly family: Family;
  readonly name: string;
}

function request(table: Table, what: string, type: number, flags: number, ...body: readonly Attribute[]): Request {
  return { what: `${what} of table ${table.name}`, type, flags, family: table.family, body: attributes(...body) };
}

export function newTable(table: Table, flags: number, userData: Uint8Array): Request {
  return request(table, "creation", MESSAGE.newTable, FLAG.create, [1, text(table.name)], [2, u32(flags)], [6, userData]);
}

/** NEWTABLE for a table that is there changes its flags: how an orphaned table gets a new owner. */
export function adoptTable(table: Table, flags: number): Request {
  return request(table, "adoption", MESSAGE.newTable, 0, [1, text(table.name)], [2, u32(flags)]);
}

export function ensureTable(table: Table, flags: number): Request {
  return request(table, "creation", MESSAGE.newTable, FLAG.create, [1, text(table.name)], [2, u32(flags)]);
}

export function deleteTable(table: Table): Request {
  return request(table, "removal", MESSAGE.deleteTable, 0, [1, text(table.name)]);
}

export function getTable(table: Table): Request {
  return request(table, "look-up", MESSAGE.getTable, 0, [1, text(table.name)]);
}

export interface Hook {
  readonly number: number;
  readonly priority: number;
  /** For the netdev family: the interface. */
  readonly device?: string;
}

const POLICY_ACCEPT = 1;

export function newChain(table: Table, name: string, hook?: Hook): Request {
  const base: Attribute[] = [];
  if (hook !== undefined) {
    const device: Attribute[] = hook.device === undefined ? [] : [[3, text(hook.device)]];
    base.push(nested(4, [1, u32(hook.number)], [2, u32(hook.priority)], ...device), [5, u32(POLICY_ACCEPT)], [7, text("filter")]);
  }
  return request(table, `chain ${name}`, MESSAGE.newChain, FLAG.create, [1, text(table.name)], [3, text(name)], ...base);
}

export function deleteChain(table: Table, name: string): Request {
  return request(table, `removal of chain ${name}`, MESSAGE.deleteChain, 0, [1, text(table.name)], [3, text(name)]);
}

/** All chains of the family, to be filtered by table. */
export function listChains(table: Table): Request {
  return request(table, "list of chains", MESSAGE.getChain, FLAG.dump, [1, text(table.name)]);
}

export function newRule(table: Table, chain: string, ...expressions: readonly Expression[]): Request {
  return request(table, `a rule of ${chain}`, MESSAGE.newRule, FLAG.create | FLAG.append, [1, text(table.name)], [2, text(chain)], nested(4, ...expressions));
}

/** The types nft shows keys by; the kernel only keeps them. */
export const KEY = {
  ipv4: { type: 7, length: 4 },
  ipv6: { type: 8, length: 16 },
  port: { type: 13, length: 2 },
  interface: { type: 20, length: 4 },
  /** ipv4 . port: each part fills whole registers. */
  ipv4AndPort: { type: (7 << 6) | 13, length: 8 },
} as const;

type Key = (typeof KEY)[keyof typeof KEY];

const SET_MAP = 8;
const SET_TIMEOUT = 0x10;
const SET_EVALUATED = 0x20;
const DATA_TYPE_VERDICT = 0xffff_ff00;

/** A set that packets fill, with timeouts. */
export function newDynamicSet(table: Table, name: string, id: number, key: Key, size: number): Request {
  return newSet(table, name, id, key, SET_TIMEOUT | SET_EVALUATED, nested(9, [1, u32(size)]));
}

export function newPlainSet(table: Table, name: string, id: number, key: Key): Request {
  return newSet(table, name, id, key, 0);
}

export function newVerdictMap(table: Table, name: string, id: number, key: Key): Request {
  return newSet(table, name, id, key, SET_MAP, [6, u32(DATA_TYPE_VERDICT)], [7, u32(16)]);
}

function newSet(table: Table, name: string, id: number, key: Key, flags: number, ...rest: readonly Attribute[]): Request {
  return request(
    table,
    `set ${name}`,
    MESSAGE.newSet,
    FLAG.create,
    [1, text(table.name)],
    [2, text(name)],
    [3, u32(flags)],
    [4, u32(key.type)],
    [5, u32(key.length)],
    [10, u32(id)],
    ...rest,
  );
}

export interface Element {
  readonly key: Uint8Array;
  /** For a verdict map: jump there. */
  readonly jumpTo?: string;
}

/** Elements in one message: an attribute has at most 64 KiB. */
const ELEMENTS_A_MESSAGE = 500;

export function addElements(table: Table, set: string, elements: readonly Element[]): Request[] {
  return inParts(elements).map((part) =>
    request(table, `elements of ${set}`, MESSAGE.newElement, FLAG.create, [1, text(table.name)], [2, text(set)], nested(3, ...part.map(element))),
  );
}

export function deleteElements(table: Table, set: string, elements: readonly Element[]): Request[] {
  return inParts(elements).map((part) =>
    request(table, `removal from ${set}`, MESSAGE.deleteElement, 0, [1, text(table.name)], [2, text(set)], nested(3, ...part.map(element))),
  );
}

/** Without elements: all of them. */
export function flushSet(table: Table, set: string): Request {
  return request(table, `emptying of ${set}`, MESSAGE.deleteElement, 0, [1, text(table.name)], [2, text(set)]);
}

export function listElements(table: Table, set: string): Request {
  return request(table, `list of ${set}`, MESSAGE.getElement, FLAG.dump, [1, text(table.name)], [2, text(set)]);
}

function inParts(elements: readonly Element[]): (readonly Element[])[] {
  const parts: (readonly Element[])[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_A_MESSAGE) parts.push(elements.slice(at, at + ELEMENTS_A_MESSAGE));
  return parts;
}

function element({ key, jumpTo }: Element): Attribute {
  const data: Attribute[] = jumpTo === undefined ? [] : [nested(2, verdictData(VERDICT.jump, jumpTo))];
  return nested(LIST_ELEMENT, nested(1, [DATA_VALUE, key]), ...data);
}
