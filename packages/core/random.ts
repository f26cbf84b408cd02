/** A seeded generator for jitter: the core never draws from outside, so that a run can be replayed. */

/** Mutable; 32 bits that are never 0. */
export interface RandomState {
  word: number;
}

export function seededRandom(seed: number): RandomState {
  return { word: (seed | 0) === 0 ? 0x9e3779b9 : seed | 0 };
}

/** The next number in [0, 1) (Marsaglia, Xorshift RNGs, 2003: shifts 13, 17, 5). */
export function nextRandom(random: RandomState): number {
  let x = random.word;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  random.word = x;
  return (x >>> 0) / 0x1_0000_0000;
}
