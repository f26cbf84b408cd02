/**
 * Decides whether two nodes ever answered for one address at the same time, from the answers the watcher captured.
 * Pure; answers may come in any order between nodes and roughly in order of time from one node.
 */

/** What was asked: UDP over IPv4 or IPv6, an ARP request, a neighbour solicitation. */
export type ProbeKind = "udp4" | "udp6" | "arp" | "ndp";

/** One frame that a node sent in answer to a probe for the address. */
export interface Answer {
  readonly node: string;
  /** The switch port it left the node by. */
  readonly port: string;
  readonly kind: ProbeKind;
  /** The number of the probe: all kinds asked in one millisecond share it, at all nodes. */
  readonly number: number;
  /** Kernel receive time at the port, nanoseconds of the realtime clock. */
  readonly time_ns: number;
  /** The frame's first bytes. */
  readonly head: Uint8Array;
}

/** Two nodes answered the same stretch of numbers: the two packets that show it. */
export interface Violation {
  readonly first: Answer;
  readonly second: Answer;
}

/** Answers of one node with no larger step between their numbers belong to one interval. */
export const INTERVAL_STEP = 5;

/** Intervals remembered for each node: more than the moves of any one test. */
const KEPT_INTERVALS = 1000;

interface Interval {
  lowest: Answer;
  highest: Answer;
  earliest_ns: number;
  latest_ns: number;
  /** Intervals of others already reported against this one: one violation a pair. */
  readonly reported: Set<Interval>;
}

export class OverlapDetector {
  readonly #intervals = new Map<string, Interval[]>();
  readonly violations: Violation[] = [];

  /** Takes one captured answer; returns the violation it proves, if it is the first between the two intervals. */
  add(answer: Answer): Violation | undefined {
    const interval = this.#extend(answer);
    for (const [node, others] of this.#intervals) {
      if (node === answer.node) continue;
      for (let i = others.length - 1; i >= 0; i--) {
        const other = others[i];
        // Intervals of a node are in order of number: all earlier ones end before this one begins.
        if (!other || other.highest.number < interval.lowest.number) break;
        if (interval.reported.has(other) || before(interval, other) || before(other, interval)) continue;
        interval.reported.add(other);
        other.reported.add(interval);
        const violation = inOrder(answer, nearest(other, answer.number));
        this.violations.push(violation);
        return violation;
      }
    }
    return undefined;
  }

  /** Numbers (milliseconds) from `from` to `to` in which two nodes answered; `to` included. */
  overlap_ms(from: number, to: number): number {
    const doubled = new Set<number>();
    const nodes = [...this.#intervals.values()];
    nodes.forEach((own, i) => {
      for (const others of nodes.slice(i + 1))
        for (const a of own) for (const b of others) addShared(doubled, a, b, from, to);
    });
    return doubled.size;
  }

  #extend(answer: Answer): Interval {
    let own = this.#intervals.get(answer.node);
    if (!own) this.#intervals.set(answer.node, (own = []));
    let at = own.length - 1;
    while (at >= 0 && answer.number < (own[at] as Interval).lowest.number - INTERVAL_STEP) at--;
    const candidate = own[at];
    if (candidate && answer.number <= candidate.highest.number + INTERVAL_STEP) {
      stretch(candidate, answer);
      const previous = own[at - 1];
      if (previous && candidate.lowest.number - previous.highest.number <= INTERVAL_STEP) {
        absorb(candidate, previous);
        own.splice(at - 1, 1);
      }
      return candidate;
    }
    const fresh = {
      lowest: answer,
      highest: answer,
      earliest_ns: answer.time_ns,
      latest_ns: answer.time_ns,
      reported: new Set<Interval>(),
    };
    own.splice(at + 1, 0, fresh);
    if (own.length > KEPT_INTERVALS) own.shift();
    return fresh;
  }
}

function addShared(into: Set<number>, a: Interval, b: Interval, from: number, to: number): void {
  if (before(a, b) || before(b, a)) return;
  const last = Math.min(a.highest.number, b.highest.number, to);
  for (let number = Math.max(a.lowest.number, b.lowest.number, from); number <= last; number++) into.add(number);
}

/**
 * An answer that the kernel has sent takes that long to the switch's port on a busy machine. What is asked each millisecond
 * cannot be told apart more finely.
 */
const ON_ITS_WAY_NS = 1e6;

/** The hand-over order: every number of `a` is lower, or `a` had done when `b` began (with what was asked before, perhaps). */
function before(a: Interval, b: Interval): boolean {
  return a.highest.number < b.lowest.number || a.latest_ns < b.earliest_ns + ON_ITS_WAY_NS;
}

function stretch(interval: Interval, answer: Answer): void {
  if (answer.number < interval.lowest.number) interval.lowest = answer;
  if (answer.number > interval.highest.number) interval.highest = answer;
  interval.earliest_ns = Math.min(interval.earliest_ns, answer.time_ns);
  interval.latest_ns = Math.max(interval.latest_ns, answer.time_ns);
}

function absorb(interval: Interval, previous: Interval): void {
  stretch(interval, previous.lowest);
  interval.earliest_ns = Math.min(interval.earliest_ns, previous.earliest_ns);
  for (const other of previous.reported) {
    interval.reported.add(other);
    other.reported.add(interval);
  }
}

function nearest(interval: Interval, number: number): Answer {
  const toLowest = Math.abs(interval.lowest.number - number);
  return toLowest < Math.abs(interval.highest.number - number) ? interval.lowest : interval.highest;
}

function inOrder(a: Answer, b: Answer): Violation {
  return a.time_ns <= b.time_ns ? { first: a, second: b } : { first: b, second: a };
}

/** Both packets, one line each: time, port, kind, number and the frame's head in hex. */
export function describeViolation(violation: Violation): readonly string[] {
  return [
    `two nodes answered: ${violation.first.node} and ${violation.second.node}`,
    ...[violation.first, violation.second].map((answer) => {
      const time = new Date(answer.time_ns / 1e6).toISOString().slice(11, 23);
      const micros = String(Math.floor(answer.time_ns / 1e3) % 1000).padStart(3, "0");
      return `  ${time}${micros}  ${answer.port}  ${answer.kind}  #${answer.number}  ${Buffer.from(answer.head).toString("hex")}`;
    }),
  ];
}
