/** Damages bytes in the ways that memory, cables, programs and strangers do. */
import type { Chance } from "./chance.ts";

const EXTREMES = [0, 1, 2, 3, 4, 0x7f, 0x80, 0xfe, 0xff] as const;

/** A damaged copy of `bytes`; `other` is what splices take their second half from. Never longer than `longest`. */
export function mutate(chance: Chance, bytes: Uint8Array, other: Uint8Array, longest: number): Uint8Array {
  let damaged: Uint8Array = Uint8Array.from(bytes);
  for (let changes = chance.once(2) ? 1 : 1 + chance.below(4); changes > 0; changes--)
    damaged = damageOnce(chance, damaged, other);
  return damaged.length > longest ? damaged.slice(0, longest) : damaged;
}

function damageOnce(chance: Chance, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = chance.below(bytes.length);
  const to = at + chance.below(Math.min(64, bytes.length - at) + 1);
  switch (chance.below(10)) {
    case 0:
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
      return bytes;
    case 2:
      bytes[at] = chance.below(256);
      return bytes;
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes.subarray(0, at), other.subarray(chance.below(other.length)));
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(to));
    case 6:
      return joined(bytes.subarray(0, to), bytes.subarray(at));
    case 7:
      // A number of 1, 2, 4 or 6 bytes, lengths among them, at one of its ends.
      bytes.fill(chance.pick(EXTREMES), at, at + chance.pick([1, 2, 4, 6]));
      return bytes;
    case 8:
      bytes[at] = (bytes[at] ?? 0) + (chance.once(2) ? 1 : -1);
      return bytes;
    default:
      return chance.once(4)
        ? Uint8Array.from({ length: chance.below(300) }, () => chance.below(256))
        : joined(
            bytes,
            Uint8Array.from({ length: chance.below(40) }, () => chance.below(256)),
          );
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
