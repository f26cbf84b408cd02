/** One nf_tables transaction: tables, chains, sets, elements and rules that come to be together or not at all. */
import { ACK, APPEND, CREATE, EXCLUSIVE, REQUEST } from "../netlink/message.ts";
import type { MessageWriter } from "../netlink/message.ts";
import type { RequestSocket, NetlinkError } from "../netlink/socket.ts";
import { writeVerdict } from "./expressions.ts";
import type { Expression } from "./expressions.ts";

export const NETLINK_NETFILTER = 12;
/** Multicast group of rule set events. */
export const GROUP_NFTABLES = 7;
const SUBSYSTEM = 10;

export const FAMILY_INET = 1;
export const FAMILY_ARP = 3;
export const FAMILY_NETDEV = 5;

export const NEW_TABLE = 0;
export const GET_TABLE = 1;
export const DELETE_TABLE = 2;
export const NEW_CHAIN = 3;
export const GET_CHAIN = 4;
export const DELETE_CHAIN = 5;
export const NEW_RULE = 6;
export const GET_RULE = 7;
export const DELETE_RULE = 8;
export const NEW_SET = 9;
export const GET_SET = 10;
export const NEW_ELEMENT = 12;
export const GET_ELEMENT = 13;
export const DELETE_ELEMENT = 14;
export const NEW_GENERATION = 15;

/** A table belongs to the socket that made it and nobody else may change it (Linux 5.12); it outlives that socket (6.9). */
export const TABLE_OWNER = 2;
export const TABLE_PERSIST = 4;

export const SET_MAP = 0x8;
export const SET_TIMEOUT = 0x10;
export const SET_DYNAMIC = 0x20;

/** What nft(8) shows the keys of a set as; the kernel only keeps it. */
export const TYPE_IPV4 = 7;
export const TYPE_IPV6 = 8;
export const TYPE_ETHERNET = 9;
export const TYPE_SERVICE = 13;
export const TYPE_INTERFACE_INDEX = 20;
export const TYPE_INTERFACE_NAME = 41;

const BATCH_BEGIN = 16;
const BATCH_END = 17;
const VERDICTS = { type: 0xffffff00, bytes: 0 };
const POLICY_ACCEPT = 1;
/** One attribute holds less than 64 KiB. */
const ELEMENTS_A_MESSAGE = 400;

export interface Table {
  readonly family: number;
  readonly name: string;
}

export interface BaseHook {
  readonly hook: number;
  readonly priority: number;
  readonly device?: string;
}

export interface SetDescription {
  readonly name: string;
  readonly flags: number;
  readonly keyType: number;
  readonly keyBytes: number;
  readonly size?: number;
  readonly collect_ms?: number;
  /** What a map has for a key, if it is no verdict map. */
  readonly value?: { readonly type: number; readonly bytes: number };
}

export interface Element {
  readonly key: Uint8Array;
  /** For verdict maps: the chain to jump to. */
  readonly jump?: string;
}

export function messageType(kind: number): number {
  return (SUBSYSTEM << 8) | kind;
}

/** The kind (NEW_TABLE ...) of an event of this subsystem. */
export function messageKind(type: number): number | undefined {
  return type >> 8 === SUBSYSTEM ? type & 0xff : undefined;
}

/** `struct nfgenmsg`. */
export function writeFamily(writer: MessageWriter, family: number, resource = 0): void {
  writer
    .u8(family)
    .u8(0)
    .u8(resource >> 8)
    .u8(resource & 0xff);
}

export class Batch {
  readonly #writer: MessageWriter;
  #setId = 0;
  #last: (() => void) | undefined;

  constructor(writer: MessageWriter) {
    this.#writer = writer;
    writer.reset();
    writer.begin(BATCH_BEGIN, REQUEST);
    writeFamily(writer, 0, SUBSYSTEM);
    writer.end();
  }

