/** One identity for each fence that can exist: a namespace is another kernel to the protocol, a process is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelId } from "./kernel-id.ts";
import { kernelTest, Namespace, sh } from "./kernel-testing.ts";

const options = kernelTest();
const PROGRAM = `import { kernelId } from ${JSON.stringify(new URL("kernel-id.ts", import.meta.url).href)};
console.log(kernelId());`;
const COMMAND = ["--input-type=module", "-e", PROGRAM];

test("it is 16 hexadecimal digits, the same each time and in another process", () => {
  assert.match(kernelId(), /^[0-9a-f]{16}$/);
  assert.equal(kernelId(), kernelId());
  assert.equal(sh(process.execPath, ...COMMAND).trim(), kernelId());
});

test("each network namespace has its own, shared by its processes", options, () => {
  const one = new Namespace();
  const two = new Namespace();
  try {
    const first = one.run(process.execPath, ...COMMAND).trim();
    assert.match(first, /^[0-9a-f]{16}$/);
    assert.equal(one.run(process.execPath, ...COMMAND).trim(), first);
    assert.equal(new Set([first, two.run(process.execPath, ...COMMAND).trim(), kernelId()]).size, 3);
  } finally {
    one.remove();
    two.remove();
  }
});
