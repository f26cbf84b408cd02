/** True time: what is due runs in order, and time is where the last of it was. */

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  /** True time in milliseconds. */
  now = 1000;
  /** Everything that ran so far. */
  events = 0;
  /** Nothing runs any more: a rule was broken, or all steps that were asked for are done. */
  over = false;
  readonly #heap: Scheduled[] = [];
  #order = 0;

  /** Run until `done` or for `limit_ms`; returns the milliseconds it took, or undefined. */
  until(done: () => boolean, limit_ms: number): number | undefined {
    const start = this.now;
    while (!done()) {
      if (!this.#next(start + limit_ms)) return done() ? this.now - start : undefined;
    }
    return this.now - start;
  }

  run(duration_ms: number): void {
    const end = this.now + duration_ms;
    while (this.#next(end));
    if (!this.over) this.now = end;
  }

  at(delay_ms: number, run: () => void): void {
    this.#order += 1;
    this.#push({ at: this.now + delay_ms, order: this.#order, run });
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    heap.push(item);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!earlier(item, heap[parent] as Scheduled)) break;
      heap[child] = heap[parent] as Scheduled;
      child = parent;
    }
    heap[child] = item;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child += 1;
      if (!earlier(heap[child] as Scheduled, last)) break;
      heap[parent] = heap[child] as Scheduled;
      parent = child;
    }
    heap[parent] = last;
    return top;
  }

  #next(limit: number): boolean {
    const first = this.#heap[0];
    if (this.over || first === undefined || first.at > limit) return false;
    this.#pop();
    this.events += 1;
    this.now = Math.max(this.now, first.at);
    first.run();
    return true;
  }
}

function earlier(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
