/** Section 1 of docs/protocol.md against the code: what is around a datagram on each kind of link, and what a serial line carries. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { between, tablesOf } from "./tables.ts";
import { parseConfig } from "@holdfast/agent/config/parse.ts";
import { TAG_BYTES } from "@holdfast/agent/seal/aead.ts";
import { HEADER_BYTES } from "@holdfast/agent/seal/header.ts";
import { serialNeed } from "@holdfast/core/node/narrow-links.ts";
import { SEAL_BYTES } from "@holdfast/core/wire/heartbeat-split.ts";
import { frameOf } from "@holdfast/core/wire/serial-frame.ts";
import { ETHERTYPE, GROUP } from "@holdfast/linux/packet/ethernet.ts";

const DOCUMENT = readFileSync(join(import.meta.dirname, "../../docs/protocol.md"), "utf8");
const TRAVEL = between(DOCUMENT, "## 1. How it travels", "## 2. The sealed datagram");
const [KINDS, SPEEDS] = tablesOf(TRAVEL);

function configuration(cable: string): string {
  return `version: 1
cluster: { name: edge }
links: { lan: { port: 7400 }, ${cable} }
nodes: { lb1: { lan: 10.0.0.11, interfaces: { service: eth0 } }, lb2: { lan: 10.0.0.12, interfaces: { service: eth0 } } }
groups: { web: { interfaces: [service], addresses: [10.0.0.100/24] } }
`;
}

test("the EtherType, the group address and the frame of the example are the code's", () => {
  const ethernet = KINDS?.rows.find((row) => row["link"] === "ethernet");
  assert.ok(ethernet !== undefined);
  assert.ok(ethernet["around the sealed datagram"]?.includes(`EtherType \`${ETHERTYPE.toString(16)}\``));
  assert.ok(ethernet["sent to"]?.includes(GROUP));
  const spaced = (bytes: Uint8Array | undefined): string =>
    Buffer.from(bytes ?? [])
      .toString("hex")
      .replaceAll(/..(?=.)/g, "$& ");
  const example = Buffer.from("48460001", "hex");
  assert.ok(TRAVEL.includes(`the datagram \`${spaced(example)}\` is the frame \`${spaced(frameOf(example))}\``));
});

test("the figures of a serial line are those that a configuration is checked with", () => {
  assert.equal(SEAL_BYTES, HEADER_BYTES + TAG_BYTES);
  // A speed that is refused has no configuration: its figures are the others' in proportion.
  const parsed = parseConfig(configuration("cable: { serial: /dev/ttyS0 }"), "holdfast.yaml", { jiffy: 4 });
  assert.ok(parsed.ok);
  const { cluster } = parsed.value;
  const rows = SPEEDS?.rows ?? [];
  assert.equal(rows.length, 4);
  for (const row of rows) {
    const baud = Number(row["baud"]);
    const link = { kind: "serial", name: "cable" as never, baud } as const;
    const { inInterval, inWindow, beat, renewal } = serialNeed(cluster, link);
    const [said, verdict = ""] = (row["shortest heartbeat, one group"] ?? "").split(": ");
    const [request, renews = ""] = (row["request and grant"] ?? "").split(": ");
    assert.deepEqual(
      [row["octets in 100 ms"], row["in the window of 48 ms"], said, request],
      [inInterval, inWindow, beat, renewal].map(String),
    );
    const refused = !parseConfig(configuration(`cable: { serial: /dev/ttyS0, baud: ${baud} }`), "x", { jiffy: 4 }).ok;
    assert.equal(verdict !== "", refused, `${baud}: refused`);
    assert.equal(renews !== "" || refused, renewal > inWindow, `${baud}: renews`);
  }
});
