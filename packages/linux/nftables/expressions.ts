/**
 * The expressions of nf_tables rules that the fence is made of, encoded as the kernel's linux/netfilter/nf_tables.h names them.
 *
 * Registers: VERDICT takes verdicts, 1 to 4 are of 16 bytes, 8 to 23 are the same memory in words of 4 bytes.
 */
import type { MessageWriter } from "../netlink/message.ts";

/** Writes one expression of a rule. */
export type Expression = (writer: MessageWriter) => void;

export const REGISTER_VERDICT = 0;
export const REGISTER_1 = 1;
/** The first word of register 1, and its second: where a key of two parts is put together. */
export const WORD_0 = 8;
export const WORD_1 = 9;
export const WORD_2 = 10;
export const WORD_4 = 12;
export const WORD_6 = 14;
export const WORD_8 = 16;

export const META_PROTOCOL = 1;
export const META_INPUT_INDEX = 4;
export const META_OUTPUT_INDEX = 5;
export const META_INPUT_NAME = 6;
export const META_OUTPUT_NAME = 7;
export const META_INPUT_TYPE = 8;
export const META_SOCKET_USER = 10;
export const META_FAMILY = 15;
export const META_TRANSPORT = 16;
export const META_PACKET_TYPE = 19;

export const LINK_HEADER = 0;
export const NETWORK_HEADER = 1;
export const TRANSPORT_HEADER = 2;

export const VERDICT_DROP = 0;
export const VERDICT_ACCEPT = 1;
export const VERDICT_JUMP = -3;
export const VERDICT_GOTO = -4;
export const VERDICT_RETURN = -5;

export const DYNSET_ADD = 0;
export const DYNSET_UPDATE = 1;
export const DYNSET_DELETE = 2;

const NAME = 1;
const DATA = 2;
const VALUE = 1;
const VERDICT = 2;
const COMPARE_EQUAL = 0;
const COMPARE_UNEQUAL = 1;
const CHECKSUM_INTERNET = 1;
const LOOKUP_INVERTED = 1;

function expression(name: string, content: (writer: MessageWriter) => void): Expression {
  return (writer) => {
    writer.nested(1, () => {
      writer.attributeText(NAME, name);
      writer.nested(DATA, () => content(writer));
    });
  };
}

export function loadMeta(key: number, register = REGISTER_1): Expression {
  return expression("meta", (writer) => writer.attributeBe32(2, key).attributeBe32(1, register));
}

export function loadPayload(base: number, offset: number, length: number, register = REGISTER_1): Expression {
  return expression("payload", (writer) =>
    writer.attributeBe32(1, register).attributeBe32(2, base).attributeBe32(3, offset).attributeBe32(4, length),
  );
}

/** Writes the register into the packet; `checksum` is the offset of the Internet checksum in the same header to put right. */
export function storePayload(
  base: number,
  offset: number,
  length: number,
  register: number,
  checksum?: number,
): Expression {
  return expression("payload", (writer) => {
    writer.attributeBe32(5, register).attributeBe32(2, base).attributeBe32(3, offset).attributeBe32(4, length);
    if (checksum !== undefined) writer.attributeBe32(6, CHECKSUM_INTERNET).attributeBe32(7, checksum);
  });
}

export function mask(length: number, bits: Uint8Array): Expression {
  return expression("bitwise", (writer) => {
    writer.attributeBe32(1, REGISTER_1).attributeBe32(2, REGISTER_1).attributeBe32(3, length);
    writer.nested(4, () => writer.attribute(VALUE, bits));
    writer.nested(5, () => writer.attribute(VALUE, new Uint8Array(bits.length)));
  });
}

export function isEqual(value: Uint8Array): Expression {
  return compare(COMPARE_EQUAL, value);
}

export function isUnequal(value: Uint8Array): Expression {
  return compare(COMPARE_UNEQUAL, value);
}

function compare(operation: number, value: Uint8Array): Expression {
  return expression("cmp", (writer) => {
    writer.attributeBe32(1, REGISTER_1).attributeBe32(2, operation);
    writer.nested(3, () => writer.attribute(VALUE, value));
  });
}

