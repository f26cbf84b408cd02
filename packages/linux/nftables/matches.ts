/** What several rules of the fence match on, and how rules are counted instead of written. */
import type { BaseHook, Element, SetDescription, Table } from "./batch.ts";
import * as x from "./expressions.ts";
import type { Expression } from "./expressions.ts";

export const ETHERTYPE_IPV4 = Uint8Array.of(0x08, 0x00);
export const ETHERTYPE_ARP = Uint8Array.of(0x08, 0x06);
export const ETHERTYPE_IPV6 = Uint8Array.of(0x86, 0xdd);
export const TCP = Uint8Array.of(6);
export const UDP = Uint8Array.of(17);
export const ICMPV6 = Uint8Array.of(58);
export const NEIGHBOUR_SOLICITATION = Uint8Array.of(135);
export const NEIGHBOUR_ADVERTISEMENT = Uint8Array.of(136);

/** A Batch, or a RuleCount that only counts. */
export interface RuleWriter {
  chain(table: Table, name: string, base?: BaseHook): unknown;
  set(table: Table, set: SetDescription): unknown;
  elements(table: Table, set: string, elements: readonly Element[]): unknown;
  rule(table: Table, chain: string, expressions: readonly Expression[]): unknown;
}

/** How many rules each chain has when nobody touched it, by family and name of the chain. */
export class RuleCount implements RuleWriter {
  readonly counts = new Map<string, number>();
  readonly #idOf: (table: Table, chain: string) => string;

  constructor(idOf: (table: Table, chain: string) => string) {
    this.#idOf = idOf;
  }

  chain(): void {}
  set(): void {}
  elements(): void {}

  rule(table: Table, chain: string): void {
    const id = this.#idOf(table, chain);
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
  }
}

export function match(load: Expression, value: Uint8Array): Expression[] {
  return [load, x.isEqual(value)];
}

/** Of an IPv6 packet: the target address is loaded, if it is this ICMPv6 message. */
export function neighbourTarget(type: Uint8Array): Expression[] {
  return [...neighbourMessage(type), x.loadPayload(x.TRANSPORT_HEADER, 8, 16)];
}

export function neighbourMessage(type: Uint8Array): Expression[] {
  return [...match(x.loadMeta(x.META_TRANSPORT), ICMPV6), ...match(x.loadPayload(x.TRANSPORT_HEADER, 0, 1), type)];
}
