/** Seeded chance for the fuzzing: the same seed makes the same inputs on every machine. */

/** mulberry32 with the draws that generators and mutators need. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number of 32 bits, unsigned. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `limit` - 1; 0 for a limit of 0. */
  below(limit: number): number {
    return limit <= 0 ? 0 : this.word() % limit;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.word() % times === 0;
  }

  pick<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.below(values.length)] ?? values[0];
  }

  /** Of up to `bits` (at most 48) bits, small and extreme ones more often than others. */
  number(bits: number): number {
    const limit = 2 ** bits;
    switch (this.below(6)) {
      case 0:
        return this.below(4);
      case 1:
        return limit - 1 - this.below(2);
      case 2:
        return 2 ** this.below(bits);
      case 3:
        return 2 ** this.below(bits) - 1;
      default:
        return ((this.word() & 0xffff) * 0x1_0000_0000 + this.word()) % limit;
    }
  }

  hex(digits: number): string {
    let text = "";
    while (text.length < digits) text += this.word().toString(16).padStart(8, "0");
    return text.slice(0, digits);
  }

  list<Value>(longest: number, make: () => Value): Value[] {
    return Array.from({ length: this.below(longest + 1) }, make);
  }
}
