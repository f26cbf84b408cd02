/**
 * A node takes whatever arrives: of the million damaged datagrams of the long test (receive-path.full.test.ts) an eighth, with
 * other seeds. See receive-path.ts for what is checked after each.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { attack } from "./receive-path.ts";

const SEED = 20_261_121;
const PACKETS = 120_000;

test(`${PACKETS} damaged datagrams (seed ${SEED}): no exception, no rule broken, nothing grows, nothing slow`, (t) => {
  const found = attack(SEED, PACKETS);
  t.diagnostic(JSON.stringify(found));
  assert.equal(found.packets, PACKETS);
  assert.equal(found.slow, 0, `the worst took ${found.worst_ms} ms`);
  // Otherwise the attack did not get where it should.
  for (const count of [found.unauthentic, found.unparsed, found.taken])
    assert.ok(count > PACKETS / 10, JSON.stringify(found));
  for (const role of ["idle", "preparing", "holding"])
    assert.ok((found.roles[role] ?? 0) > PACKETS / 20, JSON.stringify(found.roles));
});

/** A member that lies had this voter hold a ballot for another node, and this node gave that lease away as its own. */
const FOUND_BEFORE = [1_204_000];

for (const seed of FOUND_BEFORE)
  test(`what seed ${seed} of the long test found stays mended`, () => {
    assert.equal(attack(seed, 2500).packets, 2500);
  });
