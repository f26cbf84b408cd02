/** A map that keeps the entries used lately and forgets others (the second-chance rule: a use costs one write, no reordering). */

export class Recent<Key, Value> {
  readonly #entries = new Map<Key, { readonly value: Value; used: boolean }>();
  readonly #maximum: number;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined when it was never put or is forgotten; a found entry counts as used. */
  find(key: Key): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.used = true;
    return entry.value;
  }

  /** The new entry is never the one that is forgotten for it. */
  put(key: Key, value: Value): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#maximum) this.#forgetOne();
    this.#entries.set(key, { value, used: false });
  }

  *values(): Generator<Value> {
    for (const { value } of this.#entries.values()) yield value;
  }

  /** The oldest that was not used since it was last passed over; each is passed over at most once. */
  #forgetOne(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (!entry.used) return;
      entry.used = false;
      this.#entries.set(key, entry);
    }
  }
}