  table(table: Table, flags: number, digest: Uint8Array): this {
    return this.#message(NEW_TABLE, CREATE, table, (writer) => {
      writer.attributeText(1, table.name);
      writer.attributeBe32(2, flags);
      writer.attribute(6, digest);
    });
  }

  /** Takes over a table whose owner has gone. */
  adoptTable(table: Table, flags: number): this {
    return this.#message(NEW_TABLE, 0, table, (writer) => {
      writer.attributeText(1, table.name);
      writer.attributeBe32(2, flags);
    });
  }

  deleteTable(table: Table): this {
    return this.#message(DELETE_TABLE, 0, table, (writer) => writer.attributeText(1, table.name));
  }

  chain(table: Table, name: string, base?: BaseHook): this {
    return this.#message(NEW_CHAIN, CREATE | EXCLUSIVE, table, (writer) => {
      writer.attributeText(1, table.name);
      writer.attributeText(3, name);
      if (base === undefined) return;
      writer.nested(4, () => {
        writer.attributeBe32(1, base.hook);
        writer.attributeBe32(2, base.priority >>> 0);
        if (base.device !== undefined) writer.attributeText(3, base.device);
      });
      writer.attributeBe32(5, POLICY_ACCEPT);
      writer.attributeText(7, "filter");
    });
  }

  deleteChain(table: Table, name: string): this {
    return this.#message(DELETE_CHAIN, 0, table, (writer) =>
      writer.attributeText(1, table.name).attributeText(3, name),
    );
  }

  set(table: Table, set: SetDescription): this {
    return this.#message(NEW_SET, CREATE | EXCLUSIVE, table, (writer) => {
      writer.attributeText(1, table.name).attributeText(2, set.name);
      writer.attributeBe32(3, set.flags).attributeBe32(4, set.keyType).attributeBe32(5, set.keyBytes);
      const value = set.value ?? ((set.flags & SET_MAP) === 0 ? undefined : VERDICTS);
      if (value !== undefined) writer.attributeBe32(6, value.type).attributeBe32(7, value.bytes);
      writer.attributeBe32(10, ++this.#setId);
      const size = set.size;
      if (size !== undefined) writer.nested(9, () => writer.attributeBe32(1, size));
      if (set.collect_ms !== undefined) writer.attributeBe32(12, set.collect_ms);
    });
  }

  elements(table: Table, set: string, elements: readonly Element[]): this {
    for (let from = 0; from < elements.length; from += ELEMENTS_A_MESSAGE) {
      this.#elementMessage(NEW_ELEMENT, CREATE, table, set, elements.slice(from, from + ELEMENTS_A_MESSAGE));
    }
    return this;
  }

  deleteElement(table: Table, set: string, key: Uint8Array): this {
    return this.#elementMessage(DELETE_ELEMENT, 0, table, set, [{ key }]);
  }

  /** Removes every element. */
  flushSet(table: Table, set: string): this {
    return this.#message(DELETE_ELEMENT, 0, table, (writer) =>
      writer.attributeText(1, table.name).attributeText(2, set),
    );
  }

  rule(table: Table, chain: string, expressions: readonly Expression[]): this {
    return this.#message(NEW_RULE, CREATE | APPEND, table, (writer) => {
      writer.attributeText(1, table.name).attributeText(2, chain);
      writer.nested(4, () => {
        for (const write of expressions) write(writer);
      });
    });
  }

  /** Removes every rule of the chain. */
  flushChain(table: Table, chain: string): this {
    return this.#message(DELETE_RULE, 0, table, (writer) =>
      writer.attributeText(1, table.name).attributeText(2, chain),
    );
  }

  /** Hands the transaction to the kernel; the errors it found (none: all is done). */
  commit(socket: RequestSocket): NetlinkError[] {
    const last = this.#last;
    if (last === undefined) return [];
    this.#last = undefined;
    this.#acknowledged = true;
    last();
    this.#writer.begin(BATCH_END, REQUEST);
    writeFamily(this.#writer, 0, SUBSYSTEM);
    this.#writer.end();
    return socket.acknowledge(this.#writer.bytes, 1);
  }

  #acknowledged = false;

  #elementMessage(kind: number, flags: number, table: Table, set: string, elements: readonly Element[]): this {
    return this.#message(kind, flags, table, (writer) => {
      writer.attributeText(1, table.name).attributeText(2, set);
      writer.nested(3, () => {
        for (const element of elements) {
          writer.nested(1, () => {
            writer.nested(1, () => writer.attribute(1, element.key));
            const chain = element.jump;
            if (chain !== undefined) writer.nested(2, () => writeVerdict(writer, -3, chain));
          });
        }
      });
    });
  }

  /** Held back by one, since only the last message of a transaction asks for an acknowledgement. */
  #message(kind: number, flags: number, table: Table, content: (writer: MessageWriter) => void): this {
    this.#last?.();
    this.#last = () => {
      this.#writer.begin(messageType(kind), REQUEST | flags | (this.#acknowledged ? ACK : 0));
      writeFamily(this.#writer, table.family);
      content(this.#writer);
      this.#writer.end();
    };
    return this;
  }
}
