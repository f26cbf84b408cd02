/** The configuration a lab writes is one the daemon's own parser takes, without a warning about its lease. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { readConfig } from "@holdfast/agent/config/parse.ts";
import { DEFAULT_TIMING, configuration, keyFile } from "@holdfast/lab/configuration.ts";
import { MOST_NODES, planTopology } from "@holdfast/lab/topology.ts";

for (const [count, witness] of [
  [2, false],
  [3, false],
  [3, true],
  [MOST_NODES, true],
] as const) {
  test(`the configuration of a lab of ${count} nodes${witness ? " with a witness" : ""} is valid`, () => {
    const directory = mkdtempSync(`${tmpdir()}/holdfast-lab-config-`);
    try {
      writeFileSync(`${directory}/keys`, keyFile(new Uint8Array(32).fill(1)), { mode: 0o600 });
      const text = configuration("lab-x", planTopology(count, witness), DEFAULT_TIMING, `${directory}/keys`);
      writeFileSync(`${directory}/holdfast.yaml`, text);
      const read = readConfig(`${directory}/holdfast.yaml`, { jiffy: 4 });
      assert.ok(read.ok, JSON.stringify(read));
      assert.equal(read.value.cluster.nodes.length, count);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
