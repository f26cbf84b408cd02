/** Kernel parameters: set in the namespace of the caller only, unknown and refused ones told apart from set ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelTest, Namespace } from "./kernel-testing.ts";
import { readSysctl, setSysctl } from "./sysctl.ts";

const options = kernelTest();

test("a parameter that does not exist is undefined to read and an error that names it to set", () => {
  assert.equal(readSysctl("net/ipv4/holdfast_has_no_such"), undefined);
  const set = setSysctl("net/ipv4/holdfast_has_no_such", "1");
  assert.ok(!set.ok && set.error.startsWith("sysctl net/ipv4/holdfast_has_no_such = 1: "));
});

test("a value that is right already is left alone, where it cannot be written too", () => {
  const release = readSysctl("kernel/osrelease");
  assert.ok(release !== undefined && release.length > 0);
  assert.equal(setSysctl("kernel/osrelease", release).ok, true);
  assert.equal(setSysctl("kernel/osrelease", `${release}x`).ok, false, "read-only to everybody");
});

test("an interface's parameter is set in this namespace, a dot in its name included", options, () => {
  const namespace = new Namespace();
  try {
    namespace.run("ip", "link", "add", "a.5", "type", "veth", "peer", "name", "b");
    const name = "net/ipv4/conf/a.5/arp_ignore";
    namespace.inside(() => {
      assert.equal(readSysctl(name), "0");
      assert.equal(setSysctl(name, "1").ok, true);
      assert.equal(readSysctl(name), "1");
      assert.equal(setSysctl(name, "no number").ok, false);
      assert.equal(readSysctl(name), "1", "unchanged");
    });
    assert.equal(readSysctl(name), undefined, "not in the machine's own namespace");
  } finally {
    namespace.remove();
  }
});
