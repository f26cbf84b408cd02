/** The table and the inequalities of ownership.md section 8. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timing } from "../../cluster.ts";
import {
  CLOCK_RATE_ERROR,
  lossesTolerated,
  sendsInWindow,
  timing,
  typicalSilence,
  typicalTakeover,
  worstSilence,
  worstTakeover,
} from "./timing.ts";

/** h, T, J, W, K and n of L1. K of 1 s / 3 s is one step above the table's 2440: S1 holds, see below. */
const TABLE = [
  { h: 100, T: 300, J: 4, W: 48, K: 236, n: 1 },
  { h: 100, T: 400, J: 4, W: 48, K: 332, n: 2 },
  { h: 10, T: 50, J: 4, W: 12, K: 28, n: 1 },
  { h: 10, T: 100, J: 4, W: 12, K: 76, n: 6 },
  { h: 1000, T: 3000, J: 4, W: 480, K: 2448, n: 1 },
  { h: 10, T: 30, J: 1, W: 4, K: 22, n: 0 },
] as const;

function made(h: number, T: number, J: number): Timing {
  const result = timing(h, T, J);
  assert.ok(result.ok, result.ok ? "" : result.error.message);
  return result.value;
}

/** Every setting of a wide grid that is accepted. */
function* accepted(): Generator<Timing> {
  for (const jiffy of [1, 2, 10 / 3, 4, 10]) {
    for (const h of [10, 13, 20, 25, 50, 99, 100, 250, 333, 500, 1000]) {
      for (let dead = 2 * h; dead <= 5000; dead += 7) {
        const result = timing(h, dead, jiffy);
        if (result.ok) yield result.value;
      }
    }
  }
}

for (const { h, T, J, W, K } of TABLE) {
  test(`the table: ${h}/${T} ms at a tick of ${J} ms gives W ${W} and K ${K}`, () => {
    assert.deepEqual(made(h, T, J), { heartbeat: h, dead: T, window: W, keep: K, jiffy: J });
  });
}

test("S1: (W + K + J + E) / (1 - rho) <= T / (1 + rho), E one tick and a millisecond, for every accepted setting", () => {
  let count = 0;
  for (const { window, keep, jiffy, dead } of accepted()) {
    count++;
    const late = jiffy + 1;
    assert.ok(
      (window + keep + jiffy + late) / (1 - CLOCK_RATE_ERROR) <= dead / (1 + CLOCK_RATE_ERROR) + 1e-9,
      `W ${window} K ${keep} J ${jiffy} T ${dead}`,
    );
  }
  assert.ok(count > 5000);
});

test("S1: K is as long as it may be: one tick more breaks the inequality", () => {
  for (const { window, keep, jiffy, dead } of accepted()) {
    const limit = (dead * (1 - CLOCK_RATE_ERROR)) / (1 + CLOCK_RATE_ERROR) - 2 * jiffy - 1;
    assert.ok(window + keep + 2 * jiffy > limit, `W ${window} K ${keep} J ${jiffy} T ${dead}`);
  }
});

test("F6: W and K are whole milliseconds that the kernel keeps as whole jiffies", () => {
  for (const { window, keep, jiffy } of accepted()) {
    for (const value of [window, keep]) {
      assert.equal(value, Math.round(value));
      assert.ok(value - Math.floor(value / jiffy + 1e-9) * jiffy < 1, `${value} at ${jiffy}`);
    }
  }
});

test("C5: a window never outlives the next request: W <= h + J", () => {
  for (const { window, heartbeat, jiffy } of accepted()) assert.ok(window <= heartbeat + jiffy);
});

test("L1: a fence stays open between renewals: K >= h (1 + rho) + J for every accepted setting", () => {
  for (const { keep, heartbeat, jiffy } of accepted()) {
    assert.ok(keep >= heartbeat * (1 + CLOCK_RATE_ERROR) + jiffy);
  }
});

