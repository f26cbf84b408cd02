/** A fence beyond what one netlink message holds: installed, verified, adopted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { openFence, removeFence } from "./fence.ts";
import type { Fence } from "./fence.ts";
import { kernelTest, Namespace } from "./kernel-testing.ts";
import { native } from "./load.ts";

const options = kernelTest();

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

test("600 addresses in 100 groups are installed, verified and adopted", options, () => {
  const groups = Array.from({ length: 100 }, (_, group) => ({
    number: group + 1,
    addresses: Array.from({ length: 6 }, (__, i) =>
      ip(i < 5 ? `10.85.${group}.${i + 1}` : `fd85::${(group + 1).toString(16)}`),
    ),
  }));
  const node = new Namespace();
  const open = (): Fence => {
    const opened = openFence(native, { groups, window_ms: 1000, keep_ms: 10_000, uid: process.geteuid?.() ?? 0 });
    assert.ok(opened.ok, opened.ok ? "" : opened.error);
    return opened.value;
  };
  try {
    node.inside(() => {
      const first = open();
      assert.equal(first.verify(), undefined);
      for (const { number } of groups) assert.ok(first.arm(number, 1).ok && first.commit(number, 1).ok, String(number));
      first.dispose();
      const second = open();
      assert.equal(second.adopted, true);
      assert.equal(second.verify(), undefined);
      const remaining = second.remaining();
      assert.ok(remaining.ok && remaining.value.size === 100, "open groups stayed open");
      second.dispose();
      assert.ok(removeFence(native).ok);
    });
  } finally {
    node.remove();
  }
});
