/** A flood of claims reaches the core as a few inputs with a count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { instant } from "@holdfast/core/units/time.ts";
import { ClaimMeter } from "./claim-meter.ts";

const ADDRESS = "10.0.0.100" as IpAddress;
const mac = (number: number): Mac => `02:00:00:00:00:${String(number).padStart(2, "0")}` as Mac;

test("each station is told of at once, then once in 200 ms with a count; many stations are no way around it", () => {
  const meter = new ClaimMeter();
  assert.equal(meter.take(ADDRESS, mac(1), instant(0)), 1);
  assert.equal(meter.take(ADDRESS, mac(2), instant(1)), 1, "a second station beside the first");
  assert.equal(meter.take(ADDRESS, mac(1), instant(2)), undefined);
  assert.equal(meter.take("10.0.0.101" as IpAddress, mac(1), instant(2)), 1, "another address");
  let told = 0;
  for (let i = 0; i < 40; i++) told += meter.take(ADDRESS, mac(i % 4), instant(3)) ?? 0;
  assert.equal(told, 2 + 3, "two more stations, each with what was kept before it");
  assert.equal(meter.take(ADDRESS, mac(9), instant(199)), undefined, "a fifth");
  assert.equal(meter.take(ADDRESS, mac(9), instant(200)), 41 + 2 - told, "all that was kept, and itself");
  assert.equal(meter.take(ADDRESS, mac(1), instant(1000)), 1);
});

test("who answers a question is told of, however much was told just before: a node that is left alone asks whether it may stand", () => {
  const meter = new ClaimMeter();
  const others = Array.from({ length: 100 }, (_, i) => `10.0.1.${i}` as IpAddress);
  for (const at of [0, 10, 20]) {
    for (const address of others) meter.take(address, mac(1), instant(at));
    meter.asked(ADDRESS);
    assert.equal(meter.take(ADDRESS, mac(1), instant(at + 1)), 1, `at ${at} ms`);
    assert.equal(meter.take(ADDRESS, mac(1), instant(at + 1.5)), undefined);
    meter.asked(ADDRESS);
    assert.equal(meter.take(ADDRESS, mac(1), instant(at + 2)), 2, "with what was kept");
  }
});

test("claims to many addresses are told of 64 in 200 ms, after the first to each", () => {
  const meter = new ClaimMeter();
  const addresses = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}` as IpAddress);
  const told = (now: number): number =>
    addresses.filter((address) => meter.take(address, mac(now % 3), instant(now)) !== undefined).length;
  assert.equal(told(0), 1000);
  assert.equal(told(250), 64);
  assert.equal(told(251), 0);
  assert.equal(told(500), 64);
});