for (const { h, T, J, n } of TABLE) {
  test(`L1: ${h}/${T} ms at a tick of ${J} ms tolerates ${n} renewals lost in a row`, () => {
    const value = made(h, T, J);
    assert.equal(lossesTolerated(value), n);
    assert.ok(value.keep >= (n + 1) * h * (1 + CLOCK_RATE_ERROR) + J + 1);
    assert.ok(value.keep < (n + 2) * h * (1 + CLOCK_RATE_ERROR) + J + 1);
  });
}

test("L2: at HZ 250 the window of the table holds four sends, h/8 apart", () => {
  for (const { h, T, J } of TABLE) {
    if (J !== 4) continue;
    const value = made(h, T, J);
    assert.ok(value.window >= J + 1 + (3 * h) / 8);
    assert.ok(sendsInWindow(value) >= 4);
  }
});

test("L2: at HZ 1000 the shortest interval has room for two sends", () => {
  assert.equal(sendsInWindow(made(10, 30, 1)), 2);
});

test("L3: takeover and silence are what section 8 promises", () => {
  const standard = made(100, 300, 4);
  assert.equal(worstTakeover(standard), 303 + 2 + 4);
  assert.equal(worstTakeover(standard, 2), 303 + 2 + 8);
  assert.equal(typicalTakeover(standard), 251);
  assert.equal(typicalSilence(standard), 64);
  assert.equal(worstSilence(standard), 303 - 236 + 100 + 4 + 2 + 4);
  assert.equal(worstTakeover(made(10, 100, 4)), 101 + 2 + 2.5);
});

const REFUSED = [
  {
    rule: "L1: 10/30 ms at HZ 250 leaves no room for one renewal",
    times: [10, 30, 4],
    code: "keep-too-short",
    message: "dead 30ms is too short for heartbeat 10ms on this kernel",
    hint: "safety leaves the owner 8 ms after a renewal and the next needs 15 ms (the kernel's tick is 4 ms); choose dead: 50ms or more",
  },
  {
    rule: "S2: a lease over 5 s is refused",
    times: [1000, 5001, 4],
    code: "dead-range",
    message: "dead 5001ms is longer than 5s",
    hint: "a voter without its record waits 5 s; choose at most 5s",
  },
  {
    rule: "a heartbeat under 10 ms is refused",
    times: [9, 300, 4],
    code: "heartbeat-range",
    message: "heartbeat 9ms is outside 10ms to 1s",
    hint: "choose 100ms; 10ms only on a quiet LAN",
  },
  {
    rule: "a heartbeat over 1 s is refused",
    times: [1001, 4000, 4],
    code: "heartbeat-range",
    message: "heartbeat 1001ms is outside 10ms to 1s",
    hint: "choose 100ms; 10ms only on a quiet LAN",
  },
  {
    rule: "a lease of less than two heartbeats is refused",
    times: [100, 199, 4],
    code: "dead-too-short",
    message: "dead 199ms is less than two heartbeats of 100ms",
    hint: "one late heartbeat would count as a death; choose dead: 280ms or more",
  },
  {
    rule: "a tick no kernel has is refused",
    times: [100, 300, 0],
    code: "jiffy-range",
    message: "this kernel's tick is 0 ms; holdfast knows ticks of 1 to 10 ms",
    hint: "run a kernel with CONFIG_HZ between 100 and 1000",
  },
] as const;

for (const { rule, times, code, message, hint } of REFUSED) {
  test(rule, () => {
    const result = timing(times[0], times[1], times[2]);
    assert.ok(!result.ok);
    assert.deepEqual({ ...result.error, field: undefined }, { code, message, hint, field: undefined });
  });
}

test("a time that is no number is refused, whichever it is", () => {
  for (const times of [
    [Number.NaN, 300, 4],
    [100, Number.NaN, 4],
    [100, 300, Number.NaN],
  ] as const) {
    assert.ok(!timing(times[0], times[1], times[2]).ok);
  }
});
