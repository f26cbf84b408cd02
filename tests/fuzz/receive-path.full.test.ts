/** A million damaged datagrams through the whole receive path of a node; what they leave in memory is measured. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { attack } from "./receive-path.ts";

const SEED = 1_000_000;
const PACKETS = 1_000_000;
/** By then everything that is filled once is filled: compiled code, caches. */
const WARM = 100_000;
const GROWTH_BYTES_MAX = 3_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

test(`${PACKETS} damaged datagrams (seed ${SEED}) and nothing stays behind`, (t) => {
  let warm = 0;
  const found = attack(SEED, PACKETS, (done) => {
    if (done >= WARM && warm === 0) warm = heap();
  });
  const growth = heap() - warm;
  t.diagnostic(JSON.stringify({ ...found, growth }));
  assert.equal(found.packets, PACKETS);
  assert.equal(found.slow, 0, `the worst took ${found.worst_ms} ms`);
  assert.ok(warm > 0 && growth < GROWTH_BYTES_MAX, `${growth} bytes more after collecting garbage`);
});
