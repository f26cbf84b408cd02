/** Three crashes in a minute, and when they are forgotten. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crashingUntil } from "./crashes.ts";
import { instant } from "../units/time.ts";

const CASES: readonly (readonly [rule: string, crashes: readonly number[], now: number, until: number | undefined])[] =
  [
    ["none", [], 0, undefined],
    ["two in a second are a bad day", [1000, 1500], 1500, undefined],
    ["three in a minute are too many, for a minute", [0, 30_000, 60_000], 60_000, 120_000],
    ["three in more than a minute are not", [0, 30_000, 60_001], 60_001, undefined],
    ["a clean start inside the minute changes nothing", [0, 1000, 2000], 61_999, 62_000],
    ["a minute later it is over", [0, 1000, 2000], 62_000, undefined],
    ["a crash inside the minute begins it anew", [0, 1000, 2000, 61_000], 61_000, 121_000],
    ["a crash after it is a first one again", [0, 1000, 2000, 62_000], 62_000, undefined],
  ];

for (const [rule, crashes, now, until] of CASES) {
  test(`crashes: ${rule}`, () => assert.equal(crashingUntil(crashes.map(instant), instant(now)), until));
}
