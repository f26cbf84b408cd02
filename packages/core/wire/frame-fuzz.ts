/** For tests: frames damaged in the ways a network or a stranger can damage them, the same for the same seed. */

/** Calls `check` with `count` variants of the frames: bits flipped, bytes replaced, cut, lengthened, or all random. */
export function damagedFrames(
  frames: readonly Uint8Array[],
  seed: number,
  count: number,
  check: (frame: Uint8Array) => void,
): void {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < count; i++) {
    if (random(20) === 0) {
      check(Uint8Array.from({ length: random(120) }, () => random(256)));
      continue;
    }
    let frame = (frames[random(frames.length)] ?? new Uint8Array(0)).slice();
    for (let changes = random(4); changes > 0; changes--) {
      const at = random(frame.length);
      frame[at] = random(2) === 0 ? random(256) : (frame[at] ?? 0) ^ (1 << random(8));
    }
    if (random(4) === 0) frame = frame.slice(0, random(frame.length + 1));
    if (random(8) === 0) frame = new Uint8Array([...frame, ...Array.from({ length: random(40) }, () => random(256))]);
    check(frame);
  }
}