export function loadConstant(value: Uint8Array, register = REGISTER_1): Expression {
  return expression("immediate", (writer) => {
    writer.attributeBe32(1, register);
    writer.nested(2, () => writer.attribute(VALUE, value));
  });
}

export function verdict(code: number, chain?: string): Expression {
  return expression("immediate", (writer) => {
    writer.attributeBe32(1, REGISTER_VERDICT);
    writer.nested(2, () => writeVerdict(writer, code, chain));
  });
}

/** The value of a verdict, in a rule or in an element of a verdict map. */
export function writeVerdict(writer: MessageWriter, code: number, chain?: string): void {
  writer.nested(VERDICT, () => {
    writer.attributeBe32(1, code >>> 0);
    if (chain !== undefined) writer.attributeText(2, chain);
  });
}

/** Goes on with the rule when the register is in the set. */
export function isIn(set: string, register = REGISTER_1): Expression {
  return expression("lookup", (writer) => writer.attributeText(1, set).attributeBe32(2, register));
}

export function isNotIn(set: string, register = REGISTER_1): Expression {
  return expression("lookup", (writer) =>
    writer.attributeText(1, set).attributeBe32(2, register).attributeBe32(5, LOOKUP_INVERTED),
  );
}

/** Does what the map says for the register; goes on with the next rule when it says nothing. */
export function verdictFrom(map: string): Expression {
  return expression("lookup", (writer) =>
    writer.attributeText(1, map).attributeBe32(2, REGISTER_1).attributeBe32(3, REGISTER_VERDICT),
  );
}

/** Loads what the map has for the register into another; goes on with the next rule when it has nothing. */
export function valueFrom(map: string, register: number, to: number): Expression {
  return expression("lookup", (writer) => writer.attributeText(1, map).attributeBe32(2, register).attributeBe32(3, to));
}

/**
 * Adds, refreshes or deletes the register's value in a set; `timeout_ms` for the first two. `each`: what every element has
 * for itself and is asked each time, such as a counter or a rate.
 */
export function changeSet(
  set: string,
  operation: number,
  register: number,
  timeout_ms?: number,
  each?: ElementExpression,
): Expression {
  return expression("dynset", (writer) => {
    writer.attributeText(1, set).attributeBe32(3, operation).attributeBe32(4, register);
    if (timeout_ms !== undefined) writer.attributeBe64(6, timeout_ms);
    if (each !== undefined) writer.nested(7, () => each(writer));
  });
}

/** Name and data of an expression, without what a list of them has around each. */
export type ElementExpression = (writer: MessageWriter) => void;

/** Counts packets and octets. */
export function counter(): ElementExpression {
  return (writer) => {
    writer.attributeText(NAME, "counter");
    writer.nested(DATA, () => writer.attributeBe64(1, 0).attributeBe64(2, 0));
  };
}

const PACKETS = 0;
const SECOND = 1;
const OVER = 1;

/** The rule goes on only for packets beyond `rate` a second, of which `burst` may come at once. */
export function over(rate: number, burst: number): ElementExpression {
  return (writer) => {
    writer.attributeText(NAME, "limit");
    writer.nested(DATA, () => {
      writer.attributeBe64(1, rate).attributeBe64(2, SECOND).attributeBe32(3, burst);
      writer.attributeBe32(4, PACKETS).attributeBe32(5, OVER);
    });
  };
}

/**
 * The same for a map: key and value each from a register. A key that is there keeps its
 * value; deleting needs the value only because the kernel asks for it.
 */
export function changeMap(map: string, operation: number, register: number, value: number): Expression {
  return expression("dynset", (writer) =>
    writer.attributeText(1, map).attributeBe32(3, operation).attributeBe32(4, register).attributeBe32(5, value),
  );
}

/** Sends the packet out of the interface whose index is in the register, as it is, instead of receiving it. */
export function sendOut(register: number): Expression {
  return expression("fwd", (writer) => writer.attributeBe32(1, register));
}

/** The same to the neighbour whose address `next` holds, IPv4 or IPv6 by `protocol` (NFPROTO_...): the kernel asks for its MAC. */
export function sendTo(register: number, next: number, protocol: number): Expression {
  return expression("fwd", (writer) =>
    writer.attributeBe32(1, register).attributeBe32(2, next).attributeBe32(3, protocol),
  );
}
