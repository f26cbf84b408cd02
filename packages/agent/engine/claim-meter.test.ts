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
  for (let i = 0; i < 40; i++) meter.take(ADDRESS, mac(i % 4), instant(3));
  assert.equal(meter.take(ADDRESS, mac(9), instant(199)), undefined, "a fifth");
  assert.equal(meter.take(ADDRESS, mac(9), instant(200)), 1 + 1 + 38 + 1, "all that was kept, and itself");
  assert.equal(meter.take(ADDRESS, mac(1), instant(1000)), 1);
});
